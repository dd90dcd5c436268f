//! Cosignatures: the message, the bytes, and whose they are.

use ed25519_dalek::{Signature, VerifyingKey};
use note::{
    Cosignature, NoteError, SignedNote, VerifierKey, cosignature_message, parse_signature_lines,
};
use proptest::prelude::*;

// Made by another implementation from the seeds 00..1f (witness) and 20..3f (log); the text and the time are the
// example of C2SP tlog-cosignature.
pub(crate) const WITNESS: &str =
    "witness.example.org/w1+cfcd1a67+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
pub(crate) const LOG: &str =
    "example.com/behind-the-sofa+13e30ba2+ASmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
pub(crate) const SIGNED_BY_LOG: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa E+MLootScofIiK0RZI/1vBb3DLwLb9bRvYSiPagYXhmOMuCwTwTFDFGPPIh+bN0lJBDcB8sSuVirgwX2FlEsjzuB1gQ=\n";
pub(crate) const COSIGNATURE: &str = "— witness.example.org/w1 z80aZwAAAABkGFDLBuRDazBLVac2NE+Y+IjbjQOcXLfF9CSDZVUIoS83rE1nFZsVE8YiWV6Ngr7lV8H6bdoBQGP/l73euDMQ9k+bBQ==\n";
const TIME: u64 = 1_679_315_147;

/// Verifies with a library that knows nothing of notes.
pub(crate) fn ed25519(key: &VerifierKey) -> impl FnMut(&[u8], &[u8]) -> bool + use<> {
    let key = VerifyingKey::from_bytes(key.key().try_into().unwrap()).unwrap();
    move |message, signature| {
        Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
    }
}

/// The checkpoint with the witness's line below the log's.
pub(crate) fn cosigned() -> SignedNote {
    let mut note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    note.append(parse_signature_lines(COSIGNATURE).unwrap())
        .unwrap();
    note
}

#[test]
fn the_message_is_that_of_the_specification() {
    let note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    assert_eq!(
        cosignature_message(TIME, note.text()),
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    );
}

#[test]
fn the_witness_key_opens_the_cosigned_checkpoint_and_tells_when() {
    let note = cosigned();
    assert_eq!(note.to_string(), format!("{SIGNED_BY_LOG}{COSIGNATURE}"));
    let key = VerifierKey::parse(WITNESS).unwrap();
    let signed = key.open(&note, ed25519(&key)).unwrap();
    assert_eq!((signed.line, signed.time), (1, Some(TIME)));
}

#[test]
fn another_time_or_text_spoils_a_cosignature() {
    let key = VerifierKey::parse(WITNESS).unwrap();
    let good = cosigned();
    let mut line = good.signatures()[1].clone();
    line.signature[7] ^= 1;
    let later = SignedNote::new(good.text().to_owned(), vec![line]).unwrap();
    let larger = SignedNote::parse(&good.to_string().replace("20852163", "20852164")).unwrap();
    for note in [later, larger] {
        assert_eq!(key.open(&note, ed25519(&key)), Err(NoteError::BadSignature));
    }
}

#[test]
fn one_bad_line_of_a_known_key_spoils_the_note() {
    let key = VerifierKey::parse(WITNESS).unwrap();
    let mut note = cosigned();
    note.push(key.line(vec![0; 72])).unwrap();
    assert_eq!(key.open(&note, ed25519(&key)), Err(NoteError::BadSignature));
    let mut note = cosigned();
    note.push(key.line(vec![0; 64])).unwrap();
    assert_eq!(
        key.open(&note, ed25519(&key)),
        Err(NoteError::CosignatureLength { have: 64 })
    );
}

#[test]
fn a_line_of_another_name_is_not_looked_at() {
    let key = VerifierKey::parse(WITNESS).unwrap();
    let note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    assert_eq!(
        key.open(&note, |_, _| panic!("nothing to verify")),
        Err(NoteError::NotSignedBy)
    );
}

#[test]
fn a_cosignature_has_72_bytes_and_a_time_of_63_bits() {
    for have in [0, 8, 64, 71, 73] {
        assert_eq!(
            Cosignature::parse(&vec![0; have]),
            Err(NoteError::CosignatureLength { have })
        );
    }
    let mut bytes = [0xff; 72];
    let time = u64::MAX;
    assert_eq!(
        Cosignature::parse(&bytes),
        Err(NoteError::CosignatureTime { time })
    );
    bytes[0] = 0x7f;
    assert_eq!(
        Cosignature::parse(&bytes).unwrap().time,
        u64::try_from(i64::MAX).unwrap()
    );
}

#[test]
fn lines_are_appended_all_or_none() {
    let mut note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    let line = parse_signature_lines(COSIGNATURE).unwrap().remove(0);
    let many = std::iter::repeat_n(line, 64);
    assert_eq!(note.append(many), Err(NoteError::TooManySignatures));
    assert_eq!(note.to_string(), SIGNED_BY_LOG);
}

#[test]
fn lines_that_stand_alone_are_parsed_as_strictly_as_in_a_note() {
    let cases = [
        ("", NoteError::NoSignatures),
        (COSIGNATURE.trim_end(), NoteError::SignaturesEnd),
        ("\n", NoteError::SignatureLine { line: 1 }),
        (
            &format!("{COSIGNATURE}\n"),
            NoteError::SignatureLine { line: 2 },
        ),
        (
            &COSIGNATURE.replace('\n', "\r\n"),
            NoteError::ControlCharacter { byte: 13, at: 131 },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(parse_signature_lines(text), Err(error), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_parses_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 72)) {
        match Cosignature::parse(&bytes) {
            Ok(cosignature) => prop_assert_eq!(cosignature.to_bytes().to_vec(), bytes),
            Err(_) => prop_assert!(bytes[0] >= 0x80),
        }
    }

    #[test]
    fn the_parsers_never_panic(text in "(— [a-z]{1,3} [A-Za-z0-9+/=]{0,12}\n|\\PC{0,6}\n?){0,4}") {
        let _ = parse_signature_lines(&text);
    }
}
