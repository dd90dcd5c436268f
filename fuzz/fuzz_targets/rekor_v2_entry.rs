//! The body of `POST /api/v2/log/entries`; what is accepted has a canonical body that reads back.
#![no_main]

use formats::entry::Body;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(entry) = rekor::parse_v2_entry(json) {
        let (kind, version, _) = Body::parse(&entry.body).unwrap();
        assert_eq!(
            (kind.as_str(), version.as_str()),
            (entry.kind, entry.version)
        );
    }
});
