//! Checkpoints and log keys that Sigstore published.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use note::{Checkpoint, Cosignature, SignedNote, hint, key_id_ecdsa, key_id_ed25519};
use serde_json::Value;

fn json(path: &std::path::Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Every checkpoint of a bundle that must be accepted parses, and is written back byte for byte.
#[test]
fn the_checkpoints_of_good_bundles_read_back() {
    let Some(folder) = testkit::vectors("conformance") else {
        return;
    };
    let mut seen = 0;
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        if case.to_string_lossy().ends_with("_fail") {
            continue;
        }
        let Some(bundle) = json(&case.join("bundle.sigstore.json")) else {
            continue;
        };
        let entries = bundle["verificationMaterial"]["tlogEntries"]
            .as_array()
            .cloned();
        for entry in entries.unwrap_or_default() {
            let proof = &entry["inclusionProof"];
            let Some(envelope) = proof["checkpoint"]["envelope"].as_str() else {
                continue;
            };
            let note = SignedNote::parse(envelope).unwrap_or_else(|e| panic!("{case:?}: {e}"));
            let checkpoint = Checkpoint::parse(note.text()).unwrap();
            assert_eq!(note.to_string(), envelope);
            assert_eq!(checkpoint.to_text(), note.text());
            // Invariant: root and size of one answer come from one tree head.
            assert_eq!(proof["rootHash"], STANDARD.encode(checkpoint.root));
            assert_eq!(proof["treeSize"], checkpoint.size.to_string());
            // The first line is the log's own.
            let log_id = STANDARD
                .decode(entry["logId"]["keyId"].as_str().unwrap())
                .unwrap();
            assert_eq!(note.signatures()[0].hint, log_id[..4], "{case:?}");
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} checkpoints in the folder");
}

/// The public instance's keys: an ECDSA log (v1) by its key alone, an Ed25519 log (v2) with its
/// origin.
#[test]
fn the_log_ids_of_the_public_trusted_root_follow_from_its_keys() {
    let Some(folder) = testkit::vectors("trust") else {
        return;
    };
    let root = json(&folder.join("trusted_root.json")).unwrap();
    let mut kinds = Vec::new();
    for log in root["tlogs"].as_array().unwrap() {
        let spki = STANDARD
            .decode(log["publicKey"]["rawBytes"].as_str().unwrap())
            .unwrap();
        let kind = log["publicKey"]["keyDetails"].as_str().unwrap();
        let id = if kind == "PKIX_ED25519" {
            let origin = log["baseUrl"]
                .as_str()
                .unwrap()
                .strip_prefix("https://")
                .unwrap();
            // An Ed25519 SubjectPublicKeyInfo is 12 bytes of header and the key.
            key_id_ed25519(origin, spki[12..].try_into().unwrap())
        } else {
            key_id_ecdsa(&spki)
        };
        assert_eq!(
            log["logId"]["keyId"],
            STANDARD.encode(id),
            "{}",
            log["baseUrl"]
        );
        assert_eq!(hint(&id), id[..4]);
        kinds.push(kind.to_owned());
    }
    assert!(
        kinds.iter().any(|kind| kind.starts_with("PKIX_ECDSA")),
        "{kinds:?}"
    );
}

/// The cosigned checkpoints of the conformance suite: what their lines say, and when.
#[test]
fn the_published_cosignatures_have_their_times() {
    let Some(folder) = testkit::vectors("conformance") else {
        return;
    };
    let cases: [(&str, &[(&str, u64)]); 3] = [
        (
            "rekor2-checkpoint-cosigned",
            &[("witness.example", 1_755_639_614)],
        ),
        (
            "rekor2-checkpoint-two-sigs-cosigned",
            &[("witness.example", 1_755_639_614)],
        ),
        (
            "rekor2-checkpoint-multiple-cosigs",
            &[
                ("witness.example/w1", 1_755_640_554),
                ("witness.example/w2", 1_755_640_554),
            ],
        ),
    ];
    for (case, want) in cases {
        let bundle = json(&folder.join(case).join("bundle.sigstore.json")).unwrap();
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        let envelope = entry["inclusionProof"]["checkpoint"]["envelope"]
            .as_str()
            .unwrap();
        let note = SignedNote::parse(envelope).unwrap();
        let witnesses = note
            .signatures()
            .iter()
            .filter(|line| line.name.starts_with("witness."));
        let have: Vec<(&str, u64)> = witnesses
            .map(|line| {
                let cosignature = Cosignature::parse(&line.signature).unwrap();
                assert_eq!(cosignature.to_bytes(), line.signature[..], "{case}");
                (line.name.as_str(), cosignature.time)
            })
            .collect();
        assert_eq!(have, want, "{case}");
        // The log's own lines are no cosignatures.
        let log = &note.signatures()[0];
        assert!(Cosignature::parse(&log.signature).is_err(), "{case}");
    }
}
