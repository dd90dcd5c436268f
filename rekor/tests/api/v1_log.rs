//! `GET /api/v1/log`, `publicKey`, `proof`; what is outside the API.

use crate::harness::*;
use http::{Request, StatusCode};
use pki::key::PublicKey;
use serde_json::json;

fn check_info(server: &Server, answer: &Answer) -> (u64, [u8; 32]) {
    assert_eq!(answer.status, StatusCode::OK);
    let info = answer.json();
    assert_eq!(info["treeID"], json!(TREE_ID.to_string()));
    assert!(
        info.as_object().unwrap().contains_key("inactiveShards")
            && info["inactiveShards"].is_null()
    );
    let size = info["treeSize"].as_u64().unwrap();
    let root = hash(&hex::decode(info["rootHash"].as_str().unwrap()).unwrap());
    let origin = format!("{HOST} - {TREE_ID}");
    let head = info["signedTreeHead"].as_str().unwrap();
    server.check_checkpoint(head, &origin, &server.key.key_id(), size, &root);
    (size, root)
}

#[tokio::test]
async fn an_empty_log_has_the_empty_root() {
    let server = v1().await;
    let (size, root) = check_info(&server, &server.get("/api/v1/log?stable=true").await);
    assert_eq!((size, root), (0, merkle::empty_root()));
    let proof = server.get("/api/v1/log/proof?lastSize=1").await;
    assert_eq!(proof.status, StatusCode::BAD_REQUEST);
    let message = "the tree size requested(1) was greater than what is currently observable(0)";
    assert_eq!(proof.message(), message);
}

#[tokio::test]
async fn consistency_holds_between_all_sizes() {
    const SIZES: u64 = 12;
    let server = v1().await;
    let key = ClientKey::p256();
    let mut roots = vec![merkle::empty_root()];
    for i in 0..SIZES {
        let answer = server
            .submit_v1(&key.hashedrekord(format!("{i}").as_bytes()))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let (size, root) = check_info(&server, &server.get("/api/v1/log").await);
        assert_eq!(size, i + 1);
        roots.push(root);
    }
    let current = hex::encode(roots.last().unwrap());
    for last in 1..=SIZES {
        for first in 1..=last {
            let path =
                format!("/api/v1/log/proof?firstSize={first}&lastSize={last}&treeID={TREE_ID}");
            let answer = server.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            let proof = answer.json();
            // The root is the current one, whatever lastSize is.
            assert_eq!(proof["rootHash"], json!(current));
            let hashes = proof["hashes"].as_array().unwrap().iter();
            let hashes: Vec<_> = hashes
                .map(|h| hash(&hex::decode(h.as_str().unwrap()).unwrap()))
                .collect();
            let (from, to) = (
                usize::try_from(first).unwrap(),
                usize::try_from(last).unwrap(),
            );
            merkle::proof::verify_consistency(first, last, &hashes, &roots[from], &roots[to])
                .unwrap();
        }
    }
}

#[tokio::test]
async fn the_table_of_bad_proof_questions() {
    let server = v1().await;
    server
        .submit_v1(&ClientKey::p256().hashedrekord(b"a"))
        .await;
    let rows = [
        ("", 422, 602, "lastSize in query is required"),
        (
            "lastSize=0",
            422,
            609,
            "lastSize in query should be greater than or equal to 1",
        ),
        (
            "lastSize=x",
            422,
            601,
            "lastSize in query must be of type int64",
        ),
        (
            "firstSize=0&lastSize=1",
            422,
            609,
            "firstSize in query should be greater than or equal to 1",
        ),
        (
            "firstSize=2&lastSize=1",
            400,
            400,
            "firstSize(2) must be less than lastSize(1)",
        ),
        (
            "lastSize=2",
            400,
            400,
            "the tree size requested(2) was greater than",
        ),
        (
            "lastSize=1&treeID=7",
            400,
            400,
            "no log range found for tree ID 7",
        ),
        (
            "lastSize=1&treeID=abc",
            422,
            605,
            "treeID in query should match '^[0-9]+$'",
        ),
    ];
    for (query, status, code, text) in rows {
        let answer = server.get(&format!("/api/v1/log/proof?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{query}: {answer:?}"
        );
        assert!(answer.message().starts_with(text), "{query}: {answer:?}");
    }
    // firstSize defaults to 1, and equal sizes need no hashes.
    assert_eq!(
        server.get("/api/v1/log/proof?lastSize=1").await.json()["hashes"],
        json!([])
    );
}

#[tokio::test]
async fn the_public_key_is_pem_and_only_pem() {
    let server = v1().await;
    for path in [
        "/api/v1/log/publicKey".to_owned(),
        format!("/api/v1/log/publicKey?treeID={TREE_ID}"),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.header("content-type"), "application/x-pem-file");
        let pem = std::str::from_utf8(&answer.body).unwrap();
        assert_eq!(PublicKey::parse_pem(pem).unwrap(), server.key);
    }
    let unknown = server.get("/api/v1/log/publicKey?treeID=7").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.message().starts_with("Bad Request"), "{unknown:?}");
    assert_eq!(
        server.get("/api/v1/log/publicKey?treeID=x").await.code(),
        605
    );
    let json = Request::get("/api/v1/log/publicKey").header("accept", "application/json");
    let json = server
        .call(json.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(json.status, StatusCode::NOT_ACCEPTABLE);
    assert!(
        json.message()
            .contains("only [application/x-pem-file] are available")
    );
}

#[tokio::test]
async fn ping_answers_and_search_says_that_it_is_off() {
    let server = v1().await;
    let ping = server.get("/ping").await;
    assert_eq!(
        (ping.status, ping.body.as_ref()),
        (StatusCode::OK, b".".as_slice())
    );
    let search = server.post("/api/v1/index/retrieve", "{}").await;
    assert_eq!(search.status, StatusCode::NOT_IMPLEMENTED);
    let message = "SearchIndex API not enabled in this Rekor instance";
    assert_eq!(search.json(), json!({"code": 501, "message": message}));
}
