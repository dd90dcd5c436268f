//! The public conformance suite: the right verdict in every directory, by bytes and by digest.

use crate::cases::{self, Case};
use verifier::{Artifact, Outcome, StepName};

#[test]
fn every_directory_gets_its_verdict_by_bytes() {
    for case in cases::all() {
        expect(&case, &case.verdict(&Artifact::Bytes(&case.artifact)));
    }
}

#[test]
fn every_directory_gets_its_verdict_by_digest() {
    for case in cases::all() {
        expect(&case, &case.verdict(&case.digest()));
    }
}

fn expect(case: &Case, verdict: &Result<(), String>) {
    assert_eq!(
        verdict.is_ok(),
        case.is_good(),
        "{}: {}",
        case.name,
        verdict.as_ref().err().map_or("accepted", String::as_str)
    );
}

/// Which step refuses says that the right thing was noticed, not merely something.
#[test]
fn the_step_that_fails_is_the_one_that_was_tampered_with() {
    let expected = [
        ("checkpoint-wrong-roothash_fail", StepName::TransparencyLog),
        ("dsse-invalid-sig_fail", StepName::Signature),
        ("dsse-mismatch-envelope_fail", StepName::TransparencyLog),
        ("incorrect-public-key_fail", StepName::TransparencyLog),
        (
            "intoto-expired-certificate_fail",
            StepName::CertificateChain,
        ),
        ("intoto-log-entry-mismatch_fail", StepName::TransparencyLog),
        (
            "intoto-tsa-timestamp-outside-cert-validity_fail",
            StepName::CertificateChain,
        ),
        (
            "invalid-checkpoint-signature_fail",
            StepName::TransparencyLog,
        ),
        ("managed-key-no-key_fail", StepName::Material),
        ("message-digest-mismatch_fail", StepName::Signature),
        (
            "rekor2-checkpoint-missing-origin_fail",
            StepName::TransparencyLog,
        ),
        (
            "rekor2-checkpoint-missing-root-hash_fail",
            StepName::TransparencyLog,
        ),
        (
            "rekor2-checkpoint-missing-size_fail",
            StepName::TransparencyLog,
        ),
        (
            "rekor2-checkpoint-no-matching-signature_fail",
            StepName::TransparencyLog,
        ),
        ("rekor2-dsse-invalid-sig_fail", StepName::Signature),
        ("rekor2-dsse-mismatch-sig_fail", StepName::TransparencyLog),
        ("rekor2-no-timestamp_fail", StepName::CertificateChain),
        (
            "rekor2-timestamp-outside-trust-root-tsa-validity_fail",
            StepName::CertificateChain,
        ),
        (
            "rekor2-timestamp-payload-mismatch_fail",
            StepName::CertificateChain,
        ),
        (
            "rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail",
            StepName::CertificateChain,
        ),
        (
            "rekor2-timestamp-with-incorrect-time_fail",
            StepName::CertificateChain,
        ),
        ("set-invalid-signature_fail", StepName::TransparencyLog),
        ("signature-mismatch_fail", StepName::Signature),
        ("wrong-hashedrekord-entry_fail", StepName::TransparencyLog),
        ("wrong-material_fail", StepName::Signature),
    ];
    for (name, step) in expected {
        let Some(case) = cases::named(name) else {
            return;
        };
        let report = case.report();
        assert_eq!(
            report.step(step).map(|step| step.outcome),
            Some(Outcome::Failed),
            "{name}\n{}",
            report.to_text(false)
        );
    }
}

/// Cases that fail for one reason must show that reason alone: the other checks stay quiet.
#[test]
fn steps_answer_for_themselves() {
    let alone = [
        ("rekor2-dsse-mismatch-sig_fail", StepName::TransparencyLog),
        ("message-digest-mismatch_fail", StepName::Signature),
    ];
    for (name, only) in alone {
        let Some(case) = cases::named(name) else {
            return;
        };
        let report = case.report();
        for step in report
            .steps
            .iter()
            .filter(|step| step.name != only && step.name != StepName::Policy)
        {
            assert_eq!(
                step.outcome,
                Outcome::Passed,
                "{name}\n{}",
                report.to_text(false)
            );
        }
    }
}

/// intoto 0.0.2 has no accepted bundle in this part of the suite, but the entries of two refused ones are good.
#[test]
fn a_good_intoto_entry_passes_its_step() {
    for name in [
        "intoto-expired-certificate_fail",
        "intoto-tsa-timestamp-outside-cert-validity_fail",
    ] {
        let Some(case) = cases::named(name) else {
            return;
        };
        let report = case.report();
        let step = report.step(StepName::TransparencyLog).expect("seven steps");
        assert_eq!(
            step.outcome,
            Outcome::Passed,
            "{name}\n{}",
            report.to_text(false)
        );
        assert!(
            step.evidence[0].starts_with("intoto entry"),
            "{:?}",
            step.evidence
        );
    }
}

#[test]
fn a_good_report_tells_who_when_and_where() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let report = case.report();
    assert!(report.verified);
    assert_eq!(report.identity.as_deref(), Some(case.identity.as_str()));
    assert_eq!(report.issuer.as_deref(), Some(case.issuer.as_str()));
    assert_eq!(report.predicate_type, None);
    assert_eq!(
        report
            .steps
            .iter()
            .map(|step| step.name)
            .collect::<Vec<_>>(),
        StepName::ALL
    );
    let text = report.to_text(false);
    for part in [
        "signed at 2024-03-19T17:26:26Z (log https://rekor.sigstore.dev)",
        "entry 79571823",
        "SCT of https://ctfe.sigstore.dev/2022",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(
        report
            .steps
            .iter()
            .all(|step| step.cause.is_none() && step.cure.is_none())
    );
}

#[test]
fn an_attestation_tells_its_predicate_type() {
    let Some(case) = cases::named("happy-path-intoto-in-dsse-v3") else {
        return;
    };
    let report = case.report();
    assert!(
        report
            .predicate_type
            .as_deref()
            .is_some_and(|name| name.starts_with("https://")),
        "{:?}",
        report.predicate_type
    );
}

#[test]
fn a_managed_key_needs_no_certificate_steps() {
    let Some(case) = cases::named("managed-key-happy-path") else {
        return;
    };
    let report = case.report();
    assert!(report.verified, "{}", report.to_text(false));
    for name in [
        StepName::CertificateChain,
        StepName::Identity,
        StepName::Sct,
    ] {
        assert_eq!(
            report.step(name).map(|step| step.outcome),
            Some(Outcome::Skipped)
        );
    }
    assert_eq!(report.identity, None);
}

#[test]
fn every_failure_has_cause_and_cure() {
    for case in cases::all().into_iter().filter(|case| !case.is_good()) {
        let Ok(bundle) = formats::bundle::Bundle::parse(&case.bundle) else {
            continue;
        };
        let Ok(root) = formats::trust::TrustedRoot::parse(&case.root) else {
            continue;
        };
        let Ok(trust) = verifier::TrustMaterial::new(&root) else {
            continue;
        };
        let report = verifier::verify(
            &bundle,
            &Artifact::Bytes(&case.artifact),
            &trust,
            &case.policy(),
            cases::NOW,
        );
        let failed: Vec<_> = report
            .steps
            .iter()
            .filter(|step| step.outcome == Outcome::Failed)
            .collect();
        assert!(!failed.is_empty(), "{}", case.name);
        for step in failed {
            let said = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 10);
            assert!(
                said(&step.cause) && said(&step.cure) && !step.failures.is_empty(),
                "{}: {step:?}",
                case.name
            );
        }
    }
}
