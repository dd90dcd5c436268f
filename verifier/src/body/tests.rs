//! Each kind of entry: what it must hold, and what it must not.

use super::*;
use crate::Artifact;
use crate::digests::EnvelopeDigests;
use formats::dsse::{self, Envelope, Signature};
use pki::key::PublicKey;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n";
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const SIGNATURE: &[u8] = b"a signature";
const PAYLOAD: &[u8] = b"{}";

fn envelope() -> Envelope {
    let signature = Signature {
        sig: SIGNATURE.to_vec().into(),
        keyid: String::new(),
    };
    Envelope {
        payload: PAYLOAD.to_vec().into(),
        payload_type: dsse::IN_TOTO.into(),
        signatures: vec![signature],
    }
}

fn check_envelope(body: &Body) -> Result<(), BodyFailure> {
    let envelope = envelope();
    check_signed(body, Signed::Dsse(EnvelopeDigests::new(&envelope)))
}

fn check_message(body: &Body) -> Result<(), BodyFailure> {
    check_signed(body, Signed::Message { digest: None })
}

fn check_signed(body: &Body, signed: Signed<'_>) -> Result<(), BodyFailure> {
    let credential = Credential::Key(PublicKey::parse_pem(KEY).expect("a key"));
    let material = Material {
        credential: None,
        signed,
        signature: SIGNATURE,
        entries: vec![],
        tokens: vec![],
    };
    let artifact = Artifact::Bytes(b"artifact");
    check(
        body,
        &material,
        &credential,
        &ArtifactDigests::new(&artifact),
    )
}

fn sha256(data: &[u8]) -> Vec<u8> {
    HashAlgorithm::Sha256.digest(data)
}

fn verifier(pem: &str, key_details: &str) -> Verifier {
    let key = PublicKey::parse_pem(pem).expect("a key");
    Verifier {
        key_details: key_details.into(),
        material: VerifierMaterial::PublicKey(key.spki_der().to_vec()),
    }
}

fn good_verifier() -> Verifier {
    verifier(KEY, "PKIX_ECDSA_P256_SHA_256")
}

#[test]
fn hashedrekord_v001_holds_digest_signature_and_key() {
    let body = |value: &str, signature: &[u8], pem: &str| Body::HashedRekordV001 {
        hash_algorithm: "sha256".into(),
        hash_value: value.into(),
        signature: signature.to_vec(),
        public_key: pem.as_bytes().to_vec(),
    };
    let value = hex::encode(sha256(b"artifact"));
    assert_eq!(check_message(&body(&value, SIGNATURE, KEY)), Ok(()));
    assert_eq!(
        check_message(&body(&value, b"another", KEY)),
        Err(BodyFailure::Signature)
    );
    assert_eq!(
        check_message(&body(&value, SIGNATURE, OTHER_KEY)),
        Err(BodyFailure::Verifier)
    );
    assert!(matches!(
        check_message(&body("00", SIGNATURE, KEY)),
        Err(BodyFailure::Digest {
            what: "artifact",
            ..
        })
    ));
    assert!(matches!(
        check_message(&body("not hex", SIGNATURE, KEY)),
        Err(BodyFailure::Digest { .. })
    ));
}

#[test]
fn hashedrekord_v002_holds_the_hash_of_the_envelope_s_encoding() {
    let body = |digest: Vec<u8>, verifier: Verifier| Body::HashedRekordV002 {
        algorithm: "SHA2_256".into(),
        digest,
        signature: SIGNATURE.to_vec(),
        verifier,
    };
    let pae = sha256(&dsse::pae(dsse::IN_TOTO, PAYLOAD));
    assert_eq!(check_envelope(&body(pae.clone(), good_verifier())), Ok(()));
    assert!(matches!(
        check_envelope(&body(sha256(PAYLOAD), good_verifier())),
        Err(BodyFailure::Digest {
            what: "envelope",
            ..
        })
    ));
    assert_eq!(
        check_message(&body(sha256(b"artifact"), good_verifier())),
        Ok(())
    );
    assert_eq!(
        check_envelope(&body(pae, verifier(OTHER_KEY, "PKIX_ED25519_PH"))),
        Err(BodyFailure::Verifier)
    );
}

#[test]
fn key_details_must_describe_key_and_hash() {
    for details in ["PKIX_ED25519", "PKIX_ECDSA_P384_SHA_384", "", "nonsense"] {
        let body = Body::HashedRekordV002 {
            algorithm: "SHA2_256".into(),
            digest: sha256(b"artifact"),
            signature: SIGNATURE.to_vec(),
            verifier: verifier(KEY, details),
        };
        assert_eq!(
            check_message(&body),
            Err(BodyFailure::KeyDetails {
                details: details.into()
            })
        );
    }
}

#[test]
fn a_certificate_is_not_a_key() {
    let der = PublicKey::parse_pem(KEY)
        .expect("a key")
        .spki_der()
        .to_vec();
    let verifier = Verifier {
        key_details: "PKIX_ECDSA_P256_SHA_256".into(),
        material: VerifierMaterial::Certificate(der),
    };
    let body = Body::HashedRekordV002 {
        algorithm: "SHA2_256".into(),
        digest: sha256(b"artifact"),
        signature: SIGNATURE.to_vec(),
        verifier,
    };
    assert_eq!(check_message(&body), Err(BodyFailure::Verifier));
}

#[test]
fn dsse_v001_holds_payload_hash_signature_text_and_key() {
    let body = |hash: Vec<u8>, signatures: Vec<(String, Vec<u8>)>| Body::DsseV001 {
        envelope_hash: String::new(),
        payload_hash: hex::encode(hash),
        signatures,
    };
    let good = || (b64::encode(SIGNATURE), KEY.as_bytes().to_vec());
    assert_eq!(check_envelope(&body(sha256(PAYLOAD), vec![good()])), Ok(()));
    assert_eq!(
        check_envelope(&body(sha256(PAYLOAD), vec![good(), good()])),
        Err(BodyFailure::Signatures { have: 2 })
    );
    assert_eq!(
        check_envelope(&body(sha256(PAYLOAD), vec![])),
        Err(BodyFailure::Signatures { have: 0 })
    );
    assert_eq!(
        check_envelope(&body(sha256(PAYLOAD), vec![(b64::encode(b"x"), good().1)])),
        Err(BodyFailure::Signature)
    );
    assert_eq!(
        check_envelope(&body(sha256(PAYLOAD), vec![("*".into(), good().1)])),
        Err(BodyFailure::Signature)
    );
    assert!(matches!(
        check_envelope(&body(sha256(b"x"), vec![good()])),
        Err(BodyFailure::Digest {
            what: "payload",
            ..
        })
    ));
    assert!(matches!(
        check_message(&body(sha256(PAYLOAD), vec![good()])),
        Err(BodyFailure::Content { .. })
    ));
}

#[test]
fn dsse_v002_holds_payload_digest_signature_and_key() {
    let body = |digest: Vec<u8>, signatures| Body::DsseV002 {
        algorithm: "SHA2_256".into(),
        payload_digest: digest,
        signatures,
    };
    assert_eq!(
        check_envelope(&body(
            sha256(PAYLOAD),
            vec![(SIGNATURE.to_vec(), good_verifier())]
        )),
        Ok(())
    );
    assert_eq!(
        check_envelope(&body(
            sha256(PAYLOAD),
            vec![(b"x".to_vec(), good_verifier())]
        )),
        Err(BodyFailure::Signature)
    );
    assert!(matches!(
        check_envelope(&body(
            sha256(b"x"),
            vec![(SIGNATURE.to_vec(), good_verifier())]
        )),
        Err(BodyFailure::Digest { .. })
    ));
}

#[test]
fn intoto_v002_holds_the_signature_as_text() {
    let body = |payload_hash: Option<Vec<u8>>, payload_type: &str, sig: Vec<u8>| Body::IntotoV002 {
        payload_type: payload_type.into(),
        payload_hash: payload_hash.map(hex::encode),
        envelope_hash: String::new(),
        signatures: vec![(sig, KEY.as_bytes().to_vec())],
    };
    let text = || b64::encode(SIGNATURE).into_bytes();
    assert_eq!(
        check_envelope(&body(Some(sha256(PAYLOAD)), dsse::IN_TOTO, text())),
        Ok(())
    );
    assert_eq!(
        check_envelope(&body(None, dsse::IN_TOTO, text())),
        Err(BodyFailure::NoPayloadHash)
    );
    assert_eq!(
        check_envelope(&body(Some(sha256(PAYLOAD)), "text/plain", text())),
        Err(BodyFailure::PayloadType)
    );
    assert_eq!(
        check_envelope(&body(Some(sha256(PAYLOAD)), dsse::IN_TOTO, vec![0xff])),
        Err(BodyFailure::Signature)
    );
}

/// Payload and key are those of every signature by this key over the same statement.
#[test]
fn intoto_v001_does_not_hold_the_signature_and_is_refused() {
    let body = Body::IntotoV001 {
        envelope_hash: String::new(),
        payload_hash: Some(hex::encode(sha256(PAYLOAD))),
        public_key: KEY.as_bytes().to_vec(),
    };
    let failure = BodyFailure::NoSignature {
        kind: "intoto 0.0.1",
    };
    assert_eq!(check_envelope(&body), Err(failure.clone()));
    assert_eq!(
        crate::EntryFailure::from(failure).cure(),
        "sign again with a client that logs attestations as dsse, hashedrekord or intoto 0.0.2"
    );
}

#[test]
fn only_v2_kinds_are_v2() {
    assert!(is_v2(&Body::DsseV002 {
        algorithm: String::new(),
        payload_digest: vec![],
        signatures: vec![]
    }));
    assert!(!is_v2(&Body::IntotoV001 {
        envelope_hash: String::new(),
        payload_hash: None,
        public_key: vec![]
    }));
}
