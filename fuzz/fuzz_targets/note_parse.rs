//! A note that parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use note::SignedNote;

fuzz_target!(|text: &str| {
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_string(), text);
        let lines = note.signatures().to_vec();
        assert_eq!(SignedNote::new(note.text().to_owned(), lines), Ok(note));
    }
});
