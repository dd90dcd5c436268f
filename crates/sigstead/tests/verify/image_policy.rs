//! `verify IMAGE --policy F`: everything about the image, judged together.

use crate::site::{SCAN, Said, Site};
use oci::{Access, Image, Source};
use serde_json::json;
use std::path::Path;

/// Needs a scan that a CEL expression and a Rego module are content with.
fn scanned(cel: &str, rego: &str) -> String {
    format!(
        "attestations:\n  - predicateType: {SCAN}\n    cel:\n      - '{cel}'\n    rego: |\n      package scan\n      import rego.v1\n      \
         default allow := false\n      allow if input.predicate.scanner == \"s\"\n      {rego}\n"
    )
}

const NO_CRITICAL: &str = "predicate.critical == 0";
const DENY_CRITICAL: &str = "deny contains \"critical findings\" if input.predicate.critical > 0";

/// Verifies offline: the instance is gone.
fn verify(image: &str, policy: &str, more: &[&str]) -> Said {
    let site = Site::shared();
    let mut words = vec!["verify", image, "--policy", policy];
    words.extend(more);
    site.run(&words)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_is_signed_and_attested_as_cel_and_rego_want_is_verified() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), &scanned(NO_CRITICAL, DENY_CRITICAL));
    let said = verify("oci:signed:multi", &policy, &[]);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    assert!(said.out().starts_with("sha256:"), "{}", said.out());

    let said = verify("oci:signed:multi", &policy, &["--json"]);
    assert_eq!(said.code(), 0);
    let json = said.json();
    assert_eq!(json["verified"], true);
    assert_eq!(json["image"], "oci:signed:multi");
    assert!(json["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(json["evaluation"]["verified"], true);
    let candidates = json["evaluation"]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2, "the signature and the scan: {json}");
    assert!(!json["looked_at"].as_array().unwrap().is_empty());
}

#[test]
fn an_attestation_that_breaks_a_rule_in_cel_is_refused_and_the_rule_is_named() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), &scanned(NO_CRITICAL, ""));
    let said = verify("oci:plain:one", &policy, &[]);
    assert_eq!(said.code(), 1, "{}", said.err());
    assert!(said.out().contains(NO_CRITICAL), "{}", said.out());

    let said = verify("oci:plain:one", &policy, &["--json"]);
    assert_eq!((said.code(), &said.json()["verified"]), (1, &json!(false)));
}

#[test]
fn an_attestation_that_a_rego_module_denies_is_refused_with_its_message() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), &scanned("true", DENY_CRITICAL));
    let said = verify("oci:plain:one", &policy, &[]);
    assert_eq!(said.code(), 1, "{}", said.err());
    assert!(said.out().contains("critical findings"), "{}", said.out());
    assert_eq!(verify("oci:signed:multi", &policy, &[]).code(), 0);
}

#[test]
fn an_attestation_that_is_not_there_is_missed() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), &scanned("true", ""));
    // Signed, but nobody scanned it.
    let said = verify("oci:signed:two", &policy, &["--json"]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let json = said.json();
    let requirements = json["evaluation"]["requirements"].as_array().unwrap();
    let failed: Vec<_> = requirements
        .iter()
        .filter(|one| one["cause"].is_string())
        .collect();
    assert_eq!(failed.len(), 1, "{json}");
    assert!(
        failed[0]["path"]
            .as_str()
            .unwrap()
            .starts_with("attestations[0]")
    );
}

#[test]
fn a_signature_by_somebody_else_is_refused() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy_of(folder.path(), "other@example.com", "");
    let said = verify("oci:signed:multi", &policy, &[]);
    assert_eq!(said.code(), 1, "{}", said.err());
    assert!(said.out().contains("NOT verified"), "{}", said.out());
}

#[test]
fn an_image_that_nobody_signed_is_refused_and_the_places_are_named() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), "");
    let said = verify("oci:bare:one", &policy, &[]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let want = "nothing was found; looked at referrers of sha256:";
    assert!(said.out().contains(want), "{}", said.out());
}

#[test]
fn a_bundle_that_is_moved_to_another_image_does_not_count() {
    let (site, folder) = (Site::shared(), folder());
    crate::site::layout(&folder.path().join("bare"));
    let open = |text: &str| {
        let (source, access) = (Source::parse(text).unwrap(), Access::default());
        futures::executor::block_on(Image::open(&source, &access))
    };
    let from = format!("oci:{}:multi", site.path("signed").display());
    let to = format!("oci:{}:one", folder.path().join("bare").display());
    let found = futures::executor::block_on(open(&from).unwrap().find(false)).unwrap();
    for one in found.signatures {
        let (image, bundle) = (open(&to).unwrap(), one.bundle.unwrap());
        let attached = image.attach(&bundle, "2026-01-01T00:00:00Z");
        futures::executor::block_on(attached).unwrap();
    }
    let policy = site.policy(folder.path(), "");
    let said = verify(&to, &policy, &["--json"]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let json = said.json();
    assert_eq!(json["verified"], false);
    assert_eq!(
        json["evaluation"]["candidates"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn with_recursive_each_image_of_an_index_must_hold() {
    let (site, folder) = (Site::shared(), folder());
    let signed = site.policy(folder.path(), "");
    let said = verify("oci:signed:multi", &signed, &["--recursive", "--json"]);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    assert_eq!(said.json()["children"].as_array().unwrap().len(), 2);

    // The index and one of its images were scanned; the other was not.
    let scanned = site.policy(folder.path(), &scanned("true", ""));
    assert_eq!(verify("oci:signed:multi", &scanned, &[]).code(), 0);
    let said = verify("oci:signed:multi", &scanned, &["--recursive", "--json"]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let json = said.json();
    let verdicts = json["children"].as_array().unwrap().iter();
    let verdicts: Vec<_> = verdicts.map(|child| child["verified"].clone()).collect();
    assert_eq!(verdicts, [json!(true), json!(false)]);
    assert_eq!(json["evaluation"]["verified"], true);
}

#[test]
fn a_root_that_is_named_and_not_given_fails_closed() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), "roots: [elsewhere]\n");
    let said = verify("oci:signed:multi", &policy, &[]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let root = site.path("sigstead-data/trust/trusted_root.json");
    let root = format!("elsewhere={}", root.display());
    let said = verify("oci:signed:multi", &policy, &["--root", &root]);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
}

#[test]
fn what_cannot_be_read_is_2_and_no_verdict() {
    let (site, folder) = (Site::shared(), folder());
    let policy = site.policy(folder.path(), "");
    let refused = |image: &str, policy: &str, more: &[&str], want: &str| {
        let said = verify(image, policy, more);
        assert_eq!(
            (said.code(), said.out().as_str()),
            (2, ""),
            "{}",
            said.err()
        );
        assert!(said.err().contains(want), "{want} is not in {}", said.err());
    };
    refused("oci:nowhere:one", &policy, &[], "nowhere");
    refused("oci:signed:three", &policy, &[], "three");
    refused("oci:signed", &policy, &[], ":multi, :one, :two");
    refused(
        "oci:signed:multi",
        "no-such-policy.yaml",
        &[],
        "no-such-policy.yaml",
    );
    let bad = site.policy(folder.path(), "attestation: []\n");
    refused(
        "oci:signed:multi",
        &bad,
        &[],
        "did you mean `attestations`?",
    );
    let bad = site.policy(
        folder.path(),
        "attestations: [{predicateType: t, cel: [\"1 +\"]}]\n",
    );
    refused("oci:signed:multi", &bad, &[], "attestations[0].cel[0]");
    let policy = site.policy(folder.path(), "");
    for (root, want) in [
        ("elsewhere", "write NAME=FILE"),
        ("a b=signed/oci-layout", "cannot name a trusted root"),
        ("a=signed/oci-layout", "is no trusted root"),
        ("a=nowhere.json", "cannot read nowhere.json"),
    ] {
        refused("oci:signed:multi", &policy, &["--root", root], want);
    }
    assert!(Path::new(&policy).exists());
}
