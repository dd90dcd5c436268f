//! The body of `POST /api/v2/log/entries`; what is accepted has a canonical body that reads back.
#![no_main]

use formats::entry::Body;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(body) = rekor::parse_v2_entry(json) {
        Body::parse(&body).unwrap();
    }
});
