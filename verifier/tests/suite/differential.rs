//! The same bundles through an independent implementation: one verdict.

use crate::cases::{self, Case};
use serde_json::Value;
use sigstore_trust_root::TrustedRoot;
use sigstore_types::{Bundle, DerPublicKey};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy};
use verifier::Artifact;

#[test]
fn both_implementations_agree_on_every_conformance_bundle() {
    for case in cases::all() {
        let ours = case.verdict(&Artifact::Bytes(&case.artifact));
        let theirs = verdict_of_the_other(&case, &case.bundle);
        assert_eq!(
            ours.is_ok(),
            theirs.is_ok(),
            "{}: ours {ours:?}, theirs {theirs:?}",
            case.name
        );
    }
}

/// Bundles of one identity with parts exchanged pairwise: realistic forgeries.
///
/// What we accept the other accepts too. The reverse has one exception: it finds the log by the checkpoint's hint when
/// the entry's log ID is wrong.
#[test]
fn both_implementations_agree_on_bundles_with_exchanged_parts() {
    const LOG_ID: &str = "/verificationMaterial/tlogEntries/0/logId";
    let parts = [
        LOG_ID,
        "/verificationMaterial/certificate",
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/tlogEntries/0/inclusionPromise",
        "/verificationMaterial/tlogEntries/0/inclusionProof",
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/verificationMaterial/timestampVerificationData",
        "/messageSignature/signature",
        "/messageSignature/messageDigest",
        "/dsseEnvelope",
    ];
    let good = cases::good();
    for (case, other) in good
        .iter()
        .flat_map(|case| good.iter().map(move |other| (case, other)))
    {
        for part in parts {
            let Some(bundle) = exchange(case, other, part) else {
                continue;
            };
            let altered = Case {
                bundle,
                ..case.clone()
            };
            let ours = altered.verdict(&Artifact::Bytes(&case.artifact));
            let theirs = verdict_of_the_other(case, &altered.bundle);
            let agree = ours.is_ok() == theirs.is_ok() || (part == LOG_ID && ours.is_err());
            assert!(
                agree,
                "{} with {part} of {}: ours {ours:?}, theirs {theirs:?}",
                case.name, other.name
            );
        }
    }
}

fn exchange(case: &Case, other: &Case, part: &str) -> Option<Vec<u8>> {
    let (mut json, donor): (Value, Value) = (case.json(), other.json());
    let donated = donor.pointer(part)?.clone();
    let place = json.pointer_mut(part)?;
    if *place == donated {
        return None;
    }
    *place = donated;
    Some(json.to_string().into_bytes())
}

pub(crate) fn verdict_of_the_other(case: &Case, bundle: &[u8]) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    let root = TrustedRoot::from_json(&text(&case.root)?).map_err(|error| error.to_string())?;
    let bundle = Bundle::from_json(&text(bundle)?).map_err(|error| error.to_string())?;
    let artifact = case.artifact.as_slice();
    let result = match &case.key {
        Some(pem) => {
            let key = DerPublicKey::from_pem(pem).map_err(|error| error.to_string())?;
            sigstore_verify::verify(
                artifact,
                &bundle,
                &PublicKeyVerificationPolicy::new(key),
                &root,
            )
        }
        None => sigstore_verify::verify(
            artifact,
            &bundle,
            &VerificationPolicy::new(case.identity.as_str(), case.issuer.as_str()),
            &root,
        ),
    };
    result.map(|_| ()).map_err(|error| error.to_string())
}
