//! Bundles of the public instance, proposed again: the stored body must be theirs, byte for byte.

use crate::harness::*;
use formats::b64;
use http::StatusCode;
use keys::Algorithm;
use pki::cert::Certificate;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Folders whose verdict is not "refuse", with their bundle.
fn good_bundles() -> Vec<(String, Value)> {
    let Some(root) = testkit::vectors("conformance") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if folder.is_dir() && !name.ends_with("_fail") {
            found.push((name, bundle(&folder)));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn bundle(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("bundle.sigstore.json")).unwrap()).unwrap()
}

fn folder(name: &str) -> Option<PathBuf> {
    Some(testkit::vectors("conformance")?.join(name))
}

fn bytes(value: &Value) -> Vec<u8> {
    b64::decode_lenient(value.as_str().unwrap()).unwrap()
}

fn tlog_entry(bundle: &Value) -> &Value {
    &bundle["verificationMaterial"]["tlogEntries"][0]
}

fn kind(bundle: &Value) -> (&str, &str) {
    let kind = &tlog_entry(bundle)["kindVersion"];
    (
        kind["kind"].as_str().unwrap(),
        kind["version"].as_str().unwrap(),
    )
}

fn logged_body(bundle: &Value) -> Vec<u8> {
    bytes(&tlog_entry(bundle)["canonicalizedBody"])
}

/// DER of the leaf certificate; `None` for bundles that name a key.
fn leaf_der(bundle: &Value) -> Option<Vec<u8>> {
    let material = &bundle["verificationMaterial"];
    let chain = &material["x509CertificateChain"]["certificates"][0]["rawBytes"];
    let raw = if chain.is_null() {
        &material["certificate"]["rawBytes"]
    } else {
        chain
    };
    (!raw.is_null()).then(|| bytes(raw))
}

/// The PEM verifier that the client had.
fn verifier_pem(name: &str, bundle: &Value) -> String {
    match leaf_der(bundle) {
        Some(der) => Certificate::parse_der(&der).unwrap().to_pem(),
        None => std::fs::read_to_string(folder(name).unwrap().join("key.pub")).unwrap(),
    }
}

async fn body_in_v1(server: &Server, name: &str, proposal: &Value) -> Vec<u8> {
    let answer = server.submit_v1(proposal).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{name}: {answer:?}");
    let (_, entry) = server.check_v1(&answer.entries());
    b64::decode_lenient(&entry.body).unwrap()
}

#[tokio::test]
async fn hashedrekord_bodies_of_v1() {
    let bundles = good_bundles();
    for (name, bundle) in bundles
        .iter()
        .filter(|(_, b)| kind(b) == ("hashedrekord", "0.0.1"))
    {
        let server = v1().await;
        let message = &bundle["messageSignature"];
        let proposal = json!({"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": {
            "data": {"hash": {
                "algorithm": "sha256",
                "value": hex::encode(bytes(&message["messageDigest"]["digest"])),
            }},
            "signature": {
                "content": message["signature"],
                "publicKey": {"content": b64::encode(verifier_pem(name, bundle).as_bytes())},
            },
        }});
        assert_eq!(
            body_in_v1(&server, name, &proposal).await,
            logged_body(bundle),
            "{name}"
        );
    }
}

#[tokio::test]
async fn dsse_bodies_of_v1() {
    let bundles = good_bundles();
    for (name, bundle) in bundles.iter().filter(|(_, b)| kind(b) == ("dsse", "0.0.1")) {
        let server = v1().await;
        // The client wrote the envelope compactly, its members in alphabetical order.
        let text = bundle["dsseEnvelope"].to_string();
        let proposal = dsse(&text, &[&verifier_pem(name, bundle)]);
        assert_eq!(
            body_in_v1(&server, name, &proposal).await,
            logged_body(bundle),
            "{name}"
        );
    }
}

#[tokio::test]
async fn intoto_bodies_of_v1() {
    // These bundles are refused for other reasons, and their log kept the payload, which Rekor
    // drops; everything else of the body is what Rekor stores.
    for name in [
        "intoto-expired-certificate_fail",
        "intoto-missing-inclusion-proof_fail",
        "intoto-tsa-timestamp-outside-cert-validity_fail",
    ] {
        let Some(folder) = folder(name) else { return };
        let bundle = bundle(&folder);
        assert_eq!(kind(&bundle), ("intoto", "0.0.2"));
        let server = v1().await;
        let mut logged: Value = serde_json::from_slice(&logged_body(&bundle)).unwrap();
        let mut proposal = logged.clone();
        remove(&mut proposal, "/spec/content", "payloadHash");
        remove(&mut logged, "/spec/content/envelope", "payload");
        let body = body_in_v1(&server, name, &proposal).await;
        assert_eq!(
            String::from_utf8(body).unwrap(),
            logged.to_string(),
            "{name}"
        );
    }
}

fn remove(json: &mut Value, pointer: &str, member: &str) {
    json.pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(member)
        .unwrap();
}

#[tokio::test]
async fn hashedrekord_bodies_of_v2() {
    let bundles = good_bundles();
    for (name, bundle) in bundles
        .iter()
        .filter(|(_, b)| kind(b) == ("hashedrekord", "0.0.2"))
    {
        let server = v2(Algorithm::Ed25519).await;
        let verifier = verifier(&logged_body(bundle), bundle);
        let request = match bundle.get("dsseEnvelope") {
            Some(envelope) => {
                json!({"dsseRequestV002": {"envelope": envelope, "verifiers": [verifier]}})
            }
            None => json!({"hashedRekordRequestV002": {
                "digest": bundle["messageSignature"]["messageDigest"]["digest"],
                "signature": {"content": bundle["messageSignature"]["signature"], "verifier": verifier},
            }}),
        };
        let answer = server.submit_v2(&request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{name}: {answer:?}");
        let (_, body) = server.check_v2(&answer.json());
        assert_eq!(body, logged_body(bundle), "{name}");
    }
}

/// The verifier that the client sent: its certificate, or the key that the log holds.
fn verifier(logged: &[u8], bundle: &Value) -> Value {
    let logged: Value = serde_json::from_slice(logged).unwrap();
    let verifier = &logged["spec"]["hashedRekordV002"]["signature"]["verifier"];
    match leaf_der(bundle) {
        Some(der) => json!({
            "x509Certificate": {"rawBytes": b64::encode(&der)},
            "keyDetails": verifier["keyDetails"],
        }),
        None => verifier.clone(),
    }
}

#[tokio::test]
async fn there_is_something_to_rebuild() {
    let bundles = good_bundles();
    if bundles.is_empty() {
        return;
    }
    let count = |wanted| bundles.iter().filter(|(_, b)| kind(b) == wanted).count();
    assert!(count(("hashedrekord", "0.0.1")) >= 4);
    assert!(count(("dsse", "0.0.1")) >= 1);
    assert!(count(("hashedrekord", "0.0.2")) >= 3);
}
