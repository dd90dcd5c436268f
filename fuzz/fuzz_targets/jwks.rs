//! JSON Web Key Sets; what is accepted has a key, and no more than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc::limits::KEYS_PER_SET;

fuzz_target!(|document: &[u8]| {
    if let Some(keys) = oidc::parse_key_set(document) {
        assert!((1..=KEYS_PER_SET).contains(&keys));
    }
});
