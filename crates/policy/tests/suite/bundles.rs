//! Policies over bundles of the public instance, from the conformance suite.

use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use policy::{Candidate, Document, Evaluation, SuggestError, suggest};
use std::fs;
use time::OffsetDateTime;
use time::macros::datetime;
use verifier::{Artifact, TrustMaterial};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// After every bundle of the suite was made.
const NOW: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);

struct Case {
    name: &'static str,
    bundle: Bundle,
    artifact: Vec<u8>,
    trust: TrustMaterial,
    key: Option<String>,
    identity: String,
    issuer: String,
}

fn case(name: &'static str) -> Option<Case> {
    let folder = testkit::vectors("conformance")?;
    let trust = testkit::vectors("trust")?;
    let own = |file: &str| fs::read(folder.join(name).join(file)).ok();
    let text =
        |file: &str| own(file).map(|bytes| String::from_utf8(bytes).unwrap().trim().to_owned());
    let root = own("trusted_root.json")
        .unwrap_or_else(|| fs::read(trust.join("trusted_root.json")).unwrap());
    Some(Case {
        name,
        bundle: Bundle::parse(&own("bundle.sigstore.json").unwrap()).unwrap(),
        artifact: own("artifact").unwrap_or_else(|| fs::read(folder.join("a.txt")).unwrap()),
        trust: TrustMaterial::new(&TrustedRoot::parse(&root).unwrap()).unwrap(),
        key: text("key.pub"),
        identity: text("identity").unwrap_or_else(|| IDENTITY.to_owned()),
        issuer: text("issuer").unwrap_or_else(|| ISSUER.to_owned()),
    })
}

impl Case {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            place: self.name.to_owned(),
            bundle: &self.bundle,
            artifact: Artifact::Bytes(&self.artifact),
        }
    }

    fn evaluate(&self, yaml: &str) -> Evaluation {
        let document =
            Document::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("{yaml}\n{error}"));
        document.evaluate(&[self.candidate()], &[("public", &self.trust)], NOW)
    }

    /// One identity, with more of the document behind it.
    fn with(&self, rest: &str) -> String {
        format!(
            "apiVersion: sigstead.dev/policy/v1\nname: p\nsignatures:\n  identities:\n    - identity: {}\n      issuer: {}\n{rest}",
            self.identity, self.issuer
        )
    }

    fn attested(&self, rest: &str) -> String {
        let kind = self
            .evaluate(&self.with(""))
            .candidates
            .remove(0)
            .report
            .unwrap()
            .predicate_type
            .unwrap();
        format!(
            "apiVersion: sigstead.dev/policy/v1\nname: p\nattestations:\n  - predicateType: {kind}\n    identities:\n    - {{identity: \"{}\", issuer: \"{}\"}}\n{rest}",
            self.identity, self.issuer
        )
    }
}

fn signed() -> Option<Case> {
    case("happy-path-v0.3")
}

fn attestation() -> Option<Case> {
    case("happy-path-intoto-in-dsse-v3")
}

fn cause(evaluation: &Evaluation) -> String {
    assert!(!evaluation.verified);
    let failed = evaluation
        .requirements
        .iter()
        .find_map(|one| one.cause.clone());
    failed.expect("a failed requirement says why")
}

#[test]
fn a_signature_by_the_right_identity_verifies() {
    let Some(case) = signed() else { return };
    let evaluation = case.evaluate(&case.with("roots: [public]\n"));
    assert!(evaluation.verified, "{}", evaluation.to_text(false));
    let judged = evaluation.candidates.first().unwrap();
    assert_eq!(
        (judged.met.as_slice(), judged.root.as_deref()),
        (["signatures".to_owned()].as_slice(), Some("public"))
    );
    assert!(
        judged
            .report
            .as_ref()
            .unwrap()
            .certificate
            .contains_key("source-repository-uri")
    );
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["requirements"][0]["outcome"], "passed");
    assert!(json["candidates"][0]["report"]["signed_at"][0].is_string());
}

#[test]
fn certificate_fields_must_match() {
    let Some(case) = signed() else { return };
    let with = |field: &str| case.with(&format!("      certificate: {{{field}}}\n"));
    let repository =
        "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon";
    for good in [
        format!("source-repository-uri: \"{repository}\""),
        "sourceRepositoryUri: {glob: \"https://github.com/sigstore-conformance/*\"}".to_owned(),
        "runner-environment: github-hosted".to_owned(),
    ] {
        assert!(case.evaluate(&with(&good)).verified, "{good}");
    }
    for (bad, says) in [
        (
            "source-repository-ref: refs/heads/other",
            "source-repository-ref",
        ),
        ("runner-environment: self-hosted", "runner-environment"),
        (
            "deployment-environment: {glob: '**'}",
            "has no deployment-environment",
        ),
    ] {
        let cause = cause(&case.evaluate(&with(bad)));
        assert!(cause.contains(says), "{cause}");
    }
}

#[test]
fn a_stranger_is_refused_with_name_and_cure() {
    let Some(case) = signed() else { return };
    let yaml = "apiVersion: sigstead.dev/policy/v1\nname: p\nsignatures:\n  identities:\n    - {identity: alice@example.com, issuer: i}\n    - {identity: bob@example.com, issuer: i}\n";
    let evaluation = case.evaluate(yaml);
    let cause = cause(&evaluation);
    assert!(
        cause.contains("happy-path-v0.3: Identity: none of the policy's 2 identities"),
        "{cause}"
    );
    let text = evaluation.to_text(false);
    assert!(
        text.starts_with("✘ NOT verified: policy p\n└─ ✘ signatures"),
        "{text}"
    );
    assert!(text.contains("alice@example.com") && text.contains("bob@example.com"));
}

#[test]
fn the_window_is_held_to_the_trusted_time() {
    let Some(case) = signed() else { return };
    for (window, fits) in [
        (
            "{after: 2020-01-01T00:00:00Z, before: 2026-12-01T00:00:00Z}",
            true,
        ),
        ("{after: 2026-12-31T00:00:00Z}", false),
        ("{before: 2020-01-01T00:00:00Z}", false),
        ("{maxAge: 1h}", false),
        ("{maxAge: 20000d}", true),
    ] {
        let evaluation = case.evaluate(&case.with(&format!("signed: {window}\n")));
        assert_eq!(evaluation.verified, fits, "{window}");
    }
}

#[test]
fn thresholds_count_distinct_signers() {
    let Some(case) = signed() else { return };
    let yaml = case.with("  threshold: 2\n");
    let document = Document::parse(yaml.as_bytes()).unwrap();
    let twice = [case.candidate(), case.candidate()];
    let evaluation = document.evaluate(&twice, &[("", &case.trust)], NOW);
    assert!(
        cause(&evaluation).contains("1 of 2"),
        "{}",
        cause(&evaluation)
    );
    let logs = case.evaluate(&case.with("log: {threshold: 2}\n"));
    assert!(!logs.verified);
}

#[test]
fn one_bad_bundle_beside_a_good_one_does_not_matter() {
    let (Some(good), Some(bad)) = (signed(), case("signature-mismatch_fail")) else {
        return;
    };
    let document = Document::parse(good.with("").as_bytes()).unwrap();
    let mut stranger = bad.candidate();
    stranger.artifact = Artifact::Bytes(&good.artifact);
    let roots = [("public", &good.trust)];
    let both = document.evaluate(&[stranger.clone(), good.candidate()], &roots, NOW);
    assert!(both.verified, "{}", both.to_text(false));
    assert_eq!(both.candidates.first().map(|one| one.met.len()), Some(0));
    assert!(!document.evaluate(&[stranger], &roots, NOW).verified);
    assert!(!document.evaluate(&[], &roots, NOW).verified);
}

#[test]
fn another_artifact_is_refused() {
    let Some(case) = signed() else { return };
    let document = Document::parse(case.with("").as_bytes()).unwrap();
    let mut candidate = case.candidate();
    candidate.artifact = Artifact::Bytes(b"another");
    assert!(
        !document
            .evaluate(&[candidate], &[("", &case.trust)], NOW)
            .verified
    );
}

#[test]
fn a_root_that_is_not_there_verifies_nothing() {
    let Some(case) = signed() else { return };
    let evaluation = case.evaluate(&case.with("roots: [ours]\n"));
    assert!(!evaluation.verified);
    let roots = evaluation.requirements.last().unwrap();
    assert_eq!(roots.path, "roots");
    assert!(roots.cause.as_ref().unwrap().contains("there are: public"));
    let document = Document::parse(case.with("").as_bytes()).unwrap();
    assert!(!document.evaluate(&[case.candidate()], &[], NOW).verified);
}

#[test]
fn further_roots_at_hand_do_not_widen_a_policy() {
    let Some(case) = signed() else { return };
    let empty = br#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let empty = TrustMaterial::new(&TrustedRoot::parse(empty).unwrap()).unwrap();
    let roots = [("ours", &empty), ("public", &case.trust)];
    for (rest, verified) in [
        ("", false),
        ("roots: [ours]\n", false),
        ("roots: [ours, public]\n", true),
    ] {
        let document = Document::parse(case.with(rest).as_bytes()).unwrap();
        let evaluation = document.evaluate(&[case.candidate()], &roots, NOW);
        assert_eq!(evaluation.verified, verified, "{rest}");
    }
}

#[test]
fn an_attestation_is_no_signature_and_a_signature_no_attestation() {
    let (Some(signed), Some(attested)) = (signed(), attestation()) else {
        return;
    };
    let evaluation = attested.evaluate(&attested.with(""));
    assert!(cause(&evaluation).contains("only attestations"));
    assert!(attested.evaluate(&attested.attested("")).verified);
    let evaluation = signed.evaluate(&attested.attested(""));
    assert!(cause(&evaluation).contains("no attestation of this type"));
}

#[test]
fn rules_see_what_was_signed() {
    let Some(case) = attestation() else { return };
    for rule in [
        "cel: [\"identity.startsWith('https://github.com/')\", \"subject.size() >= 1\", \"statement.predicateType == predicateType\", \"signedAt < timestamp('2027-01-01T00:00:00Z')\"]",
        "rego: \"package p\\nallow if startswith(input.identity, \\\"https://github.com/\\\")\"",
    ] {
        let evaluation = case.evaluate(&case.attested(&format!("    {rule}\n")));
        assert!(evaluation.verified, "{}", evaluation.to_text(false));
    }
    for (rule, path) in [
        (
            "cel: [\"true\", \"identity == 'alice'\"]",
            "attestations[0].cel[1]",
        ),
        (
            "cel: [\"predicate.no.such.member\"]",
            "attestations[0].cel[0]",
        ),
        (
            "rego: \"package p\\nallow if input.identity == \\\"alice\\\"\"",
            "attestations[0].rego",
        ),
        (
            "rego: \"package p\\ndeny contains \\\"because\\\" if true\"",
            "attestations[0].rego",
        ),
    ] {
        let evaluation = case.evaluate(&case.attested(&format!("    {rule}\n")));
        assert!(!evaluation.verified, "{rule}");
        let missed = &evaluation.candidates.first().unwrap().missed;
        assert_eq!(missed.first().unwrap().path, path, "{rule}");
    }
}

#[test]
fn managed_keys_verify_and_other_keys_do_not() {
    let (Some(case), Some(certificate)) = (case("managed-key-happy-path"), signed()) else {
        return;
    };
    let pem = serde_json::to_string(case.key.as_ref().unwrap()).unwrap();
    let yaml =
        format!("apiVersion: sigstead.dev/policy/v1\nname: p\nsignatures: {{keys: [{pem}]}}\n");
    let evaluation = case.evaluate(&yaml);
    assert!(evaluation.verified, "{}", evaluation.to_text(false));
    assert!(
        evaluation
            .requirements
            .first()
            .unwrap()
            .evidence
            .first()
            .unwrap()
            .contains("key ")
    );
    assert!(!certificate.evaluate(&yaml).verified);
    assert!(!case.evaluate(&certificate.with("")).verified);
}

#[test]
fn what_is_suggested_is_satisfied_and_narrow() {
    for name in [
        "happy-path-v0.3",
        "happy-path-intoto-in-dsse-v3",
        "rekor2-happy-path",
        "managed-key-happy-path",
        "rekor2-dsse-happy-path",
    ] {
        let Some(case) = case(name) else { return };
        let suggestion = suggest(
            &case.candidate(),
            ("public", &case.trust),
            case.key.as_deref(),
            NOW,
        )
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        let yaml = &suggestion.yaml;
        let evaluation = case.evaluate(yaml);
        assert!(
            evaluation.verified,
            "{name}\n{yaml}\n{}",
            evaluation.to_text(false)
        );
        assert_eq!(suggestion.document.roots(), ["public"]);
        let findings = policy::check(&suggestion.document);
        assert!(
            findings.iter().all(|one| one.path.ends_with("threshold")),
            "{name}: {findings:?}"
        );
        if case.key.is_none() {
            assert!(
                yaml.contains(&format!("identity: \"{}\"", case.identity)),
                "{yaml}"
            );
            assert!(yaml.contains("source-repository-uri: "), "{yaml}");
        }
        let uncommented = yaml.lines().filter(|line| !line.contains('#')).count();
        assert!(uncommented <= 2, "{yaml}");
    }
}

#[test]
fn nothing_is_suggested_of_what_does_not_verify() {
    let (Some(bad), Some(keyed)) = (
        case("signature-mismatch_fail"),
        case("managed-key-happy-path"),
    ) else {
        return;
    };
    let outcome = suggest(&bad.candidate(), ("", &bad.trust), None, NOW);
    assert!(matches!(outcome, Err(SuggestError::NotVerified { .. })));
    let outcome = suggest(&keyed.candidate(), ("", &keyed.trust), None, NOW);
    assert!(matches!(outcome, Err(SuggestError::NoKey)));
}

#[test]
fn many_bundles_are_looked_at_up_to_a_bound() {
    let Some(case) = signed() else { return };
    let document = Document::parse(case.with("").as_bytes()).unwrap();
    let strange = Candidate {
        artifact: Artifact::Bytes(b"another"),
        ..case.candidate()
    };
    let mut many = vec![strange; 300];
    many.push(case.candidate());
    let evaluation = document.evaluate(&many, &[("", &case.trust)], NOW);
    assert!(cause(&evaluation).contains("45 further bundles were not looked at"));
    assert_eq!(evaluation.candidates.len(), 256);
}
