//! `verify --vsa`: a positive verdict, signed.

use crate::site::{SCAN, SIGNER, Said, Site};
use formats::bundle::{Bundle, Content};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Verifies with the instance's own key for summaries; gives what was said and the summary's path.
fn verify(folder: &Path, words: &[&str]) -> (Said, std::path::PathBuf) {
    let (site, out) = (Site::shared(), folder.join("vsa.json"));
    let mut all = vec!["verify"];
    all.extend(words);
    let key = ["--vsa-key", "sigstead-data/keys/verifier.pem", "--vsa"];
    all.extend(key);
    all.push(out.to_str().unwrap());
    (site.run(&all), out)
}

fn by_signer() -> [&'static str; 4] {
    let issuer = Site::shared().issuer.as_str();
    [
        "--certificate-identity",
        SIGNER,
        "--certificate-oidc-issuer",
        issuer,
    ]
}

fn statement(bundle: &Path) -> Value {
    let bundle = Bundle::parse(&fs::read(bundle).unwrap()).unwrap();
    let Content::Dsse(envelope) = bundle.content else {
        panic!("a summary is an envelope")
    };
    serde_json::from_slice(&envelope.payload.0).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(verifier_api::digest(bytes))
}

/// Whether the engine accepts the summary for the artifact, with the verifier's public key alone.
fn holds(summary: &Path, artifact: [u8; 32]) -> bool {
    let pem = fs::read_to_string(Site::shared().path("sigstead-data/trust/verifier.pub")).unwrap();
    let bundle = Bundle::parse(&fs::read(summary).unwrap()).unwrap();
    let mut policy = verifier::Policy::new(verifier::Signer::Key(pem));
    (policy.tlog_threshold, policy.timestamp_threshold) = (0, 0);
    let artifact = verifier::Artifact::Digests {
        sha256: artifact,
        sha384: None,
        sha512: None,
    };
    let root = trust::embedded().unwrap();
    let now = clock::Clock::system().now();
    verifier::verify(&bundle, &artifact, root.material(), &policy, now).verified
}

#[test]
fn a_file_that_verifies_gets_a_summary_that_the_verifiers_key_verifies() {
    let (site, folder) = (Site::shared(), tempfile::tempdir().unwrap());
    let words = [&by_signer()[..], &["--bundle", "app.json", "app.txt"]].concat();
    let (said, out) = verify(folder.path(), &words);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    assert!(
        said.err().contains("verification summary: "),
        "{}",
        said.err()
    );

    assert!(holds(&out, verifier_api::digest(b"app")));
    assert!(!holds(&out, verifier_api::digest(b"another")));
    let statement = statement(&out);
    assert_eq!(statement["predicateType"], verifier_api::PREDICATE_TYPE);
    assert_eq!(statement["subject"][0]["digest"]["sha256"], sha256(b"app"));
    let predicate = &statement["predicate"];
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(
        predicate["resourceUri"],
        format!("sha256:{}", sha256(b"app"))
    );
    let bundle = fs::read(site.path("app.json")).unwrap();
    let inputs = json!([{"digest": {"sha256": sha256(&bundle)}}]);
    assert_eq!(predicate["inputAttestations"], inputs);
    let id = predicate["verifier"]["id"].as_str().unwrap();
    assert!(id.starts_with("urn:sigstead:verifier:"), "{id}");
}

#[test]
fn a_negative_verdict_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let words = [&by_signer()[..], &["--bundle", "app.json", "good.json"]].concat();
    let (said, out) = verify(folder.path(), &words);
    assert_eq!(said.code(), 1, "{}", said.err());
    assert!(!out.exists());
    let words = [&by_signer()[..], &["oci:bare:one"]].concat();
    let (said, out) = verify(folder.path(), &words);
    assert_eq!(said.code(), 1, "{}", said.err());
    assert!(!out.exists());
    let policy = Site::shared().policy_of(folder.path(), "other@example.com", "");
    for words in [
        &["--policy", &policy, "oci:signed:multi"][..],
        &["--policy", &policy, "--bundle", "app.json", "app.txt"],
    ] {
        let (said, out) = verify(folder.path(), words);
        assert_eq!(said.code(), 1, "{}", said.err());
        assert!(!out.exists());
    }
    // Nothing at all, not even a temporary file.
    let left = fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["policy.yaml"]);
}

#[test]
fn an_images_summary_names_its_digest_and_the_policy() {
    let (site, folder) = (Site::shared(), tempfile::tempdir().unwrap());
    let policy = site.policy(folder.path(), "");
    let id = "https://verifier.example.com";
    let words = ["--policy", &policy, "--vsa-id", id, "oci:signed:multi"];
    let (said, out) = verify(folder.path(), &[&words[..], &["--json"]].concat());
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    let report = said.json();
    let digest = report["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();

    let mut bytes = [0; 32];
    hex::decode_to_slice(hex, &mut bytes).unwrap();
    assert!(holds(&out, bytes));
    let predicate = &statement(&out)["predicate"];
    assert_eq!(predicate["resourceUri"], digest);
    assert_eq!(predicate["verifier"]["id"], id);
    assert_eq!(
        predicate["policy"]["uri"],
        format!("{id}/policies/of%20a%20test")
    );
    let document = policy::Document::parse(&fs::read(&policy).unwrap()).unwrap();
    let canonical = verifier_api::canonical_policy(&document).unwrap();
    assert_eq!(predicate["policy"]["digest"]["sha256"], sha256(&canonical));
    // Signature and scan.
    assert_eq!(predicate["inputAttestations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_policy_over_several_bundles_of_a_file_lists_them_all() {
    let (site, folder) = (Site::shared(), tempfile::tempdir().unwrap());
    let more = format!("attestations: [{{predicateType: {SCAN}}}]\n");
    let policy = site.policy(folder.path(), &more);
    let bundles = ["--bundle", "app.json", "--bundle", "scan.json"];
    let words = ["--policy", &policy, "--vsa-resource", "pkg:generic/app@1.0"];
    let words = [&words[..], &bundles, &["app.txt"]].concat();
    let (said, out) = verify(folder.path(), &words);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    let predicate = &statement(&out)["predicate"];
    assert_eq!(predicate["resourceUri"], "pkg:generic/app@1.0");
    assert_eq!(predicate["inputAttestations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_key_that_cannot_be_used_is_2_before_anything_is_verified() {
    let (site, folder) = (Site::shared(), tempfile::tempdir().unwrap());
    let out = folder.path().join("vsa.json");
    let with_key = |key: &str, more: &[&str]| {
        let words = ["verify", "--vsa", out.to_str().unwrap(), "--vsa-key", key];
        let rest = ["--bundle", "app.json", "app.txt"];
        site.run(&[&words[..], more, &by_signer(), &rest].concat())
    };
    // A public key signs nothing; an identifier must be a URI.
    let public = "sigstead-data/trust/verifier.pub";
    let key = "sigstead-data/keys/verifier.pem";
    for (key, more) in [
        ("nowhere.pem", &[][..]),
        (public, &[][..]),
        (key, &["--vsa-id", "verifier"][..]),
    ] {
        let said = with_key(key, more);
        assert_eq!(
            (said.code(), said.out().as_str()),
            (2, ""),
            "{}",
            said.err()
        );
        assert!(said.err().contains("--vsa-"), "{}", said.err());
        assert!(!out.exists());
    }
    // One without the other.
    let rest = ["verify", "--bundle", "app.json", "app.txt", "--vsa", "o"];
    assert_eq!(site.run(&rest).code(), 2);
}

#[test]
fn a_summary_that_cannot_be_written_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("vsa.json")).unwrap();
    let words = [&by_signer()[..], &["--bundle", "app.json", "app.txt"]].concat();
    let (said, _) = verify(folder.path(), &words);
    assert_eq!((said.code(), said.out().as_str()), (1, ""));
    assert!(
        said.err().contains("could not be written"),
        "{}",
        said.err()
    );
}
