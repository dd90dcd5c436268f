//! Verifier keys: the text form, and notes that they open.

use crate::cosignature::{LOG, SIGNED_BY_LOG, ed25519};
use note::{KeyType, NoteError, SignedNote, VerifierKey, key_id_ecdsa};
use proptest::prelude::*;

/// C2SP signed-note, verifier keys: the example.
const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
/// The public Rekor v1 log's key, which is ECDSA.
const REKOR: &str = "rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=";
/// The key of a public witness.
const WITNESS: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";

#[test]
fn published_keys_read_back() {
    let cases = [
        (EXAMPLE, "example.com/foo", KeyType::Ed25519),
        (REKOR, "rekor.sigstore.dev", KeyType::Ecdsa),
        (WITNESS, "remora.n621.de", KeyType::CosignatureEd25519),
    ];
    for (text, name, key_type) in cases {
        let key = VerifierKey::parse(text).unwrap();
        assert_eq!((key.name(), key.key_type()), (name, key_type));
        assert_eq!(key.to_string(), text);
        let again = VerifierKey::new(name, key_type, key.key()).unwrap();
        assert_eq!(again, key);
    }
}

#[test]
fn the_key_of_the_specification_opens_its_note() {
    let key = VerifierKey::parse(EXAMPLE).unwrap();
    let note = SignedNote::parse(EXAMPLE_NOTE).unwrap();
    let signed = key.open(&note, ed25519(&key)).unwrap();
    assert_eq!((signed.line, signed.time), (0, None));
}

#[test]
fn a_log_key_opens_a_checkpoint_and_not_a_changed_one() {
    let key = VerifierKey::parse(LOG).unwrap();
    let note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    assert!(key.open(&note, ed25519(&key)).is_ok());
    let changed = SIGNED_BY_LOG.replace("20852163", "20852164");
    let note = SignedNote::parse(&changed).unwrap();
    assert_eq!(key.open(&note, ed25519(&key)), Err(NoteError::BadSignature));
}

#[test]
fn keys_become_spki() {
    let ecdsa = VerifierKey::parse(REKOR).unwrap();
    assert_eq!(ecdsa.spki_der(), ecdsa.key());
    assert_eq!(ecdsa.key_id(), key_id_ecdsa(ecdsa.key()));
    let witness = VerifierKey::parse(WITNESS).unwrap();
    let spki = witness.spki_der();
    assert_eq!(hex::encode(&spki[..12]), "302a300506032b6570032100");
    assert_eq!(&spki[12..], witness.key());
}

#[test]
fn each_damage_has_its_error() {
    let cases = [
        (String::new(), NoteError::VkeyForm),
        ("example.com/foo+530d903a".into(), NoteError::VkeyForm),
        (EXAMPLE.replace("530d903a", "530d903"), NoteError::VkeyForm),
        (EXAMPLE.replace("530d903a", "+30d903a"), NoteError::VkeyForm),
        (EXAMPLE.replace("AekyeR", "%%%%%%"), NoteError::VkeyForm),
        (
            EXAMPLE.replace("530d903a", "530d903b"),
            NoteError::VkeyHint {
                have: [0x53, 0x0d, 0x90, 0x3b],
                want: [0x53, 0x0d, 0x90, 0x3a],
            },
        ),
        (
            EXAMPLE.replace("foo+", "bar+"),
            NoteError::VkeyHint {
                have: [0x53, 0x0d, 0x90, 0x3a],
                want: VerifierKey::new(
                    "example.com/bar",
                    KeyType::Ed25519,
                    VerifierKey::parse(EXAMPLE).unwrap().key(),
                )
                .unwrap()
                .hint(),
            },
        ),
        (
            "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".into(),
            NoteError::NameCharacter { character: ' ' },
        ),
        (
            "example.com+00000000+BgAA".into(),
            NoteError::VkeyType { byte: 6 },
        ),
        (
            "example.com+00000000+AQAA".into(),
            NoteError::VkeyLength { have: 2 },
        ),
        ("a".repeat(1025), NoteError::VkeyTooLong { have: 1025 }),
    ];
    for (text, error) in cases {
        assert_eq!(VerifierKey::parse(&text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn a_key_that_parses_is_written_back(name in "[a-z0-9./-]{1,40}", key: [u8; 32], witness: bool) {
        let key_type = if witness { KeyType::CosignatureEd25519 } else { KeyType::Ed25519 };
        let key = VerifierKey::new(&name, key_type, &key).unwrap();
        prop_assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}|[a-z]{1,4}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/=]{0,60}") {
        let _ = VerifierKey::parse(&text);
    }
}
