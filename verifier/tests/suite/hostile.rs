//! Nothing from outside makes the engine panic or accept.

use crate::cases::{self, Case, NOW};
use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::OnceLock;
use verifier::{Artifact, Failure, StepName, TrustMaterial};

struct Fixture {
    cases: Vec<Case>,
    trust: Vec<TrustMaterial>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let cases = cases::good();
        let trust = cases.iter().map(Case::trust).collect();
        Fixture { cases, trust }
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i64>().prop_map(|number| json!(number.to_string())),
        ".{0,40}".prop_map(Value::from),
        "[A-Za-z0-9+/]{0,64}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,12}", inner, 0..4)
                .prop_map(|members| json!(members)),
        ]
    })
}

/// Paths of all values in a document.
fn places(json: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(name, value)| walk(value, &format!("{path}/{name}"), found)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(i, value)| walk(value, &format!("{path}/{i}"), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(json, "", &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Bundle::parse(&bytes);
        if let Ok(root) = TrustedRoot::parse(&bytes) {
            let _ = TrustMaterial::new(&root);
        }
    }

    #[test]
    fn grafted_json_does_not_panic(case in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), graft in any_json()) {
        let fixture = fixture();
        if fixture.cases.is_empty() {
            return Ok(());
        }
        let case = case.index(fixture.cases.len());
        let mut json = fixture.cases[case].json();
        let places = places(&json);
        *json.pointer_mut(&places[place.index(places.len())]).expect("walked") = graft;
        // Without the parser's checks of the form, so that the engine's own are met.
        if let Ok(bundle) = serde_json::from_value::<Bundle>(json) {
            let case_ = &fixture.cases[case];
            let report = verifier::verify(&bundle, &Artifact::Bytes(&case_.artifact), &fixture.trust[case], &case_.policy(), NOW);
            let _ = report.to_text(true);
            let _ = serde_json::to_string(&report);
        }
    }

    #[test]
    fn flipped_bytes_do_not_panic(case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8u8, which in 0..4usize) {
        let fixture = fixture();
        if fixture.cases.is_empty() {
            return Ok(());
        }
        let index = case.index(fixture.cases.len());
        let case = &fixture.cases[index];
        let mut bundle = Bundle::parse(&case.bundle).expect("good");
        let material = &mut bundle.verification_material;
        let bytes = match which {
            0 => material.certificate.as_mut().map(|cert| &mut cert.raw_bytes.0),
            1 => material.timestamp_verification_data.as_mut().and_then(|data| data.rfc3161_timestamps.first_mut()).map(|stamp| &mut stamp.signed_timestamp.0),
            2 => material.tlog_entries.first_mut().map(|entry| &mut entry.canonicalized_body.0),
            _ => material.tlog_entries.first_mut().and_then(|entry| entry.inclusion_promise.as_mut()).map(|promise| &mut promise.signed_entry_timestamp.0),
        };
        if let Some(bytes) = bytes {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let report = verifier::verify(&bundle, &Artifact::Bytes(&case.artifact), &fixture.trust[index], &case.policy(), NOW);
            prop_assert!(which == 1 || !report.verified, "{}", report.to_text(false));
        }
    }
}

fn report_on(json: Value, case: &Case) -> verifier::Report {
    let bundle: Bundle = serde_json::from_value(json).expect("has the members");
    verifier::verify(
        &bundle,
        &Artifact::Bytes(&case.artifact),
        &case.trust(),
        &case.policy(),
        NOW,
    )
}

#[test]
fn lists_over_their_limits_are_not_read() {
    let Some(case) = cases::named("managed-key-happy-path") else {
        return;
    };
    let mut json = case.json();
    for list in [
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
    ] {
        let items = json
            .pointer_mut(list)
            .and_then(Value::as_array_mut)
            .expect("a list");
        *items = vec![items[0].clone(); 33];
    }
    let report = report_on(json, &case);
    assert!(!report.verified);
    let failures = &report
        .step(StepName::Material)
        .expect("seven steps")
        .failures;
    assert!(
        failures.contains(&Failure::TooManyEntries {
            have: 33,
            limit: 32
        }),
        "{failures:?}"
    );
    assert!(
        failures.contains(&Failure::TooManyTimestamps {
            have: 33,
            limit: 32
        }),
        "{failures:?}"
    );
}

/// 32 different entries of a known log, each with a promise and a checkpoint: the work stays bounded.
#[test]
fn many_entries_cost_a_bounded_number_of_checks() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let mut json = case.json();
    let first = json["verificationMaterial"]["tlogEntries"][0].clone();
    let entries = (0..32).map(|index| {
        let mut entry = first.clone();
        entry["logIndex"] = json!(index.to_string());
        entry
    });
    json["verificationMaterial"]["tlogEntries"] = entries.collect();
    assert!(!report_on(json, &case).verified);
}

#[test]
fn a_bundle_of_nothing_fails_in_every_step_without_panic() {
    let json = json!({
        "mediaType": "nonsense",
        "verificationMaterial": {"tlogEntries": []},
        "messageSignature": {"signature": ""},
    });
    let bundle: Bundle = serde_json::from_value(json).expect("has the members");
    let trust = TrustMaterial::new(&TrustedRoot {
        media_type: String::new(),
        tlogs: vec![],
        certificate_authorities: vec![],
        ctlogs: vec![],
        timestamp_authorities: vec![],
    });
    let any = verifier::Match::Regexp(".*".into());
    let policy = verifier::Policy {
        tlog_threshold: 0,
        sct_threshold: 0,
        timestamp_threshold: 0,
        ..verifier::Policy::new(verifier::Signer::Identity {
            identity: any.clone(),
            issuer: any,
        })
    };
    let report = verifier::verify(
        &bundle,
        &Artifact::Bytes(b""),
        &trust.expect("empty is fine"),
        &policy,
        NOW,
    );
    assert!(!report.verified);
    assert_eq!(report.steps.len(), 7);
}
