//! `POST /api/v1/log/entries` with dsse and intoto entries.

use crate::harness::*;
use formats::b64;
use formats::entry::Body as Canonical;
use http::StatusCode;
use pki::key::HashAlgorithm;
use serde_json::{Value, json};

#[tokio::test]
async fn a_dsse_entry_keeps_hashes_and_signatures() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), b"{\"subject\":[]}");
    let text = envelope(payload, &[sign_envelope(&key, payload)]);
    let answer = server.submit_v1(&dsse(&text, &[&key.pem()])).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (_, entry) = server.check_v1(&answer.entries());
    let (_, _, body) = Canonical::parse(&b64::decode_lenient(&entry.body).unwrap()).unwrap();
    let sha256 = |bytes: &[u8]| hex::encode(HashAlgorithm::Sha256.digest(bytes));
    let Canonical::DsseV001 {
        envelope_hash,
        payload_hash,
        signatures,
    } = body
    else {
        panic!("{body:?}")
    };
    assert_eq!(
        (envelope_hash, payload_hash),
        (sha256(text.as_bytes()), sha256(payload))
    );
    assert_eq!(signatures[0].1, key.pem().as_bytes());
}

#[tokio::test]
async fn dsse_signatures_are_sorted_and_copies_collapse() {
    let server = v1().await;
    let (a, b, payload) = (ClientKey::p256(), ClientKey::p521_sha256(), b"payload");
    let (sig_a, sig_b) = (sign_envelope(&a, payload), sign_envelope(&b, payload));
    let text = envelope(payload, &[sig_a.clone(), sig_b.clone(), sig_a.clone()]);
    let answer = server.submit_v1(&dsse(&text, &[&b.pem(), &a.pem()])).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (_, entry) = server.check_v1(&answer.entries());
    let (_, _, body) = Canonical::parse(&b64::decode_lenient(&entry.body).unwrap()).unwrap();
    let Canonical::DsseV001 { signatures, .. } = body else {
        panic!("{body:?}")
    };
    let mut want = [(sig_a, a.pem().into_bytes()), (sig_b, b.pem().into_bytes())];
    want.sort();
    assert_eq!(signatures, want);
}

#[tokio::test]
async fn verifiers_after_the_last_uncovered_signature_are_not_looked_at() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), b"payload");
    let text = envelope(payload, &[sign_envelope(&key, payload)]);
    let spare = ClientKey::p256().pem();
    let answer = server.submit_v1(&dsse(&text, &[&key.pem(), &spare])).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let first = server.submit_v1(&dsse(&text, &[&spare, &key.pem()])).await;
    assert!(
        first
            .message()
            .contains("could not verify envelope: verifier 0"),
        "{first:?}"
    );
}

#[tokio::test]
async fn the_table_of_bad_dsse_entries() {
    let server = v1().await;
    let (key, other, payload) = (ClientKey::p256(), ClientKey::p256(), b"payload");
    let (good, foreign) = (sign_envelope(&key, payload), sign_envelope(&other, payload));
    let text = envelope(payload, std::slice::from_ref(&good));
    let pem = key.pem();
    let rows = [
        (
            dsse(&envelope(payload, &[good.clone(), foreign]), &[&pem]),
            "none for signature 1",
        ),
        (
            dsse(&envelope(b"other", std::slice::from_ref(&good)), &[&pem]),
            "could not verify envelope",
        ),
        (
            dsse(&envelope(payload, &[]), &[&pem]),
            "envelope has no signatures",
        ),
        (
            dsse(&envelope(payload, &["!".into()]), &[&pem]),
            "envelope signature is not valid base64",
        ),
        (dsse("not json", &[&pem]), "envelope: expected"),
        (dsse(&text, &[]), "missing verifiers"),
        (dsse(&text, &["no pem"]), "failure decoding PEM"),
        (dsse(&text, &[pem.as_str(); 11]), "more than 10 verifiers"),
        (
            dsse(&envelope(payload, &vec![good; 11]), &[&pem]),
            "more than 10 signatures",
        ),
    ];
    for (entry, text) in rows {
        let answer = server.submit_v1(&entry).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}: {answer:?}");
        assert!(
            answer.message().starts_with("error processing entry: "),
            "{answer:?}"
        );
        assert!(answer.message().contains(text), "{text}: {answer:?}");
    }
    let mut both = dsse(&text, &[&pem]);
    both["spec"]["payloadHash"] = json!({"algorithm": "sha256", "value": "00"});
    let answer = server.submit_v1(&both).await;
    assert!(answer.message().contains("but not both"), "{answer:?}");
}

#[tokio::test]
async fn intoto_001_takes_one_key_and_hashes_the_envelope() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), b"payload");
    let text = envelope(payload, &[sign_envelope(&key, payload)]);
    let spec =
        json!({"content": {"envelope": text}, "publicKey": b64::encode(key.pem().as_bytes())});
    let entry = json!({"kind": "intoto", "apiVersion": "0.0.1", "spec": spec});
    let answer = server.submit_v1(&entry).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (_, logged) = server.check_v1(&answer.entries());
    let body = b64::decode_lenient(&logged.body).unwrap();
    let sha256 = |bytes: &[u8]| hex::encode(HashAlgorithm::Sha256.digest(bytes));
    let want = format!(
        r#"{{"apiVersion":"0.0.1","kind":"intoto","spec":{{"content":{{"hash":{{"algorithm":"sha256","value":"{}"}},"payloadHash":{{"algorithm":"sha256","value":"{}"}}}},"publicKey":"{}"}}}}"#,
        sha256(text.as_bytes()),
        sha256(payload),
        b64::encode(key.pem().as_bytes())
    );
    assert_eq!(String::from_utf8(body).unwrap(), want);

    let mut wrong = entry;
    wrong["spec"]["publicKey"] = json!(b64::encode(ClientKey::p256().pem().as_bytes()));
    assert_eq!(
        server.submit_v1(&wrong).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn intoto_002_keeps_what_was_submitted_but_the_payload() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), b"payload");
    let sig = sign_envelope(&key, payload);
    let pem = key.pem().replace('\n', "\r\n");
    let twice = |text: &str| b64::encode(text.as_bytes());
    let spec = json!({"content": {
        "envelope": {
            "payloadType": formats::dsse::IN_TOTO,
            "payload": twice(&b64::encode(payload)),
            "signatures": [{"sig": twice(&sig), "publicKey": b64::encode(pem.as_bytes()), "keyid": ""}],
        },
        "hash": {"algorithm": "sha256", "value": "ab".repeat(32)},
    }});
    let entry = json!({"kind": "intoto", "apiVersion": "0.0.2", "spec": spec});
    let answer = server.submit_v1(&entry).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let (_, logged) = server.check_v1(&answer.entries());
    let want = format!(
        r#"{{"apiVersion":"0.0.2","kind":"intoto","spec":{{"content":{{"envelope":{{"payloadType":"application/vnd.in-toto+json","signatures":[{{"publicKey":"{}","sig":"{}"}}]}},"hash":{{"algorithm":"sha256","value":"{}"}},"payloadHash":{{"algorithm":"sha256","value":"{}"}}}}}}}}"#,
        b64::encode(pem.as_bytes()),
        twice(&sig),
        "ab".repeat(32),
        hex::encode(HashAlgorithm::Sha256.digest(payload)),
    );
    assert_eq!(
        String::from_utf8(b64::decode_lenient(&logged.body).unwrap()).unwrap(),
        want
    );

    for pointer in [
        "/spec/content/hash",
        "/spec/content/envelope/signatures",
        "/spec/content/envelope/payload",
    ] {
        let mut bad = entry.clone();
        *bad.pointer_mut(pointer).unwrap() = Value::Null;
        assert_eq!(
            server.submit_v1(&bad).await.status,
            StatusCode::BAD_REQUEST,
            "{pointer}"
        );
    }
    let mut bad = entry.clone();
    bad["spec"]["content"]["envelope"]["payload"] = json!(twice(&b64::encode(b"other")));
    assert_eq!(server.submit_v1(&bad).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_large_envelope_is_verified_beside_the_async_workers() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), vec![b'x'; 3 * 1024 * 1024]);
    let text = envelope(&payload, &[sign_envelope(&key, &payload)]);
    let answer = server.submit_v1(&dsse(&text, &[&key.pem()])).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    server.check_v1(&answer.entries());
}
