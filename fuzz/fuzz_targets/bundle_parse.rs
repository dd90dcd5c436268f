//! Sigstore bundles, and the log entries of Rekor v2 that stand in them.
#![no_main]

use formats::bundle::{Bundle, TransparencyLogEntry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let _ = Bundle::parse(json);
    let _ = TransparencyLogEntry::parse_rekor_v2(json);
});
