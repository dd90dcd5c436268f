//! Entries, proofs and roots over HTTP, as a monitor reads them.

use crate::fixture::{Fixture, base64, escaped, hash, hashes};
use http::StatusCode;
use pki::cert::Certificate;
use pki::sct::{CtEntry, extra_data_precert};
use serde_json::Value;

/// A log of `count` precertificates.
async fn filled(count: usize) -> (Fixture, Vec<Certificate>) {
    let fixture = Fixture::new().await;
    let mut precerts = Vec::new();
    for _ in 0..count {
        let precert = fixture.ca.precert().await;
        fixture
            .ct
            .add_pre_chain(&precert, &fixture.ca.chain)
            .await
            .unwrap();
        precerts.push(precert);
    }
    (fixture, precerts)
}

async fn sth(fixture: &Fixture) -> (u64, merkle::Hash) {
    let sth = fixture.get_json("/ctlog/ct/v1/get-sth").await;
    (
        sth["tree_size"].as_u64().unwrap(),
        hash(&sth["sha256_root_hash"]),
    )
}

#[tokio::test]
async fn entries_hold_leaf_and_chain() {
    let (fixture, precerts) = filled(5).await;
    let answer = fixture
        .get_json("/ctlog/ct/v1/get-entries?start=1&end=3")
        .await;
    let entries = answer["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    let chain: Vec<&[u8]> = fixture.ca.chain.iter().map(Certificate::der).collect();
    for (entry, precert) in entries.iter().zip(&precerts[1..]) {
        let leaf = base64(&entry["leaf_input"]);
        let timestamp = u64::from_be_bytes(leaf[2..10].try_into().unwrap());
        assert_eq!(
            leaf,
            CtEntry::precert(precert, fixture.ca.issuer())
                .unwrap()
                .leaf(timestamp, &[])
        );
        assert_eq!(
            base64(&entry["extra_data"]),
            extra_data_precert(precert.der(), &chain)
        );
    }
    // The end is clamped, as monitors rely on.
    let answer = fixture
        .get_json("/ctlog/ct/v1/get-entries?start=4&end=1000")
        .await;
    assert_eq!(answer["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_entry_is_proved_by_its_hash() {
    let (fixture, _) = filled(7).await;
    let (size, root) = sth(&fixture).await;
    let entries = fixture
        .get_json("/ctlog/ct/v1/get-entries?start=0&end=6")
        .await;
    for (index, entry) in (0_u64..).zip(entries["entries"].as_array().unwrap()) {
        let leaf = merkle::leaf_hash(&base64(&entry["leaf_input"]));
        let path = format!(
            "/ctlog/ct/v1/get-proof-by-hash?hash={}&tree_size={size}",
            escaped(&leaf)
        );
        let proof = fixture.get_json(&path).await;
        assert_eq!(proof["leaf_index"], index);
        merkle::proof::verify_inclusion(index, size, &leaf, &hashes(&proof["audit_path"]), &root)
            .unwrap();

        let path = format!("/ctlog/ct/v1/get-entry-and-proof?leaf_index={index}&tree_size={size}");
        let both = fixture.get_json(&path).await;
        assert_eq!(
            (&both["leaf_input"], &both["extra_data"]),
            (&entry["leaf_input"], &entry["extra_data"])
        );
        assert_eq!(both["audit_path"], proof["audit_path"]);
    }
}

#[tokio::test]
async fn older_heads_are_consistent_with_newer_ones() {
    let fixture = Fixture::new().await;
    let mut heads = vec![sth(&fixture).await];
    for _ in 0..6 {
        let precert = fixture.ca.precert().await;
        fixture
            .ct
            .add_pre_chain(&precert, &fixture.ca.chain)
            .await
            .unwrap();
        heads.push(sth(&fixture).await);
    }
    for (first, root1) in &heads {
        for (second, root2) in heads.iter().filter(|(second, _)| second >= first) {
            let path = format!("/ctlog/ct/v1/get-sth-consistency?first={first}&second={second}");
            let proof = hashes(&fixture.get_json(&path).await["consistency"]);
            if *first == 0 || first == second {
                assert!(proof.is_empty());
            } else {
                merkle::proof::verify_consistency(*first, *second, &proof, root1, root2).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn each_root_is_shown_once() {
    let (fixture, _) = filled(0).await;
    let roots: Value = fixture.get_json("/ctlog/ct/v1/get-roots").await;
    let roots: Vec<Vec<u8>> = roots["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(base64)
        .collect();
    assert_eq!(roots, [fixture.ca.root().der()]);
}

#[tokio::test]
async fn questions_without_an_answer_have_their_status() {
    let (fixture, _) = filled(2).await;
    let unknown = escaped(&[7; 32]);
    for (path, status) in [
        (
            "get-entries?start=2&end=3".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        ("get-entries?start=1&end=0".into(), StatusCode::BAD_REQUEST),
        ("get-entries?start=-1&end=0".into(), StatusCode::BAD_REQUEST),
        ("get-entries?start=0".into(), StatusCode::BAD_REQUEST),
        (
            "get-sth-consistency?first=2&second=1".into(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "get-sth-consistency?first=1&second=3".into(),
            StatusCode::BAD_REQUEST,
        ),
        ("get-sth-consistency".into(), StatusCode::BAD_REQUEST),
        (
            format!("get-proof-by-hash?hash={unknown}&tree_size=2"),
            StatusCode::NOT_FOUND,
        ),
        (
            format!("get-proof-by-hash?hash={unknown}&tree_size=3"),
            StatusCode::NOT_FOUND,
        ),
        (
            format!("get-proof-by-hash?hash={unknown}&tree_size=0"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "get-proof-by-hash?hash=AAAA&tree_size=2".into(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "get-proof-by-hash?hash=%25&tree_size=2".into(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "get-entry-and-proof?leaf_index=2&tree_size=2".into(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "get-entry-and-proof?leaf_index=0&tree_size=3".into(),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let (have, body) = fixture.get(&format!("/ctlog/ct/v1/{path}")).await;
        assert_eq!(have, status, "{path}: {body}");
    }
}

#[tokio::test]
async fn a_proof_is_for_the_size_that_was_asked() {
    let (fixture, _) = filled(5).await;
    let entries = fixture
        .get_json("/ctlog/ct/v1/get-entries?start=4&end=4")
        .await;
    let last = merkle::leaf_hash(&base64(&entries["entries"][0]["leaf_input"]));
    // The fifth entry is not in the tree of four.
    let path = |size| {
        format!(
            "/ctlog/ct/v1/get-proof-by-hash?hash={}&tree_size={size}",
            escaped(&last)
        )
    };
    assert_eq!(fixture.get(&path(4)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&path(5)).await.0, StatusCode::OK);
}
