//! What clients check of many entries at once: global and local index, parallel writers.

use crate::harness::*;
use http::StatusCode;
use keys::{Algorithm, Purpose, Signer};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writers_each_get_a_proof_that_holds() {
    const WRITERS: usize = 8;
    const EACH: usize = 12;
    let server = Arc::new(v1().await);
    let writers = (0..WRITERS).map(|writer| {
        let server = server.clone();
        tokio::spawn(async move {
            let key = ClientKey::p256();
            let mut indexes = Vec::new();
            for i in 0..EACH {
                let answer = server
                    .submit_v1(&key.hashedrekord(format!("{writer} {i}").as_bytes()))
                    .await;
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
                let (_, entry) = server.check_v1(&answer.entries());
                assert_eq!(
                    entry.log_index,
                    entry.verification.inclusion_proof.log_index
                );
                indexes.push(entry.log_index);
            }
            indexes
        })
    });
    let mut indexes = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        indexes.extend(writer.await.unwrap());
    }
    indexes.sort_unstable();
    let want: Vec<i64> = (0..).take(WRITERS * EACH).collect();
    assert_eq!(indexes, want);
}

#[tokio::test]
async fn the_key_hint_is_the_start_of_the_log_id() {
    let server = v1().await;
    let note = server.log.head().checkpoint.clone();
    let note = note::SignedNote::parse(std::str::from_utf8(&note).unwrap()).unwrap();
    assert_eq!(note.signatures()[0].hint, server.key.key_id()[..4]);
    assert_eq!(note.signatures()[0].name, HOST);
}

#[tokio::test]
async fn a_name_that_clients_cannot_match_never_signs() {
    let signer = Signer::in_memory(Purpose::RekorV1, Algorithm::EcdsaP256).unwrap();
    for host in ["two words", "a+b", ""] {
        let heads = [
            rekor::v1::head_signer(host, TREE_ID, signer.clone()),
            rekor::v2::head_signer(host, signer.clone()),
        ];
        for head in heads {
            assert!(
                head.sign_head(0, &merkle::empty_root(), 0).await.is_err(),
                "{host:?}"
            );
        }
    }
}
