//! `POST /api/v2/log/entries`.

use crate::harness::*;
use aws_lc_rs::rsa::KeySize;
use formats::b64;
use formats::entry::{Body as Canonical, VerifierMaterial};
use http::{Method, StatusCode};
use keys::{Algorithm, Purpose, Signer};
use pki::key::HashAlgorithm;
use serde_json::{Value, json};

const P256: &str = "PKIX_ECDSA_P256_SHA_256";

#[tokio::test]
async fn an_entry_is_logged_by_logs_of_either_key_type() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        let server = v2(algorithm).await;
        let key = ClientKey::p256();
        for i in 0..3u64 {
            let request = key.v2_request(format!("artifact {i}").as_bytes(), P256);
            let answer = server.submit_v2(&request).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            let (index, _) = server.check_v2(&answer.json());
            assert_eq!(index, i);
        }
    }
}

#[tokio::test]
async fn the_answer_is_strict_protojson() {
    let server = v2(Algorithm::Ed25519).await;
    let entry = server
        .submit_v2(&ClientKey::p256().v2_request(b"artifact", P256))
        .await
        .json();
    let mut members: Vec<&String> = entry.as_object().unwrap().keys().collect();
    members.sort();
    let want = [
        "canonicalizedBody",
        "inclusionPromise",
        "inclusionProof",
        "integratedTime",
        "kindVersion",
        "logId",
        "logIndex",
    ];
    assert_eq!(members, want);
    assert_eq!(entry["integratedTime"], json!("0"));
    assert_eq!(entry["logIndex"], json!("0"));
    assert!(entry["inclusionPromise"].is_null());
    assert_eq!(entry["inclusionProof"]["hashes"], json!([]));
    assert_eq!(entry["inclusionProof"]["treeSize"], json!("1"));
}

#[tokio::test]
async fn every_algorithm_of_the_registry_is_taken_under_its_name() {
    let server = v2(Algorithm::Ed25519).await;
    let keys = [
        (ClientKey::p256(), P256, "SHA2_256"),
        (ClientKey::p384(), "PKIX_ECDSA_P384_SHA_384", "SHA2_384"),
        (ClientKey::p521(), "PKIX_ECDSA_P521_SHA_512", "SHA2_512"),
        (
            ClientKey::rsa(KeySize::Rsa2048),
            "PKIX_RSA_PKCS1V15_2048_SHA256",
            "SHA2_256",
        ),
        (
            ClientKey::rsa(KeySize::Rsa3072),
            "PKIX_RSA_PKCS1V15_3072_SHA256",
            "SHA2_256",
        ),
        (ClientKey::ed25519ph(), "PKIX_ED25519_PH", "SHA2_512"),
    ];
    for (key, name, hash) in keys {
        let answer = server.submit_v2(&key.v2_request(b"artifact", name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{name}: {answer:?}");
        let (_, body) = server.check_v2(&answer.json());
        let (_, _, body) = Canonical::parse(&body).unwrap();
        let Canonical::HashedRekordV002 {
            algorithm,
            verifier,
            ..
        } = body
        else {
            panic!("{body:?}")
        };
        assert_eq!(
            (algorithm.as_str(), verifier.key_details.as_str()),
            (hash, name)
        );
        assert_eq!(verifier.material, VerifierMaterial::PublicKey(key.spki()));
    }
}

#[tokio::test]
async fn a_duplicate_names_its_index() {
    let server = v2(Algorithm::Ed25519).await;
    let key = ClientKey::p256();
    server.submit_v2(&key.v2_request(b"first", P256)).await;
    let request = key.v2_request(b"second", P256);
    assert_eq!(server.submit_v2(&request).await.status, StatusCode::CREATED);
    let again = server.submit_v2(&request).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.header("x-log-index"), "1");
    let message = "an equivalent entry already exists in the transparency log with index 1";
    assert_eq!(
        again.json(),
        json!({"code": 6, "message": message, "details": []})
    );
}

#[tokio::test]
async fn snake_case_url_safe_base64_and_enum_numbers_are_the_same_request() {
    let server = v2(Algorithm::Ed25519).await;
    let request = ClientKey::p256().v2_request(b"artifact", P256);
    assert_eq!(server.submit_v2(&request).await.status, StatusCode::CREATED);
    let camel = &request["hashedRekordRequestV002"];
    let url_safe = |v: &Value| {
        let text = v.as_str().unwrap().trim_end_matches('=').to_owned();
        text.replace('+', "-").replace('/', "_")
    };
    let verifier = &camel["signature"]["verifier"];
    let snake = json!({"hashed_rekord_request_v002": {
        "digest": url_safe(&camel["digest"]),
        "signature": {
            "content": url_safe(&camel["signature"]["content"]),
            "verifier": {
                "public_key": {"raw_bytes": url_safe(&verifier["publicKey"]["rawBytes"])},
                "key_details": 5,
            },
        },
    }});
    assert_eq!(server.submit_v2(&snake).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_table_of_bad_requests() {
    let server = v2(Algorithm::Ed25519).await;
    let good = ClientKey::p256().v2_request(b"artifact", P256);
    let other = b64::encode(&ClientKey::p256().spki());
    let top = "/hashedRekordRequestV002";
    let rows: [(&str, Value, &str); 17] = [
        ("", json!(null), "invalid type, must be hashedrekord"),
        ("/digest", json!(null), "missing digest"),
        (
            "/digest",
            json!("AAAA"),
            "digest has 3 bytes, sha256 has 32",
        ),
        ("/digest", json!("!"), "digest is not valid base64"),
        ("/digest", json!(7), "expected a string, got a number"),
        ("/signature", json!(null), "missing signature.verifier"),
        ("/signature/content", json!(""), "missing signature.content"),
        ("/signature/content", json!("AAAA"), "verifying signature: "),
        (
            "/signature/verifier",
            json!(null),
            "missing signature.verifier",
        ),
        (
            "/signature/verifier/publicKey",
            json!(null),
            "missing verifier",
        ),
        (
            "/signature/verifier/publicKey/rawBytes",
            json!(""),
            "missing publicKey.rawBytes",
        ),
        (
            "/signature/verifier/publicKey/rawBytes",
            json!("AAAA"),
            "invalid public key: ",
        ),
        (
            "/signature/verifier/publicKey/rawBytes",
            json!(other),
            "verifying signature: ",
        ),
        (
            "/signature/verifier/keyDetails",
            json!("PKIX_ED25519_PH"),
            "expected \"PKIX_ECDSA_P256_SHA_256\"",
        ),
        (
            "/signature/verifier/keyDetails",
            json!(null),
            "does not fit the verifier's key",
        ),
        (
            "/signature/verifier/keyDetails",
            json!(99),
            "keyDetails \"99\"",
        ),
        (
            "/signature/verifier/keyDetails",
            json!([]),
            "expected an enum name or number",
        ),
    ];
    for (pointer, value, text) in rows {
        let mut request = good.clone();
        *request.pointer_mut(&format!("{top}{pointer}")).unwrap() = value.clone();
        let answer = server.submit_v2(&request).await;
        let row = format!("{pointer} = {value}: {answer:?}");
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 3), "{row}");
        assert_eq!(answer.json()["details"], json!([]), "{row}");
        assert!(answer.message().contains(text), "{row}");
    }
    assert_eq!(server.log.head().size, 0);
}

#[tokio::test]
async fn unknown_members_and_broken_json_are_refused() {
    let server = v2(Algorithm::Ed25519).await;
    let mut request = ClientKey::p256().v2_request(b"artifact", P256);
    request["hashedRekordRequestV002"]["signature"]["more"] = json!(1);
    let answer = server.submit_v2(&request).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, 3));
    assert_eq!(answer.message(), "proto: unknown field \"more\"");
    for body in ["", "{", "[]", "{} {}"] {
        let answer = server.post("/api/v2/log/entries", body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, 3),
            "{body}"
        );
    }
    let large = server
        .post(
            "/api/v2/log/entries",
            vec![b' '; rekor::limits::V2_MAX_BODY + 1],
        )
        .await;
    assert_eq!((large.status, large.code()), (StatusCode::BAD_REQUEST, 3));
    assert!(large.message().contains("request body too large"));
}

#[tokio::test]
async fn pure_ed25519_and_odd_hashes_are_refused() {
    let server = v2(Algorithm::Ed25519).await;
    let pure = ClientKey::ed25519ph().v2_request(b"artifact", "PKIX_ED25519");
    assert!(
        server
            .submit_v2(&pure)
            .await
            .message()
            .contains("expected \"PKIX_ED25519_PH\"")
    );
    let odd = ClientKey::p521_sha256().v2_request(b"artifact", "PKIX_ECDSA_P521_SHA_512");
    assert!(
        server
            .submit_v2(&odd)
            .await
            .message()
            .contains("digest has 32 bytes, sha512 has 64")
    );
}

#[tokio::test]
async fn a_dsse_request_is_logged_as_the_hashedrekord_over_its_pae() {
    let server = v2(Algorithm::Ed25519).await;
    let (key, payload) = (ClientKey::p256(), b"{\"_type\":\"x\"}");
    let request = dsse_request(&key, payload);
    let answer = server.submit_v2(&request).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (_, body) = server.check_v2(&answer.json());
    let (_, _, body) = Canonical::parse(&body).unwrap();
    let pae = formats::dsse::pae(formats::dsse::IN_TOTO, payload);
    let want = HashAlgorithm::Sha256.digest(&pae);
    assert!(matches!(body, Canonical::HashedRekordV002 { digest, .. } if digest == want));
}

fn dsse_request(key: &ClientKey, payload: &[u8]) -> Value {
    json!({"dsseRequestV002": {
        "envelope": {
            "payload": b64::encode(payload),
            "payloadType": formats::dsse::IN_TOTO,
            "signatures": [{"sig": sign_envelope(key, payload), "keyid": ""}],
        },
        "verifiers": [{"publicKey": {"rawBytes": b64::encode(&key.spki())}, "keyDetails": P256}],
    }})
}

#[tokio::test]
async fn a_dsse_request_has_one_signature_and_one_verifier() {
    let server = v2(Algorithm::Ed25519).await;
    let good = dsse_request(&ClientKey::p256(), b"payload");
    for pointer in [
        "/dsseRequestV002/envelope/signatures",
        "/dsseRequestV002/verifiers",
    ] {
        let mut two = good.clone();
        let list = two.pointer_mut(pointer).unwrap();
        *list = json!([list[0], list[0]]);
        let answer = server.submit_v2(&two).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(
            answer
                .message()
                .contains("exactly one signature and one verifier"),
            "{answer:?}"
        );
    }
    let mut wrong = good;
    wrong["dsseRequestV002"]["envelope"]["payload"] = json!(b64::encode(b"other"));
    assert!(
        server
            .submit_v2(&wrong)
            .await
            .message()
            .contains("verifying signature")
    );
}

#[tokio::test]
async fn other_verbs_and_paths_speak_grpc_gateway() {
    let server = v2(Algorithm::Ed25519).await;
    let verb = server.send(Method::GET, "/api/v2/log/entries").await;
    assert_eq!(verb.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(
        verb.json(),
        json!({"code": 12, "message": "Method Not Allowed", "details": []})
    );
    let path = server.send(Method::GET, "/api/v2/log/other").await;
    assert_eq!(path.status, StatusCode::NOT_FOUND);
    assert_eq!(
        path.json(),
        json!({"code": 5, "message": "Not Found", "details": []})
    );
}

#[tokio::test]
async fn a_closed_log_asks_to_come_back() {
    let server = v2(Algorithm::Ed25519).await;
    server.log.close().await;
    let answer = server
        .submit_v2(&ClientKey::p256().v2_request(b"artifact", P256))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::SERVICE_UNAVAILABLE, 14)
    );
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_log_whose_store_is_away_asks_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = tlog::store::sqlite(&folder.path().join("log.db")).await;
    let store = store.unwrap();
    let server = v2_over(store.clone(), Algorithm::EcdsaP256).await;
    store.close().await;
    let request = ClientKey::p256().v2_request(b"artifact", P256);
    let answer = server.submit_v2(&request).await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::SERVICE_UNAVAILABLE, 14)
    );
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn an_sqlite_log_answers_like_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = tlog::store::sqlite(&folder.path().join("log.db"))
        .await
        .unwrap();
    let server = v2_over(store, Algorithm::Ed25519).await;
    let request = ClientKey::p256().v2_request(b"artifact", P256);
    server.check_v2(&server.submit_v2(&request).await.json());
    assert_eq!(
        server.submit_v2(&request).await.status,
        StatusCode::CONFLICT
    );
    server.log.close().await;
}

#[tokio::test]
async fn an_entry_that_no_bundle_can_hold_is_refused() {
    // C2SP tlog-tiles: 65,535 bytes. The certificate alone is above that in base64.
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    // Subject and issuer: 50,000 bytes.
    let name = "o".repeat(25_000);
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, name);
    let cert = params.self_signed(&pair).unwrap();
    let key = ClientKey::p256_of_pkcs8(&pair.serialize_der());
    let server = v2(Algorithm::Ed25519).await;
    let request = json!({"hashedRekordRequestV002": {
        "digest": b64::encode(&HashAlgorithm::Sha256.digest(b"artifact")),
        "signature": {
            "content": b64::encode(&key.sign(b"artifact")),
            "verifier": {"x509Certificate": {"rawBytes": b64::encode(cert.der())}, "keyDetails": P256},
        },
    }});
    let answer = server.submit_v2(&request).await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, 3),
        "{answer:?}"
    );
    assert!(
        answer.message().contains("this log stores at most 65535"),
        "{answer:?}"
    );
}

/// Signs the empty head and then waits for ever: nothing is committed any more.
struct Stuck(std::sync::Arc<dyn tlog::HeadSigner>);

#[async_trait::async_trait]
impl tlog::HeadSigner for Stuck {
    async fn sign_head(
        &self,
        size: u64,
        root: &merkle::Hash,
        time_ms: i64,
    ) -> Result<bytes::Bytes, tlog::SignError> {
        if size > 0 {
            std::future::pending::<()>().await;
        }
        self.0.sign_head(size, root, time_ms).await
    }
}

#[tokio::test]
async fn a_full_pool_pushes_back() {
    let signer = Signer::in_memory(Purpose::RekorV2, Algorithm::Ed25519).unwrap();
    let stuck = std::sync::Arc::new(Stuck(rekor::v2::head_signer(HOST, signer.clone())));
    let limits = tlog::Limits {
        pool: 1,
        batch_entries: 1,
        ..tlog::Limits::default()
    };
    let (store, clock) = (tlog::store::memory(), clock::Clock::system());
    let log = tlog::Log::open(store, "v2", stuck, clock, limits, true)
        .await
        .unwrap();
    let registry = prometheus::Registry::new();
    let key = signer.public_key().clone();
    let deps = rekor::v2::Deps {
        log: log.clone(),
        signer,
        registry: registry.clone(),
    };
    let router = rekor::v2::build(rekor::v2::Config::new(HOST), deps);
    let server = std::sync::Arc::new(Server {
        router,
        key,
        registry,
        log,
    });
    let client = ClientKey::p256();
    // One batch in hand and one place in the pool: later requests find it full at once.
    for artifact in ["in hand", "in the pool", "perhaps"] {
        let (server, request) = (server.clone(), client.v2_request(artifact.as_bytes(), P256));
        tokio::spawn(async move { server.submit_v2(&request).await });
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = server
        .submit_v2(&client.v2_request(b"too many", P256))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::SERVICE_UNAVAILABLE, 14),
        "{answer:?}"
    );
    assert_eq!(answer.message(), "reached max pushback; retry");
    assert_eq!(answer.header("retry-after"), "1");
}
