//! A verifier key that parses reads back from what it writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use note::VerifierKey;

fuzz_target!(|text: &str| {
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }
});
