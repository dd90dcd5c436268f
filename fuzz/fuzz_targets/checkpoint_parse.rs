//! A checkpoint that parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use note::Checkpoint;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
});
