//! What a log entry says, against what the bundle holds (spec/clients.md c.2 step 6; spec/rekor.md A.11, B.4).
//!
//! Without it a valid entry for another artifact could be attached to this bundle (CVE-2022-36056).

use crate::digests::ArtifactDigests;
use crate::material::{Credential, Material, Signed};
use formats::b64;
use formats::bundle::TransparencyLogEntry;
use formats::entry::{Body, EntryError, Verifier, VerifierMaterial};
use pki::cert::Certificate;
use pki::key::{HashAlgorithm, PublicKey};

/// Why an entry's body does not belong to the bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFailure {
    /// It does not parse, or its kind is not read.
    #[error("the entry's body does not parse: {0}")]
    Malformed(EntryError),
    /// The bundle calls the entry something else than the body does.
    #[error("the bundle calls the entry {bundle}, its body says {body}")]
    KindVersion {
        /// `kind version` in the bundle.
        bundle: String,
        /// `kind version` in the body.
        body: String,
    },
    /// This kind of entry cannot describe this kind of bundle.
    #[error("an entry of kind {kind} cannot describe a {content}")]
    Content {
        /// Kind and version.
        kind: String,
        /// What the bundle holds.
        content: &'static str,
    },
    /// The entry is about another signature.
    #[error("the entry holds another signature than the bundle")]
    Signature,
    /// The entry holds another number of signatures than the bundle's one.
    #[error("the entry holds {have} signatures, the bundle one")]
    Signatures {
        /// Number found.
        have: usize,
    },
    /// The entry is about another certificate or key.
    #[error("the entry holds another certificate or key than the bundle")]
    Verifier,
    /// The entry's keyDetails do not describe its key.
    #[error("the entry's keyDetails `{details}` do not describe its key or hash")]
    KeyDetails {
        /// Name found.
        details: String,
    },
    /// The entry's digest is of something else.
    #[error("the entry holds another {what} digest ({algorithm}:{have})")]
    Digest {
        /// `artifact`, `payload` or `envelope`.
        what: &'static str,
        /// The hash.
        algorithm: String,
        /// The digest in the entry, hex.
        have: String,
    },
    /// The entry's hash algorithm is unknown.
    #[error("the entry's hash algorithm `{have}` is not accepted")]
    Algorithm {
        /// Name found.
        have: String,
    },
    /// The caller gave digests, but not the one that the entry holds.
    #[error("the entry holds a {algorithm} digest, which was not given for the artifact")]
    DigestMissing {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The entry does not say which payload it is about.
    #[error("the entry has no payload hash, so nothing ties it to this attestation")]
    NoPayloadHash,
    /// Payload types differ.
    #[error("the entry holds another payload type than the bundle")]
    PayloadType,
}

/// Parses the body and compares kind and version with what the bundle says.
pub(crate) fn parse(entry: &TransparencyLogEntry) -> Result<Body, BodyFailure> {
    let (kind, version, body) =
        Body::parse(&entry.canonicalized_body.0).map_err(BodyFailure::Malformed)?;
    let stated = &entry.kind_version;
    if kind != stated.kind || version != stated.version {
        return Err(BodyFailure::KindVersion {
            bundle: crate::report::quoted(&format!("{} {}", stated.kind, stated.version)),
            body: crate::report::quoted(&format!("{kind} {version}")),
        });
    }
    Ok(body)
}

/// Whether Rekor v2 keeps such bodies.
pub(crate) fn is_v2(body: &Body) -> bool {
    matches!(body, Body::HashedRekordV002 { .. } | Body::DsseV002 { .. })
}

/// Compares digest, signature and verifier of the body with the bundle.
pub(crate) fn check(
    body: &Body,
    material: &Material<'_>,
    credential: &Credential,
    digests: &ArtifactDigests<'_>,
) -> Result<(), BodyFailure> {
    let bundle = Bundled {
        material,
        credential,
        digests,
    };
    match body {
        Body::HashedRekordV001 {
            hash_algorithm,
            hash_value,
            signature,
            public_key,
        } => {
            let algorithm =
                HashAlgorithm::from_name(hash_algorithm).ok_or_else(|| unknown(hash_algorithm))?;
            let value = hex::decode(hash_value)
                .map_err(|_| bundle.digest_differs("artifact", algorithm, hash_value.clone()))?;
            bundle.same_signed_digest(algorithm, &value)?;
            bundle.same_signature(signature)?;
            bundle.same_pem(public_key)
        }
        Body::HashedRekordV002 {
            algorithm,
            digest,
            signature,
            verifier,
        } => {
            let algorithm =
                HashAlgorithm::from_proto_name(algorithm).ok_or_else(|| unknown(algorithm))?;
            bundle.same_signed_digest(algorithm, digest)?;
            bundle.same_signature(signature)?;
            bundle.same_verifier(verifier, Some(algorithm))
        }
        Body::DsseV001 {
            payload_hash,
            signatures,
            ..
        } => {
            // envelopeHash is over the envelope text as it was sent, which the bundle does not keep.
            bundle.same_payload_hex(payload_hash, "dsse 0.0.1")?;
            let (signature, verifier) = single(signatures)?;
            bundle.same_signature(&decode(signature)?)?;
            bundle.same_pem(verifier)
        }
        Body::DsseV002 {
            algorithm,
            payload_digest,
            signatures,
        } => {
            let algorithm =
                HashAlgorithm::from_proto_name(algorithm).ok_or_else(|| unknown(algorithm))?;
            bundle.same_payload(algorithm, payload_digest, "dsse 0.0.2")?;
            let (signature, verifier) = single(signatures)?;
            bundle.same_signature(signature)?;
            bundle.same_verifier(verifier, None)
        }
        Body::IntotoV002 {
            payload_type,
            payload_hash,
            signatures,
            ..
        } => {
            bundle.same_payload_hex(
                payload_hash.as_deref().ok_or(BodyFailure::NoPayloadHash)?,
                "intoto 0.0.2",
            )?;
            bundle.same_payload_type(payload_type)?;
            let (signature, verifier) = single(signatures)?;
            // Twice base64 in this kind; one layer is left.
            bundle.same_signature(&decode(
                std::str::from_utf8(signature).map_err(|_| BodyFailure::Signature)?,
            )?)?;
            bundle.same_pem(verifier)
        }
        Body::IntotoV001 {
            payload_hash,
            public_key,
            ..
        } => {
            // This old kind does not keep the signature: payload and key are all there is to compare.
            bundle.same_payload_hex(
                payload_hash.as_deref().ok_or(BodyFailure::NoPayloadHash)?,
                "intoto 0.0.1",
            )?;
            bundle.same_pem(public_key)
        }
    }
}

/// The bundle's side of the comparison.
struct Bundled<'a> {
    material: &'a Material<'a>,
    credential: &'a Credential,
    digests: &'a ArtifactDigests<'a>,
}

impl Bundled<'_> {
    /// hashedrekord: the digest of the artifact, or of the envelope's pre-authentication encoding (spec B.3).
    fn same_signed_digest(&self, algorithm: HashAlgorithm, have: &[u8]) -> Result<(), BodyFailure> {
        let (what, want) = match &self.material.signed {
            Signed::Message { .. } => ("artifact", self.digests.get(algorithm).map(<[u8]>::to_vec)),
            Signed::Dsse { pae, .. } => ("envelope", Some(algorithm.digest(pae))),
        };
        let want = want.ok_or(BodyFailure::DigestMissing {
            algorithm: algorithm.name(),
        })?;
        if want == have {
            Ok(())
        } else {
            Err(self.digest_differs(what, algorithm, hex::encode(have)))
        }
    }

    fn same_payload(
        &self,
        algorithm: HashAlgorithm,
        have: &[u8],
        kind: &str,
    ) -> Result<(), BodyFailure> {
        let Signed::Dsse { envelope, .. } = &self.material.signed else {
            return Err(BodyFailure::Content {
                kind: kind.to_owned(),
                content: "message signature",
            });
        };
        let same = algorithm.digest(&envelope.payload.0) == have;
        if same {
            Ok(())
        } else {
            Err(self.digest_differs("payload", algorithm, hex::encode(have)))
        }
    }

    fn same_payload_hex(&self, have: &str, kind: &str) -> Result<(), BodyFailure> {
        let bytes = hex::decode(have)
            .map_err(|_| self.digest_differs("payload", HashAlgorithm::Sha256, have.to_owned()))?;
        self.same_payload(HashAlgorithm::Sha256, &bytes, kind)
    }

    fn same_payload_type(&self, have: &str) -> Result<(), BodyFailure> {
        match &self.material.signed {
            Signed::Dsse { envelope, .. } if envelope.payload_type == have => Ok(()),
            _ => Err(BodyFailure::PayloadType),
        }
    }

    fn same_signature(&self, have: &[u8]) -> Result<(), BodyFailure> {
        // An empty signature was refused before; it must not match an empty one here either.
        let same = !have.is_empty() && have == self.material.signature;
        if same {
            Ok(())
        } else {
            Err(BodyFailure::Signature)
        }
    }

    /// PEM of a certificate (or chain, leaf first) against a certificate; PEM of a key against a key.
    fn same_pem(&self, pem: &[u8]) -> Result<(), BodyFailure> {
        let text = std::str::from_utf8(pem).map_err(|_| BodyFailure::Verifier)?;
        let same = match self.credential {
            Credential::Certificate { leaf, .. } => {
                Certificate::parse_pem(text).is_ok_and(|cert| cert.der() == leaf.der())
            }
            Credential::Key(key) => {
                PublicKey::parse_pem(text).is_ok_and(|other| other.spki_der() == key.spki_der())
            }
        };
        if same {
            Ok(())
        } else {
            Err(BodyFailure::Verifier)
        }
    }

    fn same_verifier(
        &self,
        have: &Verifier,
        algorithm: Option<HashAlgorithm>,
    ) -> Result<(), BodyFailure> {
        let same = match (self.credential, &have.material) {
            (Credential::Certificate { leaf, .. }, VerifierMaterial::Certificate(der)) => {
                leaf.der() == der
            }
            (Credential::Key(key), VerifierMaterial::PublicKey(spki)) => key.spki_der() == spki,
            _ => false,
        };
        if !same {
            return Err(BodyFailure::Verifier);
        }
        // keyDetails must fit the key, and its hash must be the one of the digest.
        let scheme = self.credential.key().scheme_for_details(&have.key_details);
        match (scheme, algorithm) {
            (Some(scheme), Some(algorithm)) if scheme.hash() == Some(algorithm) => Ok(()),
            (Some(_), None) => Ok(()),
            _ => Err(BodyFailure::KeyDetails {
                details: crate::report::quoted(&have.key_details),
            }),
        }
    }

    fn digest_differs(
        &self,
        what: &'static str,
        algorithm: HashAlgorithm,
        have: String,
    ) -> BodyFailure {
        BodyFailure::Digest {
            what,
            algorithm: algorithm.name().to_owned(),
            have: crate::report::quoted(&have),
        }
    }
}

/// The one signature of an entry: a bundle's envelope has exactly one.
fn single<T>(signatures: &[T]) -> Result<&T, BodyFailure> {
    match signatures {
        [one] => Ok(one),
        other => Err(BodyFailure::Signatures { have: other.len() }),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, BodyFailure> {
    b64::decode_lenient(text).ok_or(BodyFailure::Signature)
}

fn unknown(name: &str) -> BodyFailure {
    BodyFailure::Algorithm {
        have: crate::report::quoted(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Artifact;
    use formats::dsse::{self, Envelope, Signature};

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
        let pae = dsse::pae(&envelope.payload_type, &envelope.payload.0);
        check_signed(
            body,
            Signed::Dsse {
                envelope: &envelope,
                pae,
            },
        )
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
        let body =
            |payload_hash: Option<Vec<u8>>, payload_type: &str, sig: Vec<u8>| Body::IntotoV002 {
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

    #[test]
    fn intoto_v001_holds_payload_hash_and_key() {
        let body = |payload_hash: Option<Vec<u8>>, pem: &str| Body::IntotoV001 {
            envelope_hash: String::new(),
            payload_hash: payload_hash.map(hex::encode),
            public_key: pem.as_bytes().to_vec(),
        };
        assert_eq!(check_envelope(&body(Some(sha256(PAYLOAD)), KEY)), Ok(()));
        assert_eq!(
            check_envelope(&body(None, KEY)),
            Err(BodyFailure::NoPayloadHash)
        );
        assert_eq!(
            check_envelope(&body(Some(sha256(PAYLOAD)), OTHER_KEY)),
            Err(BodyFailure::Verifier)
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
}
