//! The authority as clients see it: requests over the real router, answers checked by openssl, by an
//! independent CMS parser and by hand.

// What the tests share is test code too, but clippy knows only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use axum::Router;
use axum::body::Body;
use clock::{Clock, Hand};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use keys::authority::{Names, Profile, issue, root};
use keys::{Algorithm, Backend, KeyError, Purpose, Signer};
use pki::cert::Certificate;
use pki::key::HashAlgorithm;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;
use tsa::{BuildError, Config, Deps, build};

const START: OffsetDateTime = datetime!(2026-03-01 12:00:00 UTC);
const NOW: OffsetDateTime = datetime!(2026-03-02 09:08:07.654 UTC);
const DATA: &[u8] = b"signature bytes";

struct Fixture {
    router: Router,
    chain: Vec<Certificate>,
    signer: Signer,
    hand: Hand,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(Algorithm::EcdsaP256).await
    }

    async fn with(algorithm: Algorithm) -> Self {
        let (signer, chain) = key_and_chain(algorithm).await;
        let (clock, hand) = Clock::manual(NOW);
        let deps = Deps {
            signer: signer.clone(),
            chain: chain.clone(),
            clock,
        };
        Self {
            router: build(Config::default(), deps).unwrap(),
            chain,
            signer,
            hand,
        }
    }

    async fn send(
        &self,
        content_type: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, String, Vec<u8>) {
        let request = Request::post("/api/v1/timestamp")
            .header("content-type", content_type)
            .body(body.into())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, body.to_vec())
    }

    async fn granted(&self, content_type: &str, body: impl Into<Body>) -> Vec<u8> {
        let (status, kind, reply) = self.send(content_type, body).await;
        assert_eq!(
            status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&reply)
        );
        assert_eq!(kind, "application/timestamp-reply");
        reply
    }

    async fn refused(&self, content_type: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let (status, kind, body) = self.send(content_type, body).await;
        assert_eq!(kind, "application/json");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], status.as_u16());
        assert_eq!(body.as_object().unwrap().len(), 2);
        (status, body["message"].as_str().unwrap().to_owned())
    }
}

const QUERY: &str = "application/timestamp-query";
const JSON: &str = "application/json";

fn names(common_name: &str) -> Names {
    Names {
        organization: "Example Org".into(),
        common_name: common_name.into(),
    }
}

async fn key_and_chain(algorithm: Algorithm) -> (Signer, Vec<Certificate>) {
    let [root_key, ca_key, key] = [Purpose::TsaRoot, Purpose::TsaIntermediate, Purpose::Tsa]
        .map(|purpose| Signer::in_memory(purpose, algorithm).unwrap());
    let root_der = root(&root_key, &names("root"), START, 10, [1; 20])
        .await
        .unwrap();
    let end = START + Duration::days(365);
    let ca_der = issue(
        &root_key,
        &root_der,
        ca_key.public_key(),
        &names("intermediate"),
        Profile::TimeStampingCa,
        START,
        end,
        [2; 20],
    )
    .await
    .unwrap();
    // A serial whose top bit is set after a zero byte has to keep its sign octet everywhere.
    let mut serial = [3; 20];
    (serial[0], serial[1]) = (0, 0x83);
    let leaf_der = issue(
        &ca_key,
        &ca_der,
        key.public_key(),
        &names("tsa"),
        Profile::TimeStampingLeaf,
        START,
        end,
        serial,
    )
    .await
    .unwrap();
    let chain = [leaf_der, ca_der, root_der]
        .iter()
        .map(|der| Certificate::parse_der(der).unwrap())
        .collect();
    (key, chain)
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    assert!(value.len() < 128);
    [&[0x30, u8::try_from(value.len()).unwrap()], &value[..]].concat()
}

/// A TimeStampReq over `data`: version, imprint, then whatever follows.
fn query_with(oid: &str, digest: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let oid = ObjectIdentifier::new(oid).unwrap().to_der().unwrap();
    let length = u8::try_from(digest.len()).unwrap();
    let imprint = sequence(&[&sequence(&[&oid, &[5, 0]]), &[4, length], digest]);
    sequence(&[&[2, 1, 1], &imprint, &rest.concat()])
}

const SHA256: &str = "2.16.840.1.101.3.4.2.1";

fn query(data: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    query_with(SHA256, &HashAlgorithm::Sha256.digest(data), rest)
}

/// What sigstore-js sends.
fn json_query(data: &[u8]) -> String {
    use base64::Engine;
    let digest =
        base64::engine::general_purpose::STANDARD.encode(HashAlgorithm::Sha256.digest(data));
    format!(r#"{{"artifactHash":"{digest}","hashAlgorithm":"sha256"}}"#)
}

/// SignedData and the TSTInfo bytes of a reply, after checking that all of it is canonical DER.
fn open(reply: &[u8]) -> (SignedData, Vec<u8>) {
    // TimeStampResp: 30 82 xx xx, PKIStatusInfo granted, ContentInfo.
    let (head, token) = reply.split_at(9);
    assert_eq!(head[..2], [0x30, 0x82]);
    assert_eq!(head[4..], [0x30, 3, 2, 1, 0]);
    let info = ContentInfo::from_der(token).unwrap();
    let signed: SignedData = info.content.decode_as().unwrap();
    assert_eq!(signed.to_der().unwrap(), info.content.to_der().unwrap());
    let content = signed.encap_content_info.econtent.as_ref().unwrap().value();
    let tst_info = content.to_vec();
    (signed, tst_info)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[tokio::test]
async fn openssl_verifies_both_request_forms() {
    if no_openssl() {
        return;
    }
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
        let fixture = Fixture::with(algorithm).await;
        let der = fixture.granted(QUERY, query(DATA, &[])).await;
        openssl_verify(&fixture, &der, None);
        let json = fixture.granted(JSON, json_query(DATA)).await;
        openssl_verify(&fixture, &json, None);
    }
}

#[tokio::test]
async fn openssl_accepts_the_answer_to_its_own_query() {
    if no_openssl() {
        return;
    }
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "data", DATA);
    for hash in ["-sha256", "-sha384", "-sha512"] {
        let output = Command::new("openssl")
            .args(["ts", "-query", "-cert", hash, "-data"])
            .arg(&data)
            .output()
            .unwrap();
        let reply = fixture.granted(QUERY, output.stdout.clone()).await;
        openssl_verify(&fixture, &reply, Some(&output.stdout));
    }
}

#[tokio::test]
async fn openssl_reads_the_contents() {
    if no_openssl() {
        return;
    }
    let fixture = Fixture::new().await;
    let reply = fixture.granted(QUERY, query(DATA, &[&[2, 2, 1, 2]])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "reply", &reply);
    let output = Command::new("openssl")
        .args(["ts", "-reply", "-text", "-in"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "Status: Granted.",
        "Version: 1",
        "Policy OID: 1.3.6.1.4.1.57264.2",
        "Hash Algorithm: sha256",
        "Time stamp: Mar  2 09:08:07 2026 GMT",
        "Accuracy: 0x01 seconds, unspecified millis, unspecified micros",
        "Ordering: no",
        "Nonce: 0x0102",
        "TSA: unspecified",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

fn no_openssl() -> bool {
    let missing = Command::new("openssl").arg("version").output().is_err();
    if missing {
        eprintln!("SKIPPED: no openssl program on the path");
    }
    missing
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Checks a reply over [`DATA`], or against the query that asked for it.
fn openssl_verify(fixture: &Fixture, reply: &[u8], query: Option<&[u8]>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
    let pem = |chain: &[Certificate]| chain.iter().map(Certificate::to_pem).collect::<String>();
    let (rest, root) = fixture.chain.split_at(2);
    let mut command = Command::new("openssl");
    command.args(["ts", "-verify", "-x509_strict", "-attime"]);
    command.arg(NOW.unix_timestamp().to_string());
    command.arg("-in").arg(file("reply", reply));
    match query {
        Some(query) => command.arg("-queryfile").arg(file("query", query)),
        None => command.arg("-data").arg(file("data", DATA)),
    };
    command
        .arg("-CAfile")
        .arg(file("root", pem(root).as_bytes()));
    command
        .arg("-untrusted")
        .arg(file("rest", pem(rest).as_bytes()));
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_token_has_the_contents_that_clients_check() {
    let fixture = Fixture::new().await;
    let request = query(DATA, &[]);
    let reply = fixture.granted(QUERY, request.clone()).await;
    let (_, tst_info) = open(&reply);
    // SEQUENCE of version 1, policy, imprint as sent, serial, genTime in whole seconds, accuracy of 1 s.
    let policy = tsa::POLICY.to_der().unwrap();
    let head = [&[2, 1, 1][..], &policy, &request[5..]].concat();
    assert_eq!(tst_info[2..2 + head.len()], head);
    assert_eq!(tst_info[2 + head.len()], 2);
    assert!(tst_info.ends_with(b"\x18\x0f20260302090807Z\x30\x03\x02\x01\x01"));
}

#[tokio::test]
async fn the_signature_covers_the_attributes_as_a_set() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
        let fixture = Fixture::with(algorithm).await;
        let (signed, tst_info) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
        assert_eq!(signed.signer_infos.0.len(), 1);
        let info = signed.signer_infos.0.get(0).unwrap();
        let attributes = info.signed_attrs.as_ref().unwrap();
        let scheme = fixture.signer.scheme();
        fixture.chain[0]
            .public_key()
            .verify(
                scheme,
                &attributes.to_der().unwrap(),
                info.signature.as_bytes(),
            )
            .unwrap();
        let value = |oid: &str| {
            let attribute = attributes
                .iter()
                .find(|a| a.oid.to_string() == oid)
                .unwrap();
            assert_eq!(attribute.values.len(), 1);
            attribute.values.get(0).unwrap().clone()
        };
        assert_eq!(attributes.len(), 4);
        let digest = scheme.hash().unwrap().digest(&tst_info);
        assert_eq!(value("1.2.840.113549.1.9.4").value(), digest);
        assert_eq!(value("1.2.840.113549.1.9.5").value(), b"260302090807Z");
        let content_type: ObjectIdentifier = value("1.2.840.113549.1.9.3").decode_as().unwrap();
        assert_eq!(content_type, signed.encap_content_info.econtent_type);
        // RFC 5035: certs { ESSCertIDv2 { certHash } }, SHA-256 by default.
        let leaf_hash = HashAlgorithm::Sha256.digest(fixture.chain[0].der());
        let wrapping = [0x30, 0x24, 0x30, 0x22, 4, 0x20];
        assert_eq!(
            value("1.2.840.113549.1.9.16.2.47").value(),
            [&wrapping[..], &leaf_hash].concat()
        );
    }
}

#[tokio::test]
async fn the_signer_is_named_byte_for_byte_as_in_its_certificate() {
    let fixture = Fixture::new().await;
    let (signed, _) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
    let SignerIdentifier::IssuerAndSerialNumber(id) = &signed.signer_infos.0.get(0).unwrap().sid
    else {
        panic!("not issuerAndSerialNumber");
    };
    let leaf = &fixture.chain[0];
    assert_eq!(id.issuer.to_der().unwrap(), leaf.issuer_der());
    assert_eq!(
        id.serial_number.to_der().unwrap(),
        leaf.x509().tbs_certificate.serial_number.to_der().unwrap()
    );
}

#[tokio::test]
async fn certificates_are_embedded_only_when_asked_for() {
    let fixture = Fixture::new().await;
    let (bare, _) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
    assert_eq!(bare.certificates, None);
    let reply = fixture.granted(QUERY, query(DATA, &[&[1, 1, 0xff]])).await;
    let (full, _) = open(&reply);
    let certificates = full.certificates.unwrap().0;
    assert_eq!(certificates.len(), 1);
    assert_eq!(
        certificates.get(0).unwrap().to_der().unwrap(),
        fixture.chain[0].der()
    );
}

#[tokio::test]
async fn a_nonce_comes_back_as_sent_and_only_then() {
    let fixture = Fixture::new().await;
    let (_, none) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
    assert!(none.ends_with(&[0x30, 3, 2, 1, 1]));
    for nonce in [
        &[2, 1, 0][..],
        &[2, 1, 0x80],
        &[2, 9, 0, 0xff, 1, 2, 3, 4, 5, 6, 7],
    ] {
        let (_, tst_info) = open(&fixture.granted(QUERY, query(DATA, &[nonce])).await);
        let tail = [&[0x30, 3, 2, 1, 1], nonce].concat();
        assert!(tst_info.ends_with(&tail));
    }
    let json = json_query(DATA).replace('}', r#","nonce":1311768467463790320}"#);
    let (_, tst_info) = open(&fixture.granted(JSON, json).await);
    assert!(tst_info.ends_with(&[2, 8, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]));
}

#[tokio::test]
async fn serial_numbers_do_not_repeat() {
    let fixture = Fixture::new().await;
    let (_, a) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
    let (_, b) = open(&fixture.granted(QUERY, query(DATA, &[])).await);
    assert_ne!(a, b);
}

#[tokio::test]
async fn the_time_is_the_injected_clocks() {
    let fixture = Fixture::new().await;
    fixture.hand.advance(3600);
    let (_, tst_info) = open(&fixture.granted(JSON, json_query(DATA)).await);
    assert!(contains(&tst_info, b"20260302100807Z"));
}

#[tokio::test]
async fn parameters_and_case_of_the_media_type_do_not_matter() {
    let fixture = Fixture::new().await;
    fixture
        .granted("Application/JSON; charset=utf-8", json_query(DATA))
        .await;
    fixture
        .granted("application/timestamp-query ;x=y", query(DATA, &[]))
        .await;
}

#[tokio::test]
async fn other_media_types_are_415() {
    let fixture = Fixture::new().await;
    for kind in [
        "text/plain",
        "application/timestamp-reply",
        "multipart/form-data; boundary=application/json",
        "",
    ] {
        let (status, message) = fixture.refused(kind, query(DATA, &[])).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert!(message.contains("application/timestamp-query"), "{message}");
    }
}

#[tokio::test]
async fn every_refusal_is_400_and_says_why() {
    let fixture = Fixture::new().await;
    let oid = |text: &str| ObjectIdentifier::new(text).unwrap().to_der().unwrap();
    let extension = [&[0xa0, 11, 0x30, 9][..], &oid("1.2.3.4"), &[4, 2, 5, 0]].concat();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            QUERY,
            b"junk".to_vec(),
            "Error generating timestamp response",
        ),
        (QUERY, Vec::new(), "Error generating timestamp response"),
        (
            QUERY,
            query_with("1.3.14.3.2.26", &[7; 20], &[]),
            "Weak hash algorithm in timestamp request",
        ),
        (
            QUERY,
            query_with("1.2.840.113549.2.5", &[7; 16], &[]),
            "unsupported hash algorithm \"1.2.840.113549.2.5\"",
        ),
        (
            QUERY,
            query_with(SHA256, &[7; 31], &[]),
            "Message digest has incorrect length for specified algorithm: sha256 has 32 bytes, got 31",
        ),
        (
            QUERY,
            query(DATA, &[&oid("1.2.3.4")]),
            "unaccepted policy: requested TSA policy is not supported by the TSA: \"1.2.3.4\"",
        ),
        (
            QUERY,
            query(DATA, &[&extension]),
            "unaccepted extension: requested extensions are not supported by the TSA: 1.2.3.4",
        ),
        (JSON, b"{".to_vec(), "not a JSON timestamp request"),
        (JSON, vec![b' '; 1025], "timestamp request is too large"),
    ];
    for (kind, body, reason) in cases {
        let (status, message) = fixture.refused(kind, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let fixture = Fixture::new().await;
    let (status, _) = fixture.refused(QUERY, vec![0x30; 1024 * 1024 + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_chain_is_served_leaf_first() {
    let fixture = Fixture::new().await;
    let request = Request::get("/api/v1/timestamp/certchain")
        .body(Body::empty())
        .unwrap();
    let response = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "application/pem-certificate-chain"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let served = Certificate::parse_pem_chain(std::str::from_utf8(&body).unwrap()).unwrap();
    let ders = |chain: &[Certificate]| chain.iter().map(|c| c.der().to_vec()).collect::<Vec<_>>();
    assert_eq!(ders(&served), ders(&fixture.chain));
}

#[tokio::test]
async fn an_expired_chain_signs_nothing() {
    let fixture = Fixture::new().await;
    fixture.hand.set(START + Duration::days(365));
    fixture.granted(JSON, json_query(DATA)).await;
    for outside in [START + Duration::days(366), START - Duration::SECOND] {
        fixture.hand.set(outside);
        let (status, message) = fixture.refused(JSON, json_query(DATA)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(message.contains("until 2027-03-01"), "{message}");
    }
}

#[tokio::test]
async fn a_failing_key_is_a_500_without_details() {
    struct Locked;
    #[async_trait::async_trait]
    impl Backend for Locked {
        async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, KeyError> {
            Err(KeyError::sign("slot 3, pin locked"))
        }
    }
    let (signer, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    let signer = Signer::new(Purpose::Tsa, signer.public_key().clone(), Arc::new(Locked));
    let (clock, hand) = Clock::manual(NOW);
    let deps = Deps {
        signer: signer.clone(),
        chain: chain.clone(),
        clock,
    };
    let fixture = Fixture {
        router: build(Config::default(), deps).unwrap(),
        chain,
        signer,
        hand,
    };
    let (status, message) = fixture.refused(JSON, json_query(DATA)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(message, "Error generating timestamp response");
}

fn build_error(signer: &Signer, chain: &[Certificate], now: OffsetDateTime) -> BuildError {
    let deps = Deps {
        signer: signer.clone(),
        chain: chain.to_vec(),
        clock: Clock::manual(now).0,
    };
    build(Config::default(), deps).unwrap_err()
}

#[tokio::test]
async fn a_key_of_another_certificate_does_not_start() {
    let (_, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    let stranger = Signer::in_memory(Purpose::Tsa, Algorithm::EcdsaP256).unwrap();
    assert_eq!(build_error(&stranger, &chain, NOW), BuildError::KeyMismatch);
}

#[tokio::test]
async fn a_key_of_another_purpose_does_not_start() {
    let (_, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    let other = Signer::in_memory(Purpose::CtLog, Algorithm::EcdsaP256).unwrap();
    assert_eq!(
        build_error(&other, &chain, NOW),
        BuildError::Purpose(Purpose::CtLog)
    );
}

#[tokio::test]
async fn a_key_that_clients_cannot_verify_does_not_start() {
    let (signer, chain) = key_and_chain(Algorithm::Rsa2048).await;
    assert_eq!(build_error(&signer, &chain, NOW), BuildError::KeyKind);
}

#[tokio::test]
async fn a_chain_of_one_or_of_eleven_does_not_start() {
    let (signer, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    for have in [0, 1, 11] {
        let chain: Vec<_> = chain.iter().cycle().take(have).cloned().collect();
        assert_eq!(
            build_error(&signer, &chain, NOW),
            BuildError::ChainLength { have, limit: 10 }
        );
    }
}

#[tokio::test]
async fn an_expired_or_future_chain_does_not_start() {
    let (signer, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    for now in [START - Duration::SECOND, START + Duration::days(366)] {
        assert!(matches!(
            build_error(&signer, &chain, now),
            BuildError::Path(_)
        ));
    }
}

#[tokio::test]
async fn a_chain_in_the_wrong_order_does_not_start() {
    let (signer, chain) = key_and_chain(Algorithm::EcdsaP256).await;
    let [leaf, ca, root] = [0, 1, 2].map(|at| chain[at].clone());
    let root_first = [root.clone(), ca.clone(), leaf.clone()];
    assert_eq!(
        build_error(&signer, &root_first, NOW),
        BuildError::KeyMismatch
    );
    let swapped = [leaf.clone(), root.clone(), ca.clone()];
    assert_eq!(
        build_error(&signer, &swapped, NOW),
        BuildError::IntermediateUsage { position: 2 }
    );
    let twice = [leaf, ca.clone(), ca, root];
    assert_eq!(build_error(&signer, &twice, NOW), BuildError::Unordered);
}

#[tokio::test]
async fn a_ca_certificate_is_no_timestamping_leaf() {
    let root_key = Signer::in_memory(Purpose::TsaRoot, Algorithm::EcdsaP256).unwrap();
    let key = Signer::in_memory(Purpose::Tsa, Algorithm::EcdsaP256).unwrap();
    let root_der = root(&root_key, &names("root"), START, 10, [1; 20])
        .await
        .unwrap();
    let end = START + Duration::days(365);
    let ca_der = issue(
        &root_key,
        &root_der,
        key.public_key(),
        &names("ca"),
        Profile::TimeStampingCa,
        START,
        end,
        [2; 20],
    )
    .await
    .unwrap();
    let chain = [ca_der, root_der].map(|der| Certificate::parse_der(&der).unwrap());
    assert_eq!(build_error(&key, &chain, NOW), BuildError::LeafIsCa);
}
