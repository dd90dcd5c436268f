//! A guard file is read or refused, and never leads to a head that another log has.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if tlog::guard::decode("ct", bytes).is_ok() {
        assert!(tlog::guard::decode("rekor-v2", bytes).is_err());
    }
});
