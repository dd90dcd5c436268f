//! The form of checkpoints.

use note::limits::{MAX_EXTENSIONS, MAX_TEXT_BYTES};
use note::{Checkpoint, NoteError};
use proptest::prelude::*;

/// Base64 of 32 zero bytes.
const ROOT: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_checkpoint_is_origin_size_and_root() {
    let text = format!("log.example.com\n42\n{ROOT}\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    let want = Checkpoint {
        origin: "log.example.com".into(),
        size: 42,
        root: [0; 32],
        extensions: Vec::new(),
    };
    assert_eq!(checkpoint, want);
    assert_eq!(checkpoint.to_text(), text);
}

#[test]
fn a_rekor_v1_checkpoint_may_have_spaces_and_an_extension() {
    let text = format!("rekor.example.com - 123\n1\n{ROOT}\nTimestamp: 1689177396617352539\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.origin, "rekor.example.com - 123");
    assert_eq!(checkpoint.extensions, ["Timestamp: 1689177396617352539"]);
    assert_eq!(checkpoint.to_text(), text);
}

#[test]
fn whatever_is_not_exactly_the_form_is_refused() {
    let short = |lines| NoteError::CheckpointTooShort { lines };
    let r = ROOT;
    for (text, want) in [
        (String::new(), NoteError::TextEnd),
        ("\n".into(), NoteError::NameEmpty),
        ("o\n".into(), short(1)),
        ("o\n1\n".into(), short(2)),
        (format!("o\n1\n{r}"), NoteError::TextEnd),
        (format!("\n1\n{r}\n"), NoteError::NameEmpty),
        (format!("o\n\n{r}\n"), NoteError::Size),
        (format!("o\n01\n{r}\n"), NoteError::Size),
        (format!("o\n00\n{r}\n"), NoteError::Size),
        (format!("o\n+1\n{r}\n"), NoteError::Size),
        (format!("o\n-1\n{r}\n"), NoteError::Size),
        (format!("o\n 1\n{r}\n"), NoteError::Size),
        (format!("o\n0x1\n{r}\n"), NoteError::Size),
        (format!("o\n18446744073709551616\n{r}\n"), NoteError::Size),
        ("o\n1\n\n".into(), NoteError::RootLength { have: 0 }),
        ("o\n1\nAAAA\n".into(), NoteError::RootLength { have: 3 }),
        (format!("o\n1\n{r} \n"), NoteError::RootBase64),
        (
            format!("o\n1\n{}\n", r.trim_end_matches('=')),
            NoteError::RootBase64,
        ),
        (format!("o\n1\n{}B=\n", &r[..42]), NoteError::RootBase64),
        (
            format!("o\n1\n{r}\n\n"),
            NoteError::ExtensionEmpty { line: 1 },
        ),
        (
            format!("o\n1\n{r}\nx\n\ny\n"),
            NoteError::ExtensionEmpty { line: 2 },
        ),
        (
            format!("o\r\n1\n{r}\n"),
            NoteError::ControlCharacter { byte: b'\r', at: 1 },
        ),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(want), "{text:?}");
    }
}

#[test]
fn the_largest_size_is_that_of_u64() {
    let text = format!("o\n{}\n{ROOT}\n", u64::MAX);
    assert_eq!(Checkpoint::parse(&text).unwrap().size, u64::MAX);
    let text = format!("o\n0\n{ROOT}\n");
    assert_eq!(Checkpoint::parse(&text).unwrap().size, 0);
}

#[test]
fn extensions_and_text_are_limited() {
    let head = format!("o\n1\n{ROOT}\n");
    let full = head.clone() + &"x\n".repeat(MAX_EXTENSIONS);
    assert_eq!(
        Checkpoint::parse(&full).unwrap().extensions.len(),
        MAX_EXTENSIONS
    );
    assert_eq!(
        Checkpoint::parse(&(full + "x\n")),
        Err(NoteError::TooManyExtensions)
    );
    let long = head + &"x".repeat(MAX_TEXT_BYTES) + "\n";
    let have = long.len();
    assert_eq!(
        Checkpoint::parse(&long),
        Err(NoteError::TextTooLong { have })
    );
}

proptest! {
    #[test]
    fn every_checkpoint_reads_back(
        origin in "[!-~é][ -~é]{0,30}",
        size in any::<u64>(),
        root in any::<[u8; 32]>(),
        extensions in prop::collection::vec("[ -~é]{1,30}", 0..4),
    ) {
        let checkpoint = Checkpoint { origin, size, root, extensions };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
    }

    #[test]
    fn what_parses_has_one_spelling(size in "[0-9+]{1,3}", end in "[=AB]{2}", extension in "[a\n]{0,3}") {
        let text = format!("o\n{size}\n{}{end}\n{extension}", &ROOT[..42]);
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_text(), text);
        }
    }

    #[test]
    fn random_text_never_panics(text in any::<String>(), lines in "[a0-9=\n]{0,100}") {
        let _ = (Checkpoint::parse(&text), Checkpoint::parse(&lines));
    }
}
