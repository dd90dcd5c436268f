//! Documents: what is read, and what is said about what is not.

use super::*;

fn parse(yaml: &str) -> Result<Document, PolicyError> {
    Document::parse(yaml.as_bytes())
}

fn problems(yaml: &str) -> Vec<(String, String, String)> {
    let error = parse(yaml).map(|_| ()).expect_err("must be refused");
    assert!(!error.problems().is_empty(), "{error}");
    let whole = |problem: &Problem| {
        (
            problem.path.clone(),
            problem.cause.clone(),
            problem.cure.clone(),
        )
    };
    error.problems().iter().map(whole).collect()
}

fn only(yaml: &str) -> (String, String, String) {
    let mut all = problems(yaml);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

const HEAD: &str = "apiVersion: sigstead.dev/policy/v1\nname: p\n";

fn with_identity(identity: &str) -> String {
    format!("{HEAD}signatures:\n  identities:\n    - {identity}\n")
}

const FULL: &str = r#"
apiVersion: sigstead.dev/policy/v1
name: release
description: what we ship
roots: [ours, public]
signatures:
  threshold: 2
  identities:
    - identity: alice@example.com
      issuer: {exact: "https://accounts.example.com"}
    - identity: {glob: "https://github.com/acme/app/**"}
      issuer: {regexp: "https://token\\.actions\\.githubusercontent\\.com"}
      certificate:
        source-repository-uri: https://github.com/acme/app
        runnerEnvironment: github-hosted
attestations:
  - predicateType: https://slsa.dev/provenance/v1
    threshold: 1
log: {threshold: 0}
timestamps: {threshold: 2}
sct: {threshold: 1}
signed: {after: "2026-01-01T00:00:00Z", before: 2027-01-01T00:00:00Z, maxAge: 90d}
"#;

#[test]
fn all_members_are_read() {
    let document = parse(FULL).unwrap();
    assert_eq!(document.name(), "release");
    assert_eq!(document.description(), "what we ship");
    assert_eq!(document.roots(), ["ours", "public"]);
    assert_eq!(document.thresholds.logs, 0);
    assert_eq!(document.thresholds.timestamps, 2);
    let signatures = document.signatures.as_ref().unwrap();
    assert_eq!((signatures.identities.len(), signatures.threshold), (2, 2));
    // The attestation's signers are those of the signatures; its threshold is its own.
    let attestation = document.attestations.first().unwrap();
    assert_eq!(attestation.signers.identities, signatures.identities);
    assert_eq!(attestation.signers.threshold, 1);
    assert!(!document.has_rego());
}

#[test]
fn a_document_survives_being_written_as_json_and_as_yaml() {
    let document = parse(FULL).unwrap();
    let json = serde_json::to_vec(&document).unwrap();
    let yaml = serde_yaml_ng::to_string(&document).unwrap();
    for text in [json.as_slice(), yaml.as_bytes()] {
        let again = Document::parse(text).unwrap();
        assert_eq!(again.raw(), document.raw());
    }
}

#[test]
fn unknown_members_are_refused_with_what_was_probably_meant() {
    let (path, _, cure) = only(&format!(
        "{}treshold: 1\n",
        with_identity("{identity: a@b, issuer: i}")
    ));
    assert_eq!(
        (path.as_str(), cure.as_str()),
        (
            "treshold",
            "known here: apiVersion, attestations, description, log, name, roots, sct, signatures, signed, timestamps"
        )
    );
    let (path, _, cure) = only(&with_identity("{identity: a@b, isuer: i, issuer: i}"));
    assert_eq!(path, "signatures.identities[0].isuer");
    assert_eq!(cure, "did you mean `issuer`?");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let all = problems(
        "apiVersion: v2\nname: 7\nroots: x\nlog: {threshold: -1}\nsignatures: {identities: [{identity: {glob: a, exact: b}}]}",
    );
    let paths: Vec<&str> = all.iter().map(|(path, _, _)| path.as_str()).collect();
    for path in [
        "apiVersion",
        "name",
        "roots",
        "log.threshold",
        "signatures.identities[0].identity",
        "signatures.identities[0].issuer",
    ] {
        assert!(paths.contains(&path), "{path} in {all:?}");
    }
}

#[test]
fn what_cannot_work_is_refused_where_it_stands() {
    let identity = "identity: a@b, issuer: i";
    for (yaml, path) in [
        (HEAD.to_owned(), ""),
        (format!("{HEAD}signatures: {{}}"), "signatures"),
        (
            format!("{HEAD}attestations: [{{predicateType: p}}]"),
            "attestations[0]",
        ),
        (
            format!("{HEAD}signatures: {{threshold: 0, identities: [{{{identity}}}]}}"),
            "signatures.threshold",
        ),
        (
            with_identity("{identity: '', issuer: i}"),
            "signatures.identities[0].identity",
        ),
        (
            with_identity("{identity: '*@example.com', issuer: i}"),
            "signatures.identities[0].identity",
        ),
        (
            with_identity("{identity: {regexp: '('}, issuer: i}"),
            "signatures.identities[0].identity",
        ),
        (
            with_identity("{identity: {regexp: '((a{100}){100}){100}'}, issuer: i}"),
            "signatures.identities[0].identity",
        ),
        (
            with_identity("{identity: a, issuer: i, certificate: {source-repo-uri: x}}"),
            "signatures.identities[0].certificate.source-repo-uri",
        ),
        (
            format!("{HEAD}signatures: {{keys: [x]}}"),
            "signatures.keys[0]",
        ),
        (
            format!(
                "{}sct: {{threshold: 33}}",
                with_identity(&format!("{{{identity}}}"))
            ),
            "sct.threshold",
        ),
        (
            format!("{}signed: {{}}", with_identity(&format!("{{{identity}}}"))),
            "signed",
        ),
        (
            format!(
                "{}signed: {{after: yesterday}}",
                with_identity(&format!("{{{identity}}}"))
            ),
            "signed.after",
        ),
        (
            format!(
                "{}signed: {{after: 2027-01-01T00:00:00Z, before: 2026-01-01T00:00:00Z}}",
                with_identity(&format!("{{{identity}}}"))
            ),
            "signed",
        ),
        (
            format!("{}roots: ['']", with_identity(&format!("{{{identity}}}"))),
            "roots[0]",
        ),
    ] {
        assert_eq!(only(&yaml).0, path, "{yaml}");
    }
}

#[test]
fn certificate_fields_have_a_suggestion_and_one_spelling() {
    let (_, _, cure) = only(&with_identity(
        "{identity: a, issuer: i, certificate: {sourceRepositoryUrl: x}}",
    ));
    assert_eq!(cure, "did you mean `source-repository-uri`?");
    let (path, cause, _) = only(&with_identity(
        "{identity: a, issuer: i, certificate: {build-trigger: x, buildTrigger: x}}",
    ));
    assert!(path.starts_with("signatures.identities[0].certificate."));
    assert!(cause.contains("both spellings"));
}

#[test]
fn many_identities_are_read_and_too_many_refused() {
    let list = |count: usize| {
        let rows: String = (0..count)
            .map(|n| format!("    - {{identity: a{n}@example.com, issuer: i}}\n"))
            .collect();
        format!("{HEAD}signatures:\n  identities:\n{rows}")
    };
    assert!(parse(&list(1000)).is_ok());
    let (path, _, cure) = only(&list(1001));
    assert_eq!(path, "signatures.identities");
    assert!(cure.contains("1000"));
}

#[test]
fn the_cost_of_patterns_is_bounded_over_the_whole_document() {
    let pattern = "(?:[a-z]{1,40}){1,20}";
    let rows: String = (0..900)
        .map(|n| format!("    - {{identity: {{regexp: '{pattern}{n}'}}, issuer: i}}\n"))
        .collect();
    let (path, cause, _) = only(&format!("{HEAD}signatures:\n  identities:\n{rows}"));
    assert_eq!(path, "signatures.identities[100].identity");
    assert!(cause.contains("regular expressions"), "{cause}");
}

#[test]
fn what_is_no_document_is_refused_without_panic() {
    for text in [
        "", "null", "[]", "x", "1", "{}", "---", "\u{feff}", "a: [", "\t",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}
