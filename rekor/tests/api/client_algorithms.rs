//! Rekor's own samples: entries, and one file signed with several algorithms.

use crate::harness::*;
use http::StatusCode;
use pki::key::HashAlgorithm::{self, Sha256, Sha512};
use serde_json::Value;
use std::path::Path;

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[tokio::test]
async fn allowed_and_denied_algorithms() {
    let Some(folder) = testkit::vectors("rekor/client-algos") else {
        return;
    };
    let server = v1().await;
    let rows: [(&str, &str, &str, HashAlgorithm, u16, &str); 9] = [
        ("file1", "ec_public.pem", "file1.ec.sig", Sha256, 201, ""),
        ("file1", "rsa_public.pem", "file1.rsa.sig", Sha256, 201, ""),
        (
            "file1",
            "ed25519_public.pem",
            "file1.ed25519ph.sig",
            Sha512,
            201,
            "",
        ),
        ("file2", "ec_public.pem", "file2.ec.sig", Sha256, 201, ""),
        ("file2", "rsa_public.pem", "file2.rsa.sig", Sha256, 201, ""),
        (
            "file2",
            "rsa_public.pem",
            "file2.rsa512.sig",
            Sha512,
            400,
            "entry algorithms are not allowed",
        ),
        (
            "file1",
            "ed25519_public.pem",
            "file1.ed25519.sig",
            Sha512,
            400,
            "not pure Ed25519",
        ),
        (
            "file1",
            "ed25519_public.pem",
            "file1.ed25519ph.sig",
            Sha256,
            400,
            "needs sha512",
        ),
        (
            "file2",
            "ec_public.pem",
            "file1.ec.sig",
            Sha256,
            400,
            "verifying signature",
        ),
    ];
    for (file, key, signature, hash, status, text) in rows {
        let pem = String::from_utf8(read(&folder, key)).unwrap();
        let entry = hashedrekord(&pem, hash, &read(&folder, file), &read(&folder, signature));
        let answer = server.submit_v1(&entry).await;
        assert_eq!(answer.status, status, "{signature} {hash:?}: {answer:?}");
        if status == 400 {
            assert!(answer.message().contains(text), "{signature}: {answer:?}");
        } else {
            server.check_v1(&answer.entries());
        }
    }
}

#[tokio::test]
async fn rekors_sample_entries_are_taken() {
    let Some(folder) = testkit::vectors("rekor") else {
        return;
    };
    let server = v1().await;
    for name in ["hashedrekord.json", "dsse.json"] {
        let answer = server
            .post("/api/v1/log/entries", read(&folder, name))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{name}: {answer:?}");
        server.check_v1(&answer.entries());
    }
    // The sample of intoto has the spec of 0.0.1.
    let mut intoto: Value = serde_json::from_slice(&read(&folder, "intoto.json")).unwrap();
    assert_eq!(
        server.submit_v1(&intoto).await.status,
        StatusCode::BAD_REQUEST
    );
    intoto["apiVersion"] = "0.0.1".into();
    let answer = server.submit_v1(&intoto).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    server.check_v1(&answer.entries());
}
