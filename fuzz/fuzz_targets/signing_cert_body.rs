//! The body of signingCert, v2 and v1; a refusal is short, as it must not quote the body.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for answer in [fulcio::parse_v2_body(body), fulcio::parse_v1_body(body)] {
        if let Err(refused) = answer {
            assert!(refused.message.len() < 200, "{}", refused.message);
        }
    }
});
