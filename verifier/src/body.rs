//! What a log entry says, against what the bundle holds (spec/clients.md c.2 step 6; spec/rekor.md A.11, B.4).
//!
//! Without it a valid entry for another artifact could be attached to this bundle (CVE-2022-36056).

use crate::digests::ArtifactDigests;
use crate::material::{Credential, Material, Signed};
use formats::b64;
use formats::bundle::TransparencyLogEntry;
use formats::entry::{Body, EntryError, Verifier, VerifierMaterial};
use pki::key::HashAlgorithm;

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
    /// This kind of entry does not hold the signature.
    #[error(
        "an entry of kind {kind} does not hold the signature, so nothing ties it to the bundle's"
    )]
    NoSignature {
        /// Kind and version.
        kind: &'static str,
    },
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
        // An entry for another signature over the same payload would pass for this one's.
        Body::IntotoV001 { .. } => Err(BodyFailure::NoSignature {
            kind: "intoto 0.0.1",
        }),
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
            Signed::Message { .. } => ("artifact", self.digests.get(algorithm)),
            Signed::Dsse(envelope) => ("envelope", Some(envelope.of_encoding(algorithm))),
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
        let Signed::Dsse(envelope) = &self.material.signed else {
            return Err(BodyFailure::Content {
                kind: kind.to_owned(),
                content: "message signature",
            });
        };
        if envelope.of_payload(algorithm) == have {
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
            Signed::Dsse(signed) if signed.envelope().payload_type == have => Ok(()),
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
            Credential::Certificate { leaf, .. } => leaf.is_in_pem(text),
            Credential::Key(key) => key.is_in_pem(text),
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
mod tests;
