//! `GET /api/v1/log/entries…`: by index and by name.

use crate::harness::*;
use formats::wire::LogEntry;
use http::{Method, StatusCode};
use serde_json::json;

/// A server with `n` entries; gives their IDs.
async fn filled(n: usize) -> (Server, Vec<String>) {
    let server = v1().await;
    let key = ClientKey::p256();
    let mut ids = Vec::new();
    for i in 0..n {
        let answer = server
            .submit_v1(&key.hashedrekord(format!("artifact {i}").as_bytes()))
            .await;
        ids.push(server.check_v1(&answer.entries()).0);
    }
    (server, ids)
}

fn without_proof(mut entry: LogEntry) -> LogEntry {
    entry.verification.signed_entry_timestamp.clear();
    entry.verification.inclusion_proof.hashes.clear();
    entry.verification.inclusion_proof.checkpoint.clear();
    entry.verification.inclusion_proof.root_hash.clear();
    entry.verification.inclusion_proof.tree_size = 0;
    entry
}

#[tokio::test]
async fn an_entry_is_found_by_index_and_by_all_its_names() {
    let (server, ids) = filled(5).await;
    for (index, id) in ids.iter().enumerate() {
        let by_index = server
            .get(&format!("/api/v1/log/entries?logIndex={index}"))
            .await;
        assert_eq!(by_index.status, StatusCode::OK);
        let (found, entry) = server.check_v1(&by_index.entries());
        assert_eq!(
            (&found, entry.log_index),
            (id, i64::try_from(index).unwrap())
        );
        for name in [
            id.clone(),
            id[16..].to_owned(),
            id.to_uppercase(),
            id[16..].to_uppercase(),
        ] {
            let answer = server.get(&format!("/api/v1/log/entries/{name}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}");
            let (found, same) = server.check_v1(&answer.entries());
            assert_eq!(&found, id);
            assert_eq!(without_proof(same), without_proof(entry.clone()));
            assert!(answer.header("cache-control").starts_with("no-cache"));
        }
    }
}

#[tokio::test]
async fn two_reads_have_two_sets_and_both_verify() {
    let (server, ids) = filled(1).await;
    let path = format!("/api/v1/log/entries/{}", ids[0]);
    let (_, a) = server.check_v1(&server.get(&path).await.entries());
    let (_, b) = server.check_v1(&server.get(&path).await.entries());
    assert_eq!(a.integrated_time, b.integrated_time);
}

#[tokio::test]
async fn what_is_not_there_is_404_without_a_body() {
    let (server, ids) = filled(1).await;
    let other_tree = format!("{:016x}{}", TREE_ID + 1, &ids[0][16..]);
    let absent = format!("{}{}", &ids[0][..16], "0".repeat(64));
    let paths = [
        "/api/v1/log/entries?logIndex=1".to_owned(),
        "/api/v1/log/entries?logIndex=9223372036854775807".to_owned(),
        format!("/api/v1/log/entries/{other_tree}"),
        format!("/api/v1/log/entries/{absent}"),
        format!("/api/v1/log/entries/{}", "f".repeat(64)),
    ];
    for path in paths {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.is_empty(), "{path}");
        assert_eq!(answer.header("content-type"), "", "{path}");
    }
}

#[tokio::test]
async fn the_table_of_bad_names_and_indexes() {
    let (server, ids) = filled(1).await;
    let uuid = &ids[0][16..];
    let rows = [
        ("?logIndex=".to_owned(), 422, 602),
        (String::new(), 422, 602),
        ("?logIndex=x".to_owned(), 422, 601),
        ("?logIndex=9223372036854775808".to_owned(), 422, 601),
        ("?logIndex=-1".to_owned(), 422, 609),
        ("/abc".to_owned(), 422, 605),
        (format!("/{}g", "0".repeat(63)), 422, 605),
        (format!("/ffffffffffffffff{uuid}"), 400, 400),
        (format!("/0000000000000000{uuid}"), 500, 500),
    ];
    for (path, status, code) in rows {
        let answer = server.get(&format!("/api/v1/log/entries{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn slashes_at_the_end_are_tolerated() {
    let (server, ids) = filled(1).await;
    let paths = [
        "/api/v1/log/".to_owned(),
        "/api/v1/log/publicKey/".to_owned(),
        "/api/v1/log/entries/?logIndex=0".to_owned(),
        format!("/api/v1/log/entries/{}/", ids[0]),
        "/api/v1/log/proof/?lastSize=1".to_owned(),
    ];
    for path in paths {
        assert_eq!(server.get(&path).await.status, StatusCode::OK, "{path}");
    }
    let retrieved = server
        .post("/api/v1/log/entries/retrieve/", r#"{"logIndexes":[0]}"#)
        .await;
    assert_eq!(retrieved.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_paths_and_wrong_verbs_are_json() {
    let server = v1().await;
    let unknown = server.get("/api/v1/log/nothing/here").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let message = "path /api/v1/log/nothing/here was not found";
    assert_eq!(unknown.json(), json!({"code": 404, "message": message}));
    let wrong = server.send(Method::DELETE, "/api/v1/log/entries").await;
    assert_eq!(
        (wrong.status, wrong.code()),
        (StatusCode::METHOD_NOT_ALLOWED, 405)
    );
    assert!(wrong.header("allow").contains("GET") && wrong.header("allow").contains("POST"));
}

#[tokio::test]
async fn a_browser_of_any_origin_may_ask() {
    let server = v1().await;
    let preflight = http::Request::builder()
        .method(Method::OPTIONS)
        .uri("/api/v1/log/entries/retrieve")
        .header("origin", "https://search.example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = server.call(preflight).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    assert_eq!(answer.header("access-control-allow-headers"), "*");
}

#[tokio::test]
async fn answers_stay_consistent_while_the_log_grows() {
    let server = std::sync::Arc::new(v1().await);
    let writer = {
        let server = server.clone();
        tokio::spawn(async move {
            let key = ClientKey::p256();
            for i in 0..60 {
                let answer = server
                    .submit_v1(&key.hashedrekord(format!("{i}").as_bytes()))
                    .await;
                server.check_v1(&answer.entries());
            }
        })
    };
    while !writer.is_finished() {
        let answer = server.get("/api/v1/log/entries?logIndex=0").await;
        if answer.status == StatusCode::OK {
            server.check_v1(&answer.entries());
        }
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn an_sqlite_log_answers_like_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = tlog::store::sqlite(&folder.path().join("log.db"))
        .await
        .unwrap();
    let server = v1_over(store, rekor::limits::V1_MAX_BODY).await;
    let entry = ClientKey::p256().hashedrekord(b"artifact");
    let (id, _) = server.check_v1(&server.submit_v1(&entry).await.entries());
    let answer = server.get(&format!("/api/v1/log/entries/{id}")).await;
    assert_eq!(server.check_v1(&answer.entries()).0, id);
    assert_eq!(server.submit_v1(&entry).await.status, StatusCode::CONFLICT);
    server.log.close().await;
}
