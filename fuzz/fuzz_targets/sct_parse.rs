//! A timestamp that parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::sct::Sct;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sct) = Sct::parse(bytes) {
        assert_eq!(sct.to_bytes(), bytes);
    }
});
