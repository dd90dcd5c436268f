//! The rules on a bundle's shape, one mutation each.
#![allow(clippy::unwrap_used, reason = "test helpers outside #[test] functions")]

use formats::b64::B64;
use formats::bundle::{
    Bundle, BundleError, CheckpointEnvelope, InclusionProof, KindVersion, LogId, MEDIA_TYPE_V03,
    TransparencyLogEntry, Version,
};
use formats::json::JsonError;
use proptest::prelude::*;
use serde_json::{Value, json};

const OLD: &str = "application/vnd.dev.sigstore.bundle+json;version=";

fn hash() -> String {
    formats::b64::encode(&[7; 32])
}

fn sample() -> Value {
    json!({
        "mediaType": MEDIA_TYPE_V03,
        "verificationMaterial": {
            "certificate": {"rawBytes": "Y2VydA=="},
            "tlogEntries": [{
                "logIndex": "1", "logId": {"keyId": hash()},
                "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
                "integratedTime": "1700000000",
                "inclusionPromise": {"signedEntryTimestamp": "c2V0"},
                "inclusionProof": {"logIndex": "1", "rootHash": hash(), "treeSize": "2", "hashes": [hash()],
                                   "checkpoint": {"envelope": "host - 1\n2\n"}},
                "canonicalizedBody": "e30="
            }],
            "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "dHM="}]}
        },
        "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": hash()}, "signature": "c2ln"}
    })
}

fn parse(value: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(value.to_string().as_bytes())
}

/// Sets (or with `null` removes) the member at a JSON pointer's parent, then parses.
fn with(changes: &[(&str, Value)]) -> Result<Bundle, BundleError> {
    let mut value = sample();
    for (pointer, new) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let object = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        object.insert(member.to_owned(), new.clone());
    }
    parse(&value)
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

fn entry_with(member: &str, new: Value) -> Result<Bundle, BundleError> {
    with(&[(&format!("{ENTRY}/{member}"), new)])
}

#[test]
fn the_sample_parses_in_both_spellings_of_v03() {
    assert_eq!(parse(&sample()).unwrap().version(), Some(Version::V03));
    assert_eq!(
        with(&[("/mediaType", json!(format!("{OLD}0.3")))])
            .unwrap()
            .version(),
        Some(Version::V03)
    );
}

#[test]
fn older_versions_hold_a_chain_and_newer_ones_a_certificate() {
    let chain = json!({"certificates": [{"rawBytes": "Y2VydA=="}]});
    for (minor, version) in [("0.1", Version::V01), ("0.2", Version::V02)] {
        let media_type = json!(format!("{OLD}{minor}"));
        let parsed = with(&[
            ("/mediaType", media_type.clone()),
            ("/verificationMaterial/certificate", Value::Null),
            ("/verificationMaterial/x509CertificateChain", chain.clone()),
        ]);
        assert_eq!(parsed.unwrap().version(), Some(version));
        assert_eq!(
            with(&[("/mediaType", media_type)]),
            Err(BundleError::CertificateInOldBundle(version))
        );
    }
    let chain_in_v03 = with(&[
        ("/verificationMaterial/certificate", Value::Null),
        ("/verificationMaterial/x509CertificateChain", chain),
    ]);
    assert_eq!(
        chain_in_v03,
        Err(BundleError::ChainInNewBundle(Version::V03))
    );
}

#[test]
fn there_is_exactly_one_content() {
    assert_eq!(
        with(&[("/messageSignature", Value::Null)]),
        Err(BundleError::NoContent)
    );
    let envelope = json!({"payload": "e30=", "payloadType": "t", "signatures": [{"sig": "c2ln"}]});
    assert_eq!(
        with(&[("/dsseEnvelope", envelope)]),
        Err(BundleError::TwoContents)
    );
}

#[test]
fn an_envelope_has_exactly_one_signature() {
    let count = |signatures: Value| {
        let envelope = json!({"payload": "e30=", "payloadType": "t", "signatures": signatures});
        with(&[
            ("/messageSignature", Value::Null),
            ("/dsseEnvelope", envelope),
        ])
    };
    assert!(count(json!([{"sig": "c2ln", "keyid": ""}])).is_ok());
    assert_eq!(count(json!([])), Err(BundleError::NotOneSignature(0)));
    assert_eq!(
        count(json!([{"sig": "c2ln"}, {"sig": "c2ln"}])),
        Err(BundleError::NotOneSignature(2))
    );
    assert!(matches!(
        count(json!([{"keyid": "k"}])),
        Err(BundleError::Missing(_))
    ));
}

#[test]
fn the_signer_is_named_exactly_once() {
    assert_eq!(
        with(&[("/verificationMaterial/certificate", Value::Null)]),
        Err(BundleError::NoSigner)
    );
    let both = with(&[("/verificationMaterial/publicKey", json!({"hint": "h"}))]);
    assert_eq!(both, Err(BundleError::SeveralSigners(2)));
    let key = with(&[
        ("/verificationMaterial/certificate", Value::Null),
        ("/verificationMaterial/publicKey", json!({})),
    ]);
    assert_eq!(key.unwrap().verification_material.leaf_der(), None);
}

#[test]
fn v01_needs_a_promise_and_later_versions_a_proof_with_checkpoint() {
    let v01 = |changes: &[(&str, Value)]| {
        let mut all = vec![
            ("/mediaType", json!(format!("{OLD}0.1"))),
            ("/verificationMaterial/certificate", Value::Null),
            (
                "/verificationMaterial/x509CertificateChain",
                json!({"certificates": [{"rawBytes": "Y2VydA=="}]}),
            ),
        ];
        all.extend_from_slice(changes);
        with(&all)
    };
    let (promise, proof) = (
        format!("{ENTRY}/inclusionPromise"),
        format!("{ENTRY}/inclusionProof"),
    );
    assert!(v01(&[(&proof, Value::Null)]).is_ok());
    assert_eq!(
        v01(&[(&promise, Value::Null)]),
        Err(BundleError::NoInclusionPromise(0))
    );

    assert!(entry_with("inclusionPromise", Value::Null).is_ok());
    let no_proof = BundleError::NoInclusionProof {
        entry: 0,
        version: Version::V03,
    };
    assert_eq!(entry_with("inclusionProof", Value::Null), Err(no_proof));
    let no_checkpoint = BundleError::NoCheckpoint {
        entry: 0,
        version: Version::V03,
    };
    assert_eq!(
        entry_with("inclusionProof/checkpoint", Value::Null),
        Err(no_checkpoint.clone())
    );
    assert_eq!(
        entry_with("inclusionProof/checkpoint", json!({"envelope": ""})),
        Err(no_checkpoint)
    );
}

#[test]
fn numbers_are_not_negative() {
    for member in [
        "logIndex",
        "integratedTime",
        "inclusionProof/logIndex",
        "inclusionProof/treeSize",
    ] {
        let error = entry_with(member, json!("-1")).unwrap_err();
        assert!(
            matches!(
                error,
                BundleError::Negative {
                    entry: 0,
                    value: -1,
                    ..
                }
            ),
            "{member}: {error}"
        );
    }
}

#[test]
fn hashes_have_32_bytes() {
    let short = BundleError::HashLength {
        member: "inclusionProof.rootHash",
        have: 1,
    };
    assert_eq!(
        entry_with("inclusionProof/rootHash", json!("AA==")),
        Err(short)
    );
    let short = BundleError::HashLength {
        member: "inclusionProof.hashes[]",
        have: 1,
    };
    assert_eq!(
        entry_with("inclusionProof/hashes", json!(["AA=="])),
        Err(short)
    );
}

#[test]
fn lists_are_bounded() {
    let entry = sample().pointer(ENTRY).unwrap().clone();
    let entries = |n| {
        with(&[(
            "/verificationMaterial/tlogEntries",
            json!(vec![entry.clone(); n]),
        )])
    };
    assert!(entries(32).is_ok() && entries(0).is_ok());
    assert_eq!(
        entries(33),
        Err(BundleError::TooMany {
            list: "tlogEntries",
            have: 33,
            limit: 32
        })
    );

    let stamps = |n| {
        let list = vec![json!({"signedTimestamp": "dHM="}); n];
        with(&[(
            "/verificationMaterial/timestampVerificationData",
            json!({"rfc3161Timestamps": list}),
        )])
    };
    assert!(stamps(32).is_ok());
    assert_eq!(
        stamps(33),
        Err(BundleError::TooMany {
            list: "rfc3161Timestamps",
            have: 33,
            limit: 32
        })
    );

    let hashes = entry_with("inclusionProof/hashes", json!(vec![hash(); 65]));
    assert_eq!(
        hashes,
        Err(BundleError::TooMany {
            list: "inclusionProof.hashes",
            have: 65,
            limit: 64
        })
    );
}

#[test]
fn byte_strings_are_bounded() {
    let big = formats::b64::encode(&vec![0; (64 << 10) + 1]);
    let too_long = |result| {
        matches!(
            result,
            Err(BundleError::TooLong {
                have: 65537,
                limit: 65536,
                ..
            })
        )
    };
    assert!(too_long(with(&[(
        "/messageSignature/signature",
        json!(big)
    )])));
    assert!(too_long(with(&[(
        "/verificationMaterial/certificate/rawBytes",
        json!(big)
    )])));
    assert!(too_long(entry_with(
        "inclusionPromise/signedEntryTimestamp",
        json!(big)
    )));
    let text = "x".repeat((64 << 10) + 1);
    assert!(too_long(entry_with(
        "inclusionProof/checkpoint/envelope",
        json!(text)
    )));
}

#[test]
fn absent_and_empty_are_the_same() {
    for (pointer, member) in [
        ("/messageSignature/signature", "messageSignature.signature"),
        (
            "/verificationMaterial/certificate/rawBytes",
            "certificate.rawBytes",
        ),
    ] {
        assert_eq!(
            with(&[(pointer, json!(""))]),
            Err(BundleError::Missing(member))
        );
        assert_eq!(
            with(&[(pointer, Value::Null)]),
            Err(BundleError::Missing(member))
        );
    }
    assert_eq!(
        with(&[("/verificationMaterial", Value::Null)]),
        Err(BundleError::NoVerificationMaterial)
    );
    assert!(
        entry_with("logId", Value::Null).is_ok(),
        "an absent log ID is for the verifier to judge"
    );
    assert_eq!(
        with(&[("/mediaType", Value::Null)]),
        Err(BundleError::UnknownMediaType(String::new()))
    );
}

#[test]
fn unknown_repeated_and_ill_typed_members_are_refused() {
    let malformed = |result: Result<Bundle, BundleError>, word: &str| match result {
        Err(BundleError::Json(JsonError::Malformed { reason, .. })) => {
            assert!(reason.contains(word), "{reason}")
        }
        other => panic!("{other:?}"),
    };
    malformed(with(&[("/extra", json!(1))]), "extra");
    malformed(with(&[("/verificationMaterial/extra", json!(1))]), "extra");
    malformed(entry_with("extra", json!(1)), "extra");
    malformed(entry_with("logIndex", json!("one")), "decimal");
    malformed(
        with(&[("/messageSignature/signature", json!("***"))]),
        "base64",
    );
    let twice =
        sample()
            .to_string()
            .replacen("\"mediaType\"", "\"mediaType\":\"\",\"mediaType\"", 1);
    malformed(Bundle::parse(twice.as_bytes()), "duplicate");
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(
        Bundle::parse(deep.as_bytes()),
        Err(BundleError::Json(JsonError::TooDeep { limit: 32 }))
    );
    let big = vec![b' '; (32 << 20) + 1];
    assert!(matches!(
        Bundle::parse(&big),
        Err(BundleError::Json(JsonError::TooLarge { .. }))
    ));
}

fn v2_entry() -> TransparencyLogEntry {
    TransparencyLogEntry {
        log_index: 0,
        log_id: LogId {
            key_id: B64(vec![1; 32]),
        },
        kind_version: KindVersion {
            kind: "hashedrekord".into(),
            version: "0.0.2".into(),
        },
        integrated_time: 0,
        inclusion_promise: None,
        inclusion_proof: Some(InclusionProof {
            log_index: 0,
            root_hash: B64(vec![2; 32]),
            tree_size: 1,
            hashes: vec![],
            checkpoint: Some(CheckpointEnvelope {
                envelope: "host\n1\n".into(),
            }),
        }),
        canonicalized_body: B64(b"{}".to_vec()),
    }
}

#[test]
fn the_answer_of_rekor_v2_shows_every_default() {
    let (id, root) = (
        formats::b64::encode(&[1; 32]),
        formats::b64::encode(&[2; 32]),
    );
    let expected = format!(
        r#"{{"logIndex":"0","logId":{{"keyId":"{id}"}},"kindVersion":{{"kind":"hashedrekord","version":"0.0.2"}},"integratedTime":"0","inclusionPromise":null,"inclusionProof":{{"logIndex":"0","rootHash":"{root}","treeSize":"1","hashes":[],"checkpoint":{{"envelope":"host\n1\n"}}}},"canonicalizedBody":"e30="}}"#
    );
    assert_eq!(v2_entry().to_rekor_v2_json(), expected);
    assert_eq!(
        TransparencyLogEntry::parse_rekor_v2(expected.as_bytes()),
        Ok(v2_entry())
    );
}

#[test]
fn the_bundle_form_leaves_out_what_is_absent_but_not_index_zero() {
    let json = serde_json::to_value(v2_entry()).unwrap();
    let object = json.as_object().unwrap();
    assert!(!object.contains_key("integratedTime") && !object.contains_key("inclusionPromise"));
    assert_eq!(json["logIndex"], "0");
    assert_eq!(json["inclusionProof"]["hashes"], json!([]));
    assert_eq!(
        serde_json::from_value::<TransparencyLogEntry>(json).unwrap(),
        v2_entry()
    );
}

#[test]
fn an_answer_of_rekor_v2_needs_its_proof() {
    let mut entry = v2_entry();
    entry.inclusion_proof = None;
    assert!(matches!(
        TransparencyLogEntry::parse_rekor_v2(entry.to_rekor_v2_json().as_bytes()),
        Err(BundleError::NoInclusionProof { .. })
    ));
}

proptest! {
    #[test]
    fn any_change_of_one_byte_is_answered_without_panic(position in 0usize..1000, byte: u8) {
        let mut json = sample().to_string().into_bytes();
        let position = position % json.len();
        json[position] = byte;
        if let Ok(bundle) = Bundle::parse(&json) {
            prop_assert_eq!(Bundle::parse(bundle.to_json().as_bytes()), Ok(bundle));
        }
    }
}
