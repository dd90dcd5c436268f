//! `POST /api/v1/log/entries`: what is taken, what is refused, and how.

use crate::harness::*;
use axum::body::Body;
use formats::b64;
use formats::entry::Body as Canonical;
use http::{Request, StatusCode};
use keys::authority::{self, Names, Profile};
use keys::{Algorithm, Purpose, Signer};
use pki::cert::Certificate;
use pki::key::HashAlgorithm;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

#[tokio::test]
async fn a_hashedrekord_is_logged_and_its_answer_proves_itself() {
    let server = v1().await;
    let answer = server
        .submit_v1(&ClientKey::p256().hashedrekord(b"artifact"))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (id, entry) = server.check_v1(&answer.entries());
    // Clients index the map with the raw ETag and append the Location to their base URL.
    assert_eq!(answer.header("etag"), id);
    assert_eq!(
        answer.header("location"),
        format!("/api/v1/log/entries/{id}")
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body.last(), Some(&b'\n'));
    assert_eq!(entry.log_index, 0);
    assert!(entry.verification.inclusion_proof.hashes.is_empty());
    assert_eq!(
        answer.json()[&id]["verification"]["inclusionProof"]["hashes"],
        json!([])
    );
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert!((now - entry.integrated_time).abs() < 60);
}

#[tokio::test]
async fn every_key_type_of_the_registry_is_taken() {
    use aws_lc_rs::rsa::KeySize;
    let server = v1().await;
    let keys = [
        ClientKey::p256(),
        ClientKey::p384(),
        ClientKey::p521(),
        ClientKey::rsa(KeySize::Rsa2048),
        ClientKey::rsa(KeySize::Rsa3072),
        ClientKey::ed25519ph(),
    ];
    for key in keys {
        let answer = server.submit_v1(&key.hashedrekord(b"artifact")).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{}: {answer:?}",
            key.pem()
        );
        server.check_v1(&answer.entries());
    }
}

#[tokio::test]
async fn an_algorithm_outside_the_list_is_refused_after_it_verified() {
    let server = v1().await;
    let answer = server
        .submit_v1(&ClientKey::p521_sha256().hashedrekord(b"artifact"))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let prefix = "error processing entry: entry algorithms are not allowed";
    assert!(answer.message().starts_with(prefix), "{}", answer.message());
}

#[tokio::test]
async fn a_duplicate_is_answered_with_its_location() {
    let server = v1().await;
    let entry = ClientKey::p256().hashedrekord(b"artifact");
    let (id, _) = server.check_v1(&server.submit_v1(&entry).await.entries());
    let again = server.submit_v1(&entry).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(
        again.header("location"),
        format!("/api/v1/log/entries/{id}")
    );
    let message =
        format!("an equivalent entry already exists in the transparency log with UUID {id}");
    assert_eq!(again.json(), json!({"code": 409, "message": message}));
    server.check_v1(&server.get(again.header("location")).await.entries());
}

#[tokio::test]
async fn parallel_copies_of_one_entry_make_one_leaf() {
    let server = v1().await;
    let entry = ClientKey::p256().hashedrekord(b"artifact");
    let (a, b, c) = tokio::join!(
        server.submit_v1(&entry),
        server.submit_v1(&entry),
        server.submit_v1(&entry)
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
    assert_eq!(server.log.head().size, 1);
}

#[tokio::test]
async fn keys_are_stored_canonically_whatever_their_line_ends() {
    let server = v1().await;
    let key = ClientKey::p256();
    let crlf = key.pem().replace('\n', "\r\n");
    let entry = hashedrekord(&crlf, HashAlgorithm::Sha256, b"a", &key.sign(b"a"));
    let answer = server.submit_v1(&entry).await;
    let (_, entry) = server.check_v1(&answer.entries());
    let (_, _, body) = Canonical::parse(&b64::decode_lenient(&entry.body).unwrap()).unwrap();
    let Canonical::HashedRekordV001 { public_key, .. } = body else {
        panic!("{body:?}")
    };
    assert_eq!(String::from_utf8(public_key).unwrap(), key.pem());
}

#[tokio::test]
async fn hash_values_keep_their_case_and_base64_may_be_folded() {
    let server = v1().await;
    let mut entry = ClientKey::p256().hashedrekord(b"artifact");
    let upper = entry["spec"]["data"]["hash"]["value"]
        .as_str()
        .unwrap()
        .to_uppercase();
    entry["spec"]["data"]["hash"]["value"] = Value::from(upper.as_str());
    let pem = entry["spec"]["signature"]["publicKey"]["content"]
        .as_str()
        .unwrap();
    let folded = format!("{}\r\n{}\n", &pem[..60], &pem[60..]);
    entry["spec"]["signature"]["publicKey"]["content"] = Value::from(folded);
    let answer = server.submit_v1(&entry).await;
    let (_, entry) = server.check_v1(&answer.entries());
    let (_, _, body) = Canonical::parse(&b64::decode_lenient(&entry.body).unwrap()).unwrap();
    assert!(matches!(body, Canonical::HashedRekordV001 { hash_value, .. } if hash_value == upper));
}

#[tokio::test]
async fn unknown_members_null_members_and_a_second_json_value_do_no_harm() {
    let server = v1().await;
    let mut entry = ClientKey::p256().hashedrekord(b"artifact");
    entry["extra"] = json!({"deep": [1, {"x": null}]});
    entry["spec"]["signature"]["format"] = Value::Null;
    let answer = server
        .post("/api/v1/log/entries", format!("{entry} trailing"))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

/// Each row: what is changed in a valid entry, and what the server says of it.
#[tokio::test]
async fn the_table_of_bad_hashedrekords() {
    let server = v1().await;
    let good = ClientKey::p256().hashedrekord(b"artifact");
    let other_key = b64::encode(ClientKey::p256().pem().as_bytes());
    let rows: [(&str, Value, u16, u64, &str); 22] = [
        ("/kind", Value::Null, 422, 602, "kind in body is required"),
        ("/kind", json!(""), 422, 602, "kind in body is required"),
        (
            "/kind",
            json!(5),
            422,
            601,
            "kind in body must be of type string",
        ),
        (
            "/kind",
            json!("nope"),
            422,
            422,
            "invalid kind value: \"nope\"",
        ),
        (
            "/kind",
            json!("rekord"),
            400,
            400,
            "entry kind 'rekord' is not enabled",
        ),
        (
            "/apiVersion",
            Value::Null,
            422,
            602,
            "apiVersion in body is required",
        ),
        (
            "/apiVersion",
            json!("one"),
            422,
            605,
            "apiVersion in body should be",
        ),
        (
            "/apiVersion",
            json!("0.0.7"),
            400,
            400,
            "does not support inserting entries of version '0.0.7'",
        ),
        ("/spec", Value::Null, 422, 602, "spec in body is required"),
        (
            "/spec",
            json!([]),
            400,
            400,
            "spec: expected an object, got an array",
        ),
        (
            "/spec/signature",
            Value::Null,
            400,
            400,
            "missing signature",
        ),
        (
            "/spec/signature/content",
            Value::Null,
            400,
            400,
            "missing signature",
        ),
        (
            "/spec/signature/content",
            json!("!"),
            400,
            400,
            "signature is not valid base64",
        ),
        (
            "/spec/signature/content",
            json!("AAAA"),
            400,
            400,
            "verifying signature: ",
        ),
        (
            "/spec/signature/publicKey",
            Value::Null,
            400,
            400,
            "missing public key",
        ),
        (
            "/spec/signature/publicKey/content",
            json!("AAAA"),
            400,
            400,
            "failure decoding PEM",
        ),
        (
            "/spec/signature/publicKey/content",
            json!(other_key),
            400,
            400,
            "verifying signature: ",
        ),
        ("/spec/data", Value::Null, 400, 400, "missing data"),
        ("/spec/data/hash", Value::Null, 400, 400, "missing hash"),
        (
            "/spec/data/hash/value",
            json!("00"),
            400,
            400,
            "invalid value for hash",
        ),
        (
            "/spec/data/hash/value",
            json!(7),
            400,
            400,
            "missing hash value",
        ),
        (
            "/spec/data/hash/algorithm",
            json!("md5"),
            400,
            400,
            "unsupported hash algorithm",
        ),
    ];
    for (pointer, value, status, code, text) in rows {
        let mut entry = good.clone();
        *entry.pointer_mut(pointer).unwrap() = value.clone();
        let answer = server.submit_v1(&entry).await;
        let row = format!("{pointer} = {value}: {answer:?}");
        assert_eq!(answer.status, status, "{row}");
        assert_eq!(answer.code(), code, "{row}");
        assert!(answer.message().contains(text), "{row}");
        if status == 400 {
            assert!(
                answer.message().starts_with("error processing entry: "),
                "{row}"
            );
        }
    }
    assert_eq!(server.log.head().size, 0);
}

#[tokio::test]
async fn bodies_that_are_no_entries() {
    let server = v1().await;
    let rows = [
        ("", 422, 602),
        ("  ", 422, 602),
        ("null", 422, 602),
        ("{}", 422, 602),
        ("{", 500, 500),
        ("[]", 500, 500),
        ("\"text\"", 500, 500),
        ("{\"kind\":\"dsse\",}", 500, 500),
    ];
    for (body, status, code) in rows {
        let answer = server.post("/api/v1/log/entries", body.to_owned()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{body}: {answer:?}"
        );
    }
    let empty = server.post("/api/v1/log/entries", "").await;
    assert_eq!(empty.message(), "proposedEntry in body is required");
}

#[tokio::test]
async fn content_is_negotiated() {
    let server = v1().await;
    let entry = ClientKey::p256().hashedrekord(b"artifact").to_string();
    let send = |content_type: &'static str, accept: &'static str| {
        let mut request = Request::post("/api/v1/log/entries");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        if !accept.is_empty() {
            request = request.header("accept", accept);
        }
        server.call(request.body(Body::from(entry.clone())).unwrap())
    };
    let wrong = send("text/plain", "").await;
    assert_eq!(
        (wrong.status, wrong.code()),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, 415)
    );
    assert_eq!(
        wrong.message(),
        "unsupported media type \"text/plain\", only [application/json] are allowed"
    );
    assert_eq!(
        send("", "").await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let refused = send("application/json", "text/html").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::NOT_ACCEPTABLE, 406)
    );
    assert_eq!(
        refused.message(),
        "unsupported media type requested, only [application/json] are available"
    );
    let taken = send("application/json; charset=utf-8", "text/html, */*;q=0.1").await;
    assert_eq!(taken.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let server = v1_over(tlog::store::memory(), 1000).await;
    for path in ["/api/v1/log/entries", "/api/v1/log/entries/retrieve"] {
        let answer = server.post(path, vec![b' '; 1001]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            answer.json(),
            json!({"code": 413, "message": "Request Entity Too Large. Limit set to 1000"})
        );
    }
}

#[tokio::test]
async fn a_certificate_chain_is_kept_in_order_and_must_be_one() {
    let server = v1().await;
    let (key, leaf, ca, root) = chain().await;
    let post = |pem: String| {
        let entry = hashedrekord(
            &pem,
            HashAlgorithm::Sha256,
            b"artifact",
            &key.sign(b"artifact"),
        );
        let server = &server;
        async move { server.submit_v1(&entry).await }
    };
    let pem = |certs: &[&Certificate]| certs.iter().map(|cert| cert.to_pem()).collect::<String>();
    for certs in [&[&leaf][..], &[&leaf, &ca], &[&leaf, &ca, &root]] {
        let answer = post(pem(certs)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let (_, entry) = server.check_v1(&answer.entries());
        let (_, _, body) = Canonical::parse(&b64::decode_lenient(&entry.body).unwrap()).unwrap();
        assert!(
            matches!(body, Canonical::HashedRekordV001 { public_key, .. } if public_key == pem(certs).as_bytes())
        );
    }
    // The last certificate is the only root: a path must lead to it.
    let gap = post(pem(&[&leaf, &root])).await;
    assert!(
        gap.message().contains("of the chain is not issued by"),
        "{gap:?}"
    );
    assert_eq!(
        post(pem(&[&leaf, &leaf])).await.status,
        StatusCode::BAD_REQUEST
    );
    let eleven = post(pem(&[&leaf; 11])).await;
    assert!(
        eleven.message().contains("more than 10 certificates"),
        "{eleven:?}"
    );
    let mixed = post(format!("{}{}", leaf.to_pem(), key.pem())).await;
    assert!(mixed.message().contains("PUBLIC KEY"), "{mixed:?}");
}

/// A client key with leaf, intermediate and root certificates.
async fn chain() -> (ClientKey, Certificate, Certificate, Certificate) {
    let signer = |purpose| Signer::in_memory(purpose, Algorithm::EcdsaP256).unwrap();
    let (root_key, ca_key, key) = (
        signer(Purpose::TsaRoot),
        signer(Purpose::TsaIntermediate),
        ClientKey::p256(),
    );
    let names = |name: &str| Names {
        organization: "example".into(),
        common_name: name.into(),
    };
    let start = OffsetDateTime::now_utc() - Duration::days(2);
    let end = start + Duration::days(300);
    let root = authority::root(&root_key, &names("root"), start, 1, [1; 20])
        .await
        .unwrap();
    let (ca_public, leaf_public) = (
        ca_key.public_key().clone(),
        pki::key::PublicKey::parse_spki(&key.spki()).unwrap(),
    );
    let profile = Profile::TimeStampingCa;
    let ca = authority::issue(
        &root_key,
        &root,
        &ca_public,
        &names("ca"),
        profile,
        start,
        end,
        [2; 20],
    )
    .await;
    let ca = ca.unwrap();
    let profile = Profile::TimeStampingLeaf;
    let leaf = authority::issue(
        &ca_key,
        &ca,
        &leaf_public,
        &names("leaf"),
        profile,
        start,
        end,
        [3; 20],
    )
    .await;
    let parse = |der: &[u8]| Certificate::parse_der(der).unwrap();
    (key, parse(&leaf.unwrap()), parse(&ca), parse(&root))
}

#[tokio::test]
async fn new_entries_are_counted_and_duplicates_are_not() {
    let server = v1().await;
    let entry = ClientKey::p256().hashedrekord(b"artifact");
    server.submit_v1(&entry).await;
    server.submit_v1(&entry).await;
    let families = server.registry.gather();
    let family = |name: &str| families.iter().find(|f| f.name() == name).unwrap();
    let metric = &family("rekor_new_entries").get_metric()[0];
    assert!((metric.get_counter().get_value() - 1.0).abs() < f64::EPSILON);
    let paths: Vec<String> = family("rekor_qps_by_api")
        .get_metric()
        .iter()
        .flat_map(|m| m.get_label())
        .filter(|l| l.name() == "path")
        .map(|l| l.value().to_owned())
        .collect();
    assert!(
        paths.iter().all(|path| path == "/api/v1/log/entries"),
        "{paths:?}"
    );
}

#[tokio::test]
async fn a_log_whose_store_is_away_asks_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = tlog::store::sqlite(&folder.path().join("log.db")).await;
    let store = store.unwrap();
    let server = v1_over(store.clone(), rekor::limits::V1_MAX_BODY).await;
    store.close().await;
    let request = ClientKey::p256().hashedrekord(b"artifact");
    let answer = server.submit_v1(&request).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
}
