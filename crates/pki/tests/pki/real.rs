//! Certificates of the public instance: their SCTs verify with the keys of its trusted root, their paths hold.
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use pki::key::PublicKey;
use pki::path::{Usage, check_ca_chain, check_path};
use pki::sct;
use serde_json::Value;
use std::path::Path;

struct Trust {
    log_keys: Vec<PublicKey>,
    /// Issuing CA first, root last.
    chains: Vec<Vec<Certificate>>,
    timestamp_chains: Vec<Vec<Certificate>>,
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Decodes base64 by way of PEM, which is here anyway.
fn base64(text: &Value) -> Vec<u8> {
    pki::pem::first(&format!(
        "-----BEGIN X-----\n{}\n-----END X-----",
        text.as_str().unwrap()
    ))
    .unwrap()
    .der
}

fn chains(authorities: &Value) -> Vec<Vec<Certificate>> {
    let certificates = |authority: &Value| {
        let list = authority["certChain"]["certificates"].as_array().unwrap();
        list.iter()
            .map(|cert| Certificate::parse_der(&base64(&cert["rawBytes"])).unwrap())
            .collect()
    };
    authorities
        .as_array()
        .map(|list| list.iter().map(certificates).collect())
        .unwrap_or_default()
}

fn trust(path: &Path) -> Trust {
    let root = json(path);
    let logs = root["ctlogs"].as_array().unwrap();
    Trust {
        log_keys: logs.iter().map(|log| log_key(&log["publicKey"])).collect(),
        chains: chains(&root["certificateAuthorities"]),
        timestamp_chains: chains(&root["timestampAuthorities"]),
    }
}

fn log_key(key: &Value) -> PublicKey {
    let details = key["keyDetails"].as_str().unwrap();
    let key = PublicKey::parse_with_details(details, &base64(&key["rawBytes"])).unwrap();
    assert!(key.scheme_for_details(details).is_some());
    key
}

/// The leaf of a bundle, when it has a certificate that decodes.
fn leaf(bundle: &Value) -> Option<Certificate> {
    let material = &bundle["verificationMaterial"];
    let single = &material["certificate"]["rawBytes"];
    let first = &material["x509CertificateChain"]["certificates"][0]["rawBytes"];
    let raw = if single.is_string() { single } else { first };
    raw.is_string()
        .then(|| Certificate::parse_der(&base64(raw)).unwrap())
}

fn check(leaf: &Certificate, trust: &Trust) {
    let intermediates: Vec<_> = trust
        .chains
        .iter()
        .flat_map(|chain| &chain[..chain.len() - 1])
        .collect();
    let anchors: Vec<_> = trust
        .chains
        .iter()
        .filter_map(|chain| chain.last())
        .collect();
    let path = check_path(
        leaf,
        &intermediates,
        &anchors,
        Usage::CodeSigning,
        leaf.not_before(),
    )
    .unwrap();

    let scts = sct::embedded(leaf).unwrap();
    assert_eq!(scts.len(), 1);
    let key = trust
        .log_keys
        .iter()
        .find(|key| key.key_id() == scts[0].log_id)
        .unwrap();
    assert_eq!(sct::verify_embedded(&scts[0], leaf, path[1], key), Ok(()));
    let mut changed = scts[0].clone();
    changed.timestamp += 1;
    assert_eq!(
        sct::verify_embedded(&changed, leaf, path[1], key),
        Err(sct::SctError::Signature)
    );

    assert!(!leaf.san().unwrap().value().is_empty());
    assert!(FulcioExtensions::read(leaf).issuer.starts_with("https://"));
}

#[test]
fn certificates_of_the_conformance_suite_verify() {
    let (Some(suite), Some(root)) = (
        testkit::vectors("conformance"),
        testkit::vectors("trust/trusted_root.json"),
    ) else {
        return;
    };
    let mut checked = 0;
    for case in std::fs::read_dir(suite)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        if case.to_string_lossy().ends_with("_fail") {
            continue;
        }
        let own_root = case.join("trusted_root.json");
        let trust = trust(if own_root.exists() { &own_root } else { &root });
        let Some(leaf) = leaf(&json(&case.join("bundle.sigstore.json"))) else {
            continue;
        };
        check(&leaf, &trust);
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} certificates found");
}

#[test]
fn a_github_workflow_is_read_from_its_certificate() {
    let Some(bundle) = testkit::vectors("conformance/happy-path-v0.3/bundle.sigstore.json") else {
        return;
    };
    let leaf = leaf(&json(&bundle)).unwrap();
    let workflow = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/\
                    extremely-dangerous-oidc-beacon.yml@refs/heads/main";
    assert_eq!(leaf.san(), Ok(San::Uri(workflow.into())));
    let extensions = FulcioExtensions::read(&leaf);
    assert_eq!(
        extensions.issuer,
        "https://token.actions.githubusercontent.com"
    );
    assert_eq!(extensions.build_signer_uri, workflow);
    assert_eq!(extensions.github_workflow_ref, "refs/heads/main");
    assert_eq!(extensions.runner_environment, "github-hosted");
}

#[test]
fn chains_of_the_public_trusted_root_hold() {
    let Some(root) = testkit::vectors("trust/trusted_root.json") else {
        return;
    };
    let trust = trust(&root);
    let at = |chain: &[Certificate]| chain[0].not_before();
    for chain in &trust.chains {
        assert_eq!(check_ca_chain(chain, Usage::CodeSigning, at(chain)), Ok(()));
        for ca in chain {
            assert_eq!(
                ca.precert_tbs().unwrap(),
                ca.tbs_der(),
                "nothing to remove changes nothing"
            );
            assert_eq!(Certificate::parse_pem(&ca.to_pem()).unwrap(), *ca);
        }
    }
    for chain in &trust.timestamp_chains {
        let (leaf, rest) = chain.split_first().unwrap();
        let anchors: Vec<_> = rest.iter().collect();
        assert!(check_path(leaf, &anchors, &anchors, Usage::TimeStamping, at(chain)).is_ok());
        assert!(check_path(leaf, &anchors, &anchors, Usage::CodeSigning, at(chain)).is_err());
    }
}
