//! DSSE envelopes: the first byte says whether the rest is an envelope's JSON or the payload of one.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;
use verifier::{Artifact, Match, Policy, Signer, TrustMaterial, verify};

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let envelope = match first {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => format!(
            r#"{{"payload": "{}", "payloadType": "application/vnd.in-toto+json", "signatures": [{{"sig": "AAAA"}}]}}"#,
            STANDARD.encode(rest)
        ),
    };
    let json = format!(
        r#"{{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":
            {{"certificate": {{"rawBytes": "MAA="}}, "tlogEntries": []}}, "dsseEnvelope": {envelope}}}"#
    );
    let Ok(bundle) = Bundle::parse(json.as_bytes()) else {
        return;
    };
    let root = r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let Ok(root) = TrustedRoot::parse(root.as_bytes()) else {
        return;
    };
    let Ok(trust) = TrustMaterial::new(&root) else {
        return;
    };
    let any = || Match::Regexp(".*".to_owned());
    let policy = Policy::new(Signer::Identity {
        identity: any(),
        issuer: any(),
    });
    let artifact = Artifact::Bytes(b"artifact");
    assert!(!verify(&bundle, &artifact, &trust, &policy, OffsetDateTime::UNIX_EPOCH).verified);
});
