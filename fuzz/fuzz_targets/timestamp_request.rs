//! RFC 3161 requests in DER and the JSON form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = tsa::parse_request(bytes);
    let _ = tsa::parse_json_request(bytes);
});
