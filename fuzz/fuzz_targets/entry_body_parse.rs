//! Canonical bodies of log entries.
#![no_main]

use formats::entry::{Body, kind_version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok((kind, version, _)) = Body::parse(json) {
        assert_eq!(kind_version(json), Ok((kind, version)));
    }
});
