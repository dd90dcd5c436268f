//! Servers to test, keys to sign with, and the checks that a client makes of every answer.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, KeyPair, RsaKeyPair};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use formats::b64;
use formats::wire::{LogEntry, LogEntryMap};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use keys::{Algorithm, Purpose, Signer};
use pki::key::{HashAlgorithm, PublicKey};
use prometheus::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

pub(crate) const HOST: &str = "rekor.example.com";
pub(crate) const TREE_ID: i64 = 0x1234_5678_9abc;

/// A server of one API and what is needed to check it.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) key: PublicKey,
    pub(crate) registry: Registry,
    pub(crate) log: tlog::Log,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> u64 {
        self.json()["code"].as_u64().unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn entries(&self) -> LogEntryMap {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }
}

pub(crate) async fn v1() -> Server {
    v1_over(tlog::store::memory(), rekor::limits::V1_MAX_BODY).await
}

pub(crate) async fn v1_over(store: Arc<dyn tlog::Store>, max_body: usize) -> Server {
    let signer = Signer::in_memory(Purpose::RekorV1, Algorithm::EcdsaP256).unwrap();
    v1_with(store, max_body, signer, clock::Clock::system()).await
}

pub(crate) async fn v1_with(
    store: Arc<dyn tlog::Store>,
    max_body: usize,
    signer: Signer,
    clock: clock::Clock,
) -> Server {
    let head_signer = rekor::v1::head_signer(HOST, TREE_ID, signer.clone());
    let log = open(store, "v1", head_signer, clock).await;
    let registry = Registry::new();
    let config = rekor::v1::Config {
        host: HOST.into(),
        tree_id: TREE_ID,
        max_body,
    };
    let key = signer.public_key().clone();
    let deps = rekor::v1::Deps {
        log: log.clone(),
        signer,
        registry: registry.clone(),
    };
    Server {
        router: rekor::v1::build(config, deps),
        key,
        registry,
        log,
    }
}

pub(crate) async fn v2(algorithm: Algorithm) -> Server {
    v2_over(tlog::store::memory(), algorithm).await
}

pub(crate) async fn v2_over(store: Arc<dyn tlog::Store>, algorithm: Algorithm) -> Server {
    let signer = Signer::in_memory(Purpose::RekorV2, algorithm).unwrap();
    let heads = rekor::v2::head_signer(HOST, signer.clone());
    let log = open(store, "v2", heads, clock::Clock::system()).await;
    let registry = Registry::new();
    let key = signer.public_key().clone();
    let deps = rekor::v2::Deps {
        log: log.clone(),
        signer,
        registry: registry.clone(),
    };
    Server {
        router: rekor::v2::build(rekor::v2::Config::new(HOST), deps),
        key,
        registry,
        log,
    }
}

pub(crate) async fn open(
    store: Arc<dyn tlog::Store>,
    name: &str,
    signer: Arc<dyn tlog::HeadSigner>,
    clock: clock::Clock,
) -> tlog::Log {
    tlog::Log::open(store, name, signer, clock, tlog::Limits::default(), true)
        .await
        .unwrap()
}

/// What a router answers.
pub(crate) async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

impl Server {
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        answer(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        self.call(
            Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.call(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn submit_v1(&self, entry: &Value) -> Answer {
        self.post("/api/v1/log/entries", entry.to_string()).await
    }

    pub(crate) async fn submit_v2(&self, request: &Value) -> Answer {
        self.post("/api/v2/log/entries", request.to_string()).await
    }

    /// Checks everything that a client can check of a v1 answer with one entry: entry ID, SET,
    /// checkpoint, inclusion. Gives the entry ID and the entry.
    pub(crate) fn check_v1(&self, map: &LogEntryMap) -> (String, LogEntry) {
        self.check_v1_of(TREE_ID, map)
    }

    /// The same for another tree.
    pub(crate) fn check_v1_of(&self, tree_id: i64, map: &LogEntryMap) -> (String, LogEntry) {
        assert_eq!(map.len(), 1);
        let (id, entry) = map.first_key_value().unwrap();
        let body = b64::decode_lenient(&entry.body).unwrap();
        let leaf = merkle::leaf_hash(&body);
        assert_eq!(*id, format!("{tree_id:016x}{}", hex::encode(leaf)));
        assert_eq!(entry.log_id, hex::encode(self.key.key_id()));

        let set = b64::decode_lenient(&entry.verification.signed_entry_timestamp).unwrap();
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            entry.body, entry.integrated_time, entry.log_id, entry.log_index
        );
        self.key
            .verify(self.key.default_scheme(), signed.as_bytes(), &set)
            .unwrap();

        let proof = &entry.verification.inclusion_proof;
        let root = hash(&hex::decode(&proof.root_hash).unwrap());
        let size = u64::try_from(proof.tree_size).unwrap();
        let origin = format!("{HOST} - {tree_id}");
        self.check_checkpoint(&proof.checkpoint, &origin, &self.key.key_id(), size, &root);
        let hashes: Vec<_> = proof
            .hashes
            .iter()
            .map(|h| hash(&hex::decode(h).unwrap()))
            .collect();
        let index = u64::try_from(proof.log_index).unwrap();
        merkle::proof::verify_inclusion(index, size, &leaf, &hashes, &root).unwrap();
        (id.clone(), entry.clone())
    }

    /// The same for a v2 answer. Gives the index and the body.
    pub(crate) fn check_v2(&self, entry: &Value) -> (u64, Vec<u8>) {
        let bytes = |v: &Value| b64::decode_lenient(v.as_str().unwrap()).unwrap();
        let number = |v: &Value| v.as_str().unwrap().parse::<u64>().unwrap();
        let log_id = rekor::v2::log_id(HOST, &self.key);
        assert_eq!(bytes(&entry["logId"]["keyId"]), log_id);
        assert_eq!(
            entry["kindVersion"],
            json!({"kind": "hashedrekord", "version": "0.0.2"})
        );
        let body = bytes(&entry["canonicalizedBody"]);
        let proof = &entry["inclusionProof"];
        let (root, size) = (hash(&bytes(&proof["rootHash"])), number(&proof["treeSize"]));
        let envelope = proof["checkpoint"]["envelope"].as_str().unwrap();
        self.check_checkpoint(envelope, HOST, &log_id, size, &root);
        let hashes: Vec<_> = proof["hashes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|h| hash(&bytes(h)))
            .collect();
        let index = number(&proof["logIndex"]);
        assert_eq!(number(&entry["logIndex"]), index);
        merkle::proof::verify_inclusion(index, size, &merkle::leaf_hash(&body), &hashes, &root)
            .unwrap();
        (index, body)
    }

    /// Checks a checkpoint: its one signature line, its origin, and what it says.
    pub(crate) fn check_checkpoint(
        &self,
        text: &str,
        origin: &str,
        key_id: &[u8; 32],
        size: u64,
        root: &[u8; 32],
    ) {
        let note = note::SignedNote::parse(text).unwrap();
        assert_eq!(note.signatures().len(), 1);
        let signature = note
            .by(HOST, note::hint(key_id))
            .next()
            .expect("a line of the log's own key");
        self.key
            .verify(self.key.default_scheme(), note.text().as_bytes(), signature)
            .unwrap();
        let checkpoint = note::Checkpoint::parse(note.text()).unwrap();
        assert_eq!(
            (
                checkpoint.origin.as_str(),
                checkpoint.size,
                &checkpoint.root
            ),
            (origin, size, root)
        );
    }
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap()
}

/// A client's key.
pub(crate) enum ClientKey {
    Ecdsa(EcdsaKeyPair, HashAlgorithm),
    Rsa(Box<RsaKeyPair>),
    Ed25519ph(Box<ed25519_dalek::SigningKey>),
}

impl ClientKey {
    pub(crate) fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&sig::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self::Ecdsa(pair, HashAlgorithm::Sha256)
    }

    pub(crate) fn p256_of_pkcs8(der: &[u8]) -> Self {
        let pair = EcdsaKeyPair::from_pkcs8(&sig::ECDSA_P256_SHA256_ASN1_SIGNING, der).unwrap();
        Self::Ecdsa(pair, HashAlgorithm::Sha256)
    }

    pub(crate) fn p384() -> Self {
        let pair = EcdsaKeyPair::generate(&sig::ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        Self::Ecdsa(pair, HashAlgorithm::Sha384)
    }

    pub(crate) fn p521_sha256() -> Self {
        let pair = EcdsaKeyPair::generate(&sig::ECDSA_P521_SHA256_ASN1_SIGNING);
        Self::Ecdsa(pair.unwrap(), HashAlgorithm::Sha256)
    }

    pub(crate) fn p521() -> Self {
        let pair = EcdsaKeyPair::generate(&sig::ECDSA_P521_SHA512_ASN1_SIGNING).unwrap();
        Self::Ecdsa(pair, HashAlgorithm::Sha512)
    }

    pub(crate) fn rsa(size: KeySize) -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(size).unwrap()))
    }

    pub(crate) fn ed25519ph() -> Self {
        Self::Ed25519ph(Box::new(ed25519_dalek::SigningKey::from_bytes(&[7; 32])))
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        let der = |d: PublicKeyX509Der<'_>| d.as_ref().to_vec();
        match self {
            Self::Ecdsa(pair, _) => der(pair.public_key().as_der().unwrap()),
            Self::Rsa(pair) => der(pair.public_key().as_der().unwrap()),
            Self::Ed25519ph(key) => {
                // RFC 8410: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING }.
                let mut spki = hex::decode("302a300506032b6570032100").unwrap();
                spki.extend_from_slice(key.verifying_key().as_bytes());
                spki
            }
        }
    }

    pub(crate) fn pem(&self) -> String {
        PublicKey::parse_spki(&self.spki()).unwrap().to_pem()
    }

    pub(crate) fn hash(&self) -> HashAlgorithm {
        match self {
            Self::Ecdsa(_, hash) => *hash,
            Self::Rsa(_) => HashAlgorithm::Sha256,
            Self::Ed25519ph(_) => HashAlgorithm::Sha512,
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&sig::RSA_PKCS1_SHA256, &random, message, &mut out)
                    .unwrap();
                out
            }
            Self::Ed25519ph(key) => {
                use ed25519_dalek::Digest;
                let hashed = ed25519_dalek::Sha512::new().chain_update(message);
                key.sign_prehashed(hashed, None).unwrap().to_vec()
            }
        }
    }

    /// A proposed hashedrekord 0.0.1.
    pub(crate) fn hashedrekord(&self, artifact: &[u8]) -> Value {
        hashedrekord(&self.pem(), self.hash(), artifact, &self.sign(artifact))
    }

    /// A v2 request for a hashedrekord.
    pub(crate) fn v2_request(&self, artifact: &[u8], key_details: &str) -> Value {
        json!({"hashedRekordRequestV002": {
            "digest": b64::encode(&self.hash().digest(artifact)),
            "signature": {
                "content": b64::encode(&self.sign(artifact)),
                "verifier": {"publicKey": {"rawBytes": b64::encode(&self.spki())}, "keyDetails": key_details},
            },
        }})
    }
}

pub(crate) fn hashedrekord(
    pem: &str,
    hash: HashAlgorithm,
    artifact: &[u8],
    signature: &[u8],
) -> Value {
    json!({
        "kind": "hashedrekord",
        "apiVersion": "0.0.1",
        "spec": {
            "data": {"hash": {"algorithm": hash.name(), "value": hex::encode(hash.digest(artifact))}},
            "signature": {
                "content": b64::encode(signature),
                "publicKey": {"content": b64::encode(pem.as_bytes())},
            },
        },
    })
}

/// The JSON text of an envelope over `payload` with signatures (base64 text).
pub(crate) fn envelope(payload: &[u8], signatures: &[String]) -> String {
    let signatures: Vec<Value> = signatures
        .iter()
        .map(|sig| json!({"sig": sig, "keyid": ""}))
        .collect();
    json!({"payloadType": formats::dsse::IN_TOTO, "payload": b64::encode(payload), "signatures": signatures})
        .to_string()
}

pub(crate) fn sign_envelope(key: &ClientKey, payload: &[u8]) -> String {
    b64::encode(&key.sign(&formats::dsse::pae(formats::dsse::IN_TOTO, payload)))
}

/// A proposed dsse 0.0.1.
pub(crate) fn dsse(envelope: &str, verifiers: &[&str]) -> Value {
    let verifiers: Vec<String> = verifiers
        .iter()
        .map(|pem| b64::encode(pem.as_bytes()))
        .collect();
    let spec = json!({"proposedContent": {"envelope": envelope, "verifiers": verifiers}});
    json!({"kind": "dsse", "apiVersion": "0.0.1", "spec": spec})
}
