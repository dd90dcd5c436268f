//! The form of notes.

use note::limits::{
    MAX_NAME_BYTES, MAX_NOTE_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, MAX_TEXT_BYTES,
};
use note::{NoteError, SignatureLine, SignedNote, check_name};
use proptest::prelude::*;

/// Hint 00010203, signature 0405.
const LINE: &str = "— log.example.com AAECAwQF\n";

fn line(name: &str, signature: &[u8]) -> SignatureLine {
    SignatureLine {
        name: name.into(),
        hint: [0, 1, 2, 3],
        signature: signature.into(),
    }
}

fn error(note: &str) -> NoteError {
    SignedNote::parse(note).expect_err(note)
}

#[test]
fn a_note_is_text_blank_line_and_signatures() {
    let text = format!("a\nb\n\n{LINE}— other.example AAECAwb/\n");
    let note = SignedNote::parse(&text).unwrap();
    assert_eq!(note.text(), "a\nb\n");
    let lines = [
        line("log.example.com", &[4, 5]),
        line("other.example", &[6, 255]),
    ];
    assert_eq!(note.signatures(), lines);
    assert_eq!(note.to_string(), text);
    assert_eq!(SignedNote::new("a\nb\n".into(), lines.into()), Ok(note));
}

#[test]
fn the_last_blank_line_separates() {
    let note = SignedNote::parse(&format!("a\n\nb\n\n\n{LINE}")).unwrap();
    assert_eq!(note.text(), "a\n\nb\n\n");
    assert_eq!(note.to_string(), format!("a\n\nb\n\n\n{LINE}"));
}

#[test]
fn sixteen_signatures_and_up_to_the_limit_are_accepted() {
    for count in [16, MAX_SIGNATURES] {
        let note = SignedNote::parse(&format!("a\n\n{}", LINE.repeat(count))).unwrap();
        assert_eq!(note.signatures().len(), count);
    }
    assert_eq!(
        error(&format!("a\n\n{}", LINE.repeat(MAX_SIGNATURES + 1))),
        NoteError::TooManySignatures
    );
}

#[test]
fn a_full_note_of_the_largest_known_cosignatures_fits() {
    let mut note = SignedNote::new("a\n".into(), vec![line("log", &[1; 71])]).unwrap();
    for number in 1..MAX_SIGNATURES {
        let name = format!("witness-{number}.operator.example.org/transparency");
        note.push(line(&name, &[1; 2428])).unwrap();
    }
    assert_eq!(SignedNote::parse(&note.to_string()), Ok(note.clone()));
    assert_eq!(
        note.push(line("one.more", &[1])),
        Err(NoteError::TooManySignatures)
    );
}

#[test]
fn whatever_is_not_exactly_the_form_is_refused() {
    for (note, want) in [
        ("", NoteError::BlankLine),
        ("a\n", NoteError::BlankLine),
        ("a\n\n", NoteError::NoSignatures),
        ("a\n— log.example.com AAECAwQF\n", NoteError::BlankLine),
        (
            "a\r\n\r\n",
            NoteError::ControlCharacter { byte: b'\r', at: 1 },
        ),
        (
            "a\tb\n\n",
            NoteError::ControlCharacter { byte: b'\t', at: 1 },
        ),
        ("a\0\n\n", NoteError::ControlCharacter { byte: 0, at: 1 }),
        ("a\n\n— log.example.com AAECAwQF", NoteError::SignaturesEnd),
        (
            "a\n\n— log.example.com AAECAwQF\n\n",
            NoteError::NoSignatures,
        ),
        (
            "a\n\n- log.example.com AAECAwQF\n",
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "a\n\n—log.example.com AAECAwQF\n",
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "a\n\n— log.example.com\n",
            NoteError::SignatureLine { line: 1 },
        ),
        ("a\n\n— AAECAwQF\n", NoteError::SignatureLine { line: 1 }),
        ("a\n\n—  AAECAwQF\n", NoteError::NameEmpty),
        (
            "a\n\n— log+1 AAECAwQF\n",
            NoteError::NameCharacter { character: '+' },
        ),
        (
            "a\n\n— log AAECAwQF \n",
            NoteError::SignatureBase64 { line: 1 },
        ),
        (
            "a\n\n— log  AAECAwQF\n",
            NoteError::SignatureBase64 { line: 1 },
        ),
        (
            "a\n\n— log AAECAw_-\n",
            NoteError::SignatureBase64 { line: 1 },
        ),
        (
            "a\n\n— log AAECAwQ\n",
            NoteError::SignatureBase64 { line: 1 },
        ),
        (
            "a\n\n— log AAECAwR=\n",
            NoteError::SignatureBase64 { line: 1 },
        ),
        (
            "a\n\n— log AAECAw==\n",
            NoteError::SignatureTooShort { line: 1 },
        ),
        (
            "a\n\n— log AAEC\n",
            NoteError::SignatureTooShort { line: 1 },
        ),
        ("a\n\n— log \n", NoteError::SignatureTooShort { line: 1 }),
        (
            "a\n\n— log AAECAwQF\nb\n",
            NoteError::SignatureLine { line: 2 },
        ),
    ] {
        assert_eq!(error(note), want, "{note:?}");
    }
}

#[test]
fn sizes_are_limited() {
    let note = "a".repeat(MAX_NOTE_BYTES + 1);
    assert_eq!(
        error(&note),
        NoteError::NoteTooLong {
            have: MAX_NOTE_BYTES + 1
        }
    );

    let text = "a".repeat(MAX_TEXT_BYTES) + "\n";
    let want = NoteError::TextTooLong {
        have: MAX_TEXT_BYTES + 1,
    };
    assert_eq!(error(&format!("{text}\n{LINE}")), want);
    assert_eq!(SignedNote::new(text, vec![line("log", &[1])]), Err(want));

    let full = line("log", &[1; MAX_SIGNATURE_BYTES]);
    let over = line("log", &[1; MAX_SIGNATURE_BYTES + 1]);
    let want = NoteError::SignatureTooLong { line: 2 };
    let mut note = SignedNote::new("a\n".into(), vec![full.clone()]).unwrap();
    assert_eq!(note.push(over.clone()), Err(want));
    assert_eq!(error(&format!("{note}{over}\n")), want);

    // Many full lines break the limit of the whole before that of their number.
    let refused = (1..MAX_SIGNATURES).find_map(|_| note.push(full.clone()).err());
    assert!(matches!(refused, Some(NoteError::NoteTooLong { .. })));
    assert_eq!(SignedNote::parse(&note.to_string()), Ok(note));
}

#[test]
fn what_could_not_be_parsed_back_cannot_be_made() {
    let make = |text: &str, lines| SignedNote::new(text.into(), lines);
    assert_eq!(make("a\n", vec![]), Err(NoteError::NoSignatures));
    assert_eq!(make("a", vec![line("log", &[1])]), Err(NoteError::TextEnd));
    assert_eq!(make("", vec![line("log", &[1])]), Err(NoteError::TextEnd));
    assert_eq!(
        make("a\n", vec![line("log", &[])]),
        Err(NoteError::SignatureTooShort { line: 1 })
    );
    assert_eq!(
        make("a\n", vec![line("l g", &[1])]),
        Err(NoteError::NameCharacter { character: ' ' })
    );
}

#[test]
fn names_have_no_space_plus_or_control() {
    for name in [
        "a",
        "log.example.com",
        "localhost:8000",
        "example.com/log/1",
        "ключ",
    ] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    for name in [
        "a b",
        "a+b",
        "a\tb",
        "a\n",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{85}",
        "host - 123",
    ] {
        assert!(
            matches!(check_name(name), Err(NoteError::NameCharacter { .. })),
            "{name:?}"
        );
    }
    assert_eq!(check_name(""), Err(NoteError::NameEmpty));
    let have = MAX_NAME_BYTES + 1;
    assert_eq!(
        check_name(&"a".repeat(have)),
        Err(NoteError::NameTooLong { have })
    );
}

#[test]
fn signatures_are_found_by_name_and_hint_together() {
    let mut note = SignedNote::new("a\n".into(), vec![line("log", &[1])]).unwrap();
    note.push(line("other", &[2])).unwrap();
    note.push(SignatureLine {
        hint: [9; 4],
        ..line("log", &[3])
    })
    .unwrap();
    note.push(line("log", &[4])).unwrap();
    let found: Vec<_> = note.by("log", [0, 1, 2, 3]).collect();
    assert_eq!(found, [&[1], &[4]]);
}

#[test]
fn a_note_opens_when_every_line_of_the_key_holds() {
    let mut note = SignedNote::new("a\n".into(), vec![line("log", &[1])]).unwrap();
    note.push(line("other", &[2])).unwrap();
    let hint = [0, 1, 2, 3];
    let good = |text: &[u8], signature: &[u8]| text == b"a\n" && signature == [1];

    assert_eq!(note.open("log", hint, good), Ok(()));
    assert_eq!(
        note.open("log", hint, |_, _| false),
        Err(NoteError::BadSignature)
    );
    assert_eq!(note.open("log", [9; 4], good), Err(NoteError::NotSignedBy));
    assert_eq!(note.open("nobody", hint, good), Err(NoteError::NotSignedBy));

    note.push(line("log", &[2])).unwrap();
    assert_eq!(note.open("log", hint, good), Err(NoteError::BadSignature));
}

fn any_line() -> impl Strategy<Value = SignatureLine> {
    let signature = prop::collection::vec(any::<u8>(), 1..80);
    ("[a-zé./:0-9-]{1,20}", any::<[u8; 4]>(), signature).prop_map(|(name, hint, signature)| {
        SignatureLine {
            name,
            hint,
            signature,
        }
    })
}

proptest! {
    #[test]
    fn every_note_reads_back(
        text in "[ -~é\n—]{0,60}",
        lines in prop::collection::vec(any_line(), 1..6),
    ) {
        let note = SignedNote::new(text + "\n", lines).unwrap();
        prop_assert_eq!(SignedNote::parse(&note.to_string()), Ok(note));
    }

    #[test]
    fn what_parses_has_one_spelling(note in "[a\n]{0,3}\n\n(— [a+ ]{1,2} [ABQw=]{4,12}\n?){0,3}") {
        if let Ok(parsed) = SignedNote::parse(&note) {
            prop_assert_eq!(parsed.to_string(), note);
        }
    }

    #[test]
    fn random_text_never_panics(note in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedNote::parse(&note);
        let _ = SignedNote::parse(&String::from_utf8_lossy(&bytes));
        let _ = check_name(&note);
    }
}
