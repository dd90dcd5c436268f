//! Identities, thresholds, time.

use crate::cases::{self, Case, NOW};
use formats::bundle::Bundle;
use serde_json::json;
use verifier::{Artifact, Failure, Match, Outcome, Policy, Signer, StepName};

fn signer(identity: Match, issuer: Match) -> Policy {
    Policy::new(Signer::Identity { identity, issuer })
}

fn accepts(case: &Case, policy: &Policy) -> bool {
    case.report_with(policy).verified
}

#[test]
fn identity_and_issuer_must_both_match() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let (right, issuer) = (
        Match::Exact(case.identity.clone()),
        Match::Exact(case.issuer.clone()),
    );
    assert!(accepts(&case, &signer(right.clone(), issuer.clone())));
    assert!(!accepts(
        &case,
        &signer(Match::Exact("alice@example.com".into()), issuer.clone())
    ));
    assert!(!accepts(
        &case,
        &signer(right, Match::Exact("https://accounts.example.com".into()))
    ));
    assert!(!accepts(
        &case,
        &signer(Match::Exact(String::new()), issuer)
    ));
}

#[test]
fn the_wrong_identity_is_named_with_its_cure() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let report = case.report_with(&signer(
        Match::Exact("alice@example.com".into()),
        Match::Exact(case.issuer.clone()),
    ));
    let step = report.step(StepName::Identity).expect("seven steps");
    assert!(
        step.cause.as_ref().is_some_and(
            |cause| cause.contains("alice@example.com") && cause.contains(&case.identity)
        )
    );
    assert!(
        step.cure
            .as_ref()
            .is_some_and(|cure| cure.contains(&case.identity))
    );
    assert_eq!(report.identity.as_deref(), Some(case.identity.as_str()));
}

#[test]
fn patterns_match_the_whole_value() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let issuer = || Match::Regexp(r"https://token\.actions\.githubusercontent\.com".into());
    assert!(accepts(
        &case,
        &signer(
            Match::Regexp(r"https://github\.com/sigstore-conformance/.*".into()),
            issuer()
        )
    ));
    assert!(!accepts(
        &case,
        &signer(Match::Regexp("sigstore-conformance".into()), issuer())
    ));
    assert!(!accepts(
        &case,
        &signer(
            Match::Regexp(".*".into()),
            Match::Regexp("githubusercontent".into())
        )
    ));
    assert!(!accepts(
        &case,
        &signer(Match::Regexp("x)|(.*".into()), issuer())
    ));
}

#[test]
fn a_key_where_a_certificate_is_and_the_reverse_are_refused() {
    let (Some(keyed), Some(named)) = (
        cases::named("managed-key-happy-path"),
        cases::named("happy-path-v0.3"),
    ) else {
        return;
    };
    let report = named.report_with(&keyed.policy());
    assert_eq!(
        report.steps[0].failures,
        vec![Failure::CertificateBundleForKey]
    );
    assert!(!report.verified);
    let report = keyed.report_with(&named.policy());
    assert_eq!(
        report.steps[0].failures,
        vec![Failure::KeyBundleForIdentity]
    );
    assert!(!report.verified);
}

#[test]
fn a_key_that_does_not_parse_is_refused() {
    let Some(case) = cases::named("managed-key-happy-path") else {
        return;
    };
    for pem in [
        "",
        "not PEM",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        assert!(
            !accepts(&case, &Policy::new(Signer::Key(pem.into()))),
            "{pem}"
        );
    }
}

#[test]
fn thresholds_count_distinct_parties() {
    let Some(case) = cases::named("managed-key-happy-path") else {
        return;
    };
    // A timestamp authority and a log with a signed time: two.
    assert!(accepts(
        &case,
        &Policy {
            timestamp_threshold: 2,
            ..case.policy()
        }
    ));
    assert!(!accepts(
        &case,
        &Policy {
            timestamp_threshold: 3,
            ..case.policy()
        }
    ));
    assert!(!accepts(
        &case,
        &Policy {
            tlog_threshold: 2,
            ..case.policy()
        }
    ));
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    assert!(!accepts(
        &case,
        &Policy {
            timestamp_threshold: 2,
            ..case.policy()
        }
    ));
    assert!(!accepts(
        &case,
        &Policy {
            sct_threshold: 2,
            ..case.policy()
        }
    ));
}

#[test]
fn repetitions_do_not_count_twice() {
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
            .and_then(|list| list.as_array_mut())
            .expect("a list");
        items.push(items[0].clone());
    }
    let Ok(bundle) = Bundle::parse(json.to_string().as_bytes()) else {
        return;
    };
    let check = |policy: &Policy| {
        verifier::verify(
            &bundle,
            &Artifact::Bytes(&case.artifact),
            &case.trust(),
            policy,
            NOW,
        )
    };
    let report = check(&case.policy());
    assert!(report.verified, "{}", report.to_text(false));
    assert!(
        !check(&Policy {
            tlog_threshold: 2,
            ..case.policy()
        })
        .verified
    );
    assert!(
        !check(&Policy {
            timestamp_threshold: 3,
            ..case.policy()
        })
        .verified
    );
}

#[test]
fn a_threshold_of_zero_makes_a_step_optional_but_not_blind() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let mut root = case.root();
    root.ctlogs.clear();
    let trust = verifier::TrustMaterial::new(&root).expect("parses");
    let bundle = Bundle::parse(&case.bundle).expect("parses");
    let check = |policy: &Policy| {
        verifier::verify(
            &bundle,
            &Artifact::Bytes(&case.artifact),
            &trust,
            policy,
            NOW,
        )
    };
    assert!(!check(&case.policy()).verified);
    assert!(
        check(&Policy {
            sct_threshold: 0,
            ..case.policy()
        })
        .verified
    );

    // A bad entry is refused although none is asked for.
    let mut json = case.json();
    json["verificationMaterial"]["tlogEntries"][0]["logIndex"] = json!("1");
    let bundle = Bundle::parse(json.to_string().as_bytes()).expect("parses");
    let policy = Policy {
        tlog_threshold: 0,
        timestamp_threshold: 0,
        ..case.policy()
    };
    assert!(
        !verifier::verify(
            &bundle,
            &Artifact::Bytes(&case.artifact),
            &case.trust(),
            &policy,
            NOW
        )
        .verified
    );
}

#[test]
fn a_certificate_needs_a_trusted_time_whatever_the_policy() {
    let Some(case) = cases::named("rekor2-no-timestamp_fail") else {
        return;
    };
    let report = case.report_with(&Policy {
        timestamp_threshold: 0,
        ..case.policy()
    });
    assert!(!report.verified);
    assert_eq!(
        report
            .step(StepName::CertificateChain)
            .map(|step| step.failures.clone()),
        Some(vec![Failure::NoTrustedTime])
    );
}

#[test]
fn an_integrated_time_in_the_future_is_refused() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let bundle = Bundle::parse(&case.bundle).expect("parses");
    let check = |seconds: i64| {
        let now = time::OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        verifier::verify(
            &bundle,
            &Artifact::Bytes(&case.artifact),
            &case.trust(),
            &case.policy(),
            now,
        )
        .verified
    };
    assert!(check(1_710_869_186));
    assert!(!check(1_710_869_185));
}

#[test]
fn digests_that_are_missing_are_asked_for() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let mut json = case.json();
    json["messageSignature"]["messageDigest"]["algorithm"] = json!("SHA2_512");
    let Ok(bundle) = Bundle::parse(json.to_string().as_bytes()) else {
        return;
    };
    let report = verifier::verify(&bundle, &case.digest(), &case.trust(), &case.policy(), NOW);
    assert_eq!(
        report
            .step(StepName::Signature)
            .map(|step| step.failures.clone()),
        Some(vec![Failure::DigestMissing {
            algorithm: "sha512"
        }])
    );
    assert_eq!(
        report.step(StepName::Signature).map(|step| step.outcome),
        Some(Outcome::Failed)
    );
}
