//! JSON bodies of the verifier's API. A refusal is the caller's fault, names a member, and is short whatever was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verifier_api::fuzzing;

fuzz_target!(|json: &[u8]| {
    for refused in fuzzing::requests(json) {
        assert!((400..500).contains(&refused.status), "{refused:?}");
        assert!(
            refused.field.is_some() && refused.length < 2000,
            "{refused:?}"
        );
    }
});
