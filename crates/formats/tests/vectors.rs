//! The published vectors: every trust file and bundle is read, malformed ones give their own error.
#![allow(clippy::unwrap_used, reason = "test helpers outside #[test] functions")]

use formats::bundle::{Bundle, BundleError, Content, Version};
use formats::entry::{self, Body, EntryError};
use formats::trust::{SigningConfig, TrustError, TrustedRoot};
use std::path::{Path, PathBuf};
use time::macros::datetime;

/// Folders of the conformance suite, with their names, when the vectors are there.
fn cases() -> Vec<(String, PathBuf)> {
    let Some(folder) = testkit::vectors("conformance") else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries
        .filter(|path| path.is_dir())
        .map(|path| (name_of(&path), path))
        .collect();
    cases.sort();
    cases
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn bundle(path: &Path) -> Result<Bundle, BundleError> {
    Bundle::parse(&std::fs::read(path.join("bundle.sigstore.json")).unwrap())
}

/// What the shape alone gives away; all other bundles parse, whatever their signatures are worth.
fn expected_refusal(name: &str, error: &BundleError) -> bool {
    match name {
        "bundle-empty-certificate-chain_fail" => *error == BundleError::EmptyChain,
        "bundle-malformed-json_fail" => matches!(error, BundleError::Json(_)),
        "bundle-negative-log-index_fail" => {
            *error
                == BundleError::Negative {
                    entry: 0,
                    member: "logIndex",
                    value: -1,
                }
        }
        "bundle-unknown-version_fail" => matches!(error, BundleError::UnknownMediaType(_)),
        "intoto-missing-inclusion-proof_fail" => {
            *error
                == BundleError::NoInclusionProof {
                    entry: 0,
                    version: Version::V02,
                }
        }
        "invalid-inclusion-proof_fail" => {
            *error
                == BundleError::NoCheckpoint {
                    entry: 0,
                    version: Version::V02,
                }
        }
        "rekor2-no-inclusion-proof_fail" => {
            *error
                == BundleError::NoInclusionProof {
                    entry: 0,
                    version: Version::V03,
                }
        }
        _ => false,
    }
}

#[test]
fn every_well_formed_bundle_parses_and_every_malformed_one_has_its_error() {
    let mut refused = 0;
    for (name, path) in cases() {
        if let Err(error) = bundle(&path) {
            assert!(expected_refusal(&name, &error), "{name}: {error}");
            refused += 1;
        }
    }
    assert!(
        cases().is_empty() || refused == 7,
        "{refused} refusals by shape"
    );
}

#[test]
fn a_written_bundle_reads_back_equal() {
    for (name, path) in cases() {
        if let Ok(bundle) = bundle(&path) {
            assert_eq!(
                Bundle::parse(bundle.to_json().as_bytes()),
                Ok(bundle),
                "{name}"
            );
        }
    }
}

#[test]
fn entry_bodies_are_rebuilt_byte_for_byte() {
    let mut rebuilt = 0;
    for (name, path) in cases() {
        let Ok(bundle) = bundle(&path) else { continue };
        for logged in &bundle.verification_material.tlog_entries {
            let bytes = &logged.canonicalized_body.0;
            let (kind, version, body) = match Body::parse(bytes) {
                Ok(parsed) => parsed,
                Err(error) => panic!("{name}: {error}"),
            };
            assert_eq!(
                (&kind, &version),
                (&logged.kind_version.kind, &logged.kind_version.version),
                "{name}"
            );
            if let Some(again) = rebuild(&body) {
                assert_eq!(
                    String::from_utf8_lossy(&again),
                    String::from_utf8_lossy(bytes),
                    "{name}"
                );
                rebuilt += 1;
            }
        }
    }
    assert!(
        cases().is_empty() || rebuilt >= 30,
        "only {rebuilt} bodies rebuilt"
    );
}

fn rebuild(body: &Body) -> Option<Vec<u8>> {
    let text = |pem: &[u8]| String::from_utf8(pem.to_vec()).unwrap();
    Some(match body {
        Body::HashedRekordV001 {
            hash_algorithm,
            hash_value,
            signature,
            public_key,
        } => entry::hashedrekord_v001(hash_algorithm, hash_value, signature, &text(public_key)),
        Body::DsseV001 {
            envelope_hash,
            payload_hash,
            signatures,
        } => {
            let signatures: Vec<_> = signatures
                .iter()
                .map(|(sig, pem)| (sig.clone(), text(pem)))
                .collect();
            entry::dsse_v001(envelope_hash, payload_hash, &signatures)
        }
        Body::HashedRekordV002 {
            algorithm,
            digest,
            signature,
            verifier,
        } => entry::hashedrekord_v002(algorithm, digest, signature, verifier),
        _ => return None,
    })
}

#[test]
fn in_toto_entries_hold_the_bundles_signature_encoded_twice() {
    let mut seen = 0;
    for (name, path) in cases() {
        let Ok(bundle) = bundle(&path) else { continue };
        let Content::Dsse(envelope) = &bundle.content else {
            continue;
        };
        for logged in &bundle.verification_material.tlog_entries {
            let Ok((
                _,
                _,
                Body::IntotoV002 {
                    signatures,
                    payload_type,
                    ..
                },
            )) = Body::parse(&logged.canonicalized_body.0)
            else {
                continue;
            };
            seen += 1;
            assert_eq!(payload_type, envelope.payload_type, "{name}");
            let text = formats::b64::encode(&envelope.signatures[0].sig.0);
            let equal = signatures[0].0 == text.as_bytes();
            assert_eq!(equal, !name.contains("mismatch"), "{name}");
        }
    }
    assert!(cases().is_empty() || seen > 0);
}

#[test]
fn every_trusted_root_parses_but_the_one_without_a_start() {
    for (name, path) in cases() {
        let Ok(json) = std::fs::read(path.join("trusted_root.json")) else {
            continue;
        };
        let parsed = TrustedRoot::parse(&json);
        if name == "trust-root-tlog-missing-validity-start_fail" {
            let place = "tlogs[1].publicKey.validFor".to_owned();
            assert_eq!(parsed, Err(TrustError::MissingStart { place }));
            continue;
        }
        let root = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            TrustedRoot::parse(root.to_json().as_bytes()),
            Ok(root),
            "{name}"
        );
    }
}

#[test]
fn the_public_trust_files_parse() {
    let Some(folder) = testkit::vectors("trust") else {
        return;
    };
    let root =
        TrustedRoot::parse(&std::fs::read(folder.join("trusted_root.json")).unwrap()).unwrap();
    assert!(root.tlogs.len() >= 2 && root.certificate_authorities.len() >= 2);
    assert!(root.to_json_line().ends_with("}\n") && root.to_json_line().matches('\n').count() == 1);
    for file in [
        "signing_config.v0.2.json",
        "signing_config_rekor_v2.v0.2.json",
    ] {
        let config = SigningConfig::parse(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        assert_eq!(
            SigningConfig::parse(config.to_json().as_bytes()),
            Ok(config)
        );
    }
}

#[test]
fn the_public_config_for_rekor_v2_changes_its_choice_with_the_year() {
    let Some(folder) = testkit::vectors("trust") else {
        return;
    };
    let json = std::fs::read(folder.join("signing_config_rekor_v2.v0.2.json")).unwrap();
    let config = SigningConfig::parse(&json).unwrap();
    let choice = |now| {
        let chosen = SigningConfig::select(
            &config.rekor_tlog_urls,
            &[1, 2],
            config.rekor_tlog_config.as_ref(),
            now,
        )
        .unwrap();
        chosen
            .iter()
            .map(|service| (service.major_api_version, service.url.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        choice(datetime!(2025-12-31 23:59 UTC)),
        [(1, "https://rekor.sigstore.dev".to_owned())]
    );
    assert_eq!(
        choice(datetime!(2026-01-01 0:00 UTC)),
        [(2, "https://log2025-1.rekor.sigstore.dev".to_owned())]
    );
}

#[test]
fn every_proposed_kind_of_the_rekor_samples_says_its_kind() {
    let Some(folder) = testkit::vectors("rekor") else {
        return;
    };
    for (file, kind, version) in [
        ("hashedrekord.json", "hashedrekord", "0.0.1"),
        ("dsse.json", "dsse", "0.0.1"),
    ] {
        let json = std::fs::read(folder.join(file)).unwrap();
        assert_eq!(
            entry::kind_version(&json),
            Ok((kind.to_owned(), version.to_owned()))
        );
    }
    let proposed = std::fs::read(folder.join("hashedrekord.json")).unwrap();
    assert!(
        Body::parse(&proposed).is_ok(),
        "a proposed hashedrekord has the shape of its body"
    );
    let rekord = std::fs::read(folder.join("rekor.json")).unwrap();
    assert!(matches!(
        Body::parse(&rekord),
        Err(EntryError::UnknownKind { .. })
    ));
}
