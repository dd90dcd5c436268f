//! The trust documents: trusted root, signing configuration, both in one.
#![no_main]

use formats::trust::{ClientTrustConfig, SigningConfig, TrustedRoot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(root) = TrustedRoot::parse(json) {
        TrustedRoot::parse(root.to_json().as_bytes()).unwrap();
    }
    if let Ok(config) = SigningConfig::parse(json) {
        SigningConfig::parse(config.to_json().as_bytes()).unwrap();
    }
    let _ = ClientTrustConfig::parse(json);
});
