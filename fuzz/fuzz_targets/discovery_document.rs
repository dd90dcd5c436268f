//! Discovery documents; an https issuer's keys are on https.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    if let Some(jwks_uri) = oidc::parse_discovery("https://i.example", document) {
        assert!(jwks_uri.starts_with("https://"));
    }
});
