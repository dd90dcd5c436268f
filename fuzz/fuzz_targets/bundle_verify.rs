//! The verifier with a chosen trusted root and a chosen bundle. Input: the root's JSON, a NUL, the bundle's JSON.
#![no_main]

use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;
use verifier::{Artifact, Match, Policy, Signer, TrustMaterial, verify};

fuzz_target!(|input: &[u8]| {
    let Some(middle) = input.iter().position(|byte| *byte == 0) else {
        return;
    };
    let (root, bundle) = (&input[..middle], &input[middle + 1..]);
    let Ok(root) = TrustedRoot::parse(root) else {
        return;
    };
    let Ok(trust) = TrustMaterial::new(&root) else {
        return;
    };
    let Ok(bundle) = Bundle::parse(bundle) else {
        return;
    };

    let any = || Match::Regexp(".*".to_owned());
    let policy = Policy::new(Signer::Identity {
        identity: any(),
        issuer: any(),
    });
    let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 60);
    let _ = verify(&bundle, &Artifact::Bytes(b"artifact"), &trust, &policy, now);
});
