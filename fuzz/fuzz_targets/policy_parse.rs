//! A policy that parses can be evaluated: its quorum holds when every witness cosigned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use note::policy::Policy;

fuzz_target!(|text: &[u8]| {
    if let Ok(policy) = Policy::parse(text) {
        assert!(policy.is_met(|_| true));
        assert_eq!(policy.is_met(|_| false), !policy.needs_witnesses());
    }
});
