//! RFC 3161 tokens in a bundle, as the verifier reads them. The report says the same twice.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;
use verifier::{Artifact, Policy, Signer, TrustMaterial, verify};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";

fuzz_target!(|token: &[u8]| {
    let root = r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let Ok(trust) = TrustedRoot::parse(root.as_bytes()) else {
        return;
    };
    let Ok(trust) = TrustMaterial::new(&trust) else {
        return;
    };
    let json = format!(
        r#"{{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":
            {{"publicKey": {{"hint": "k"}}, "tlogEntries": [], "timestampVerificationData":
            {{"rfc3161Timestamps": [{{"signedTimestamp": "{}"}}]}}}}, "messageSignature": {{"signature": "AAAA"}}}}"#,
        STANDARD.encode(token)
    );
    let Ok(bundle) = Bundle::parse(json.as_bytes()) else {
        return;
    };
    let policy = Policy::new(Signer::Key(KEY.to_owned()));
    let now = OffsetDateTime::UNIX_EPOCH;
    let report = || verify(&bundle, &Artifact::Bytes(b"artifact"), &trust, &policy, now);
    let first = report();
    assert!(!first.verified);
    assert_eq!(first.to_text(false), report().to_text(false));
});
