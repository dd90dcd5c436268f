//! hashedrekord 0.0.2: verification and canonical body (spec B.4).

use crate::kinds::error::EntryError;
use crate::kinds::verifier::check_length;
use crate::kinds::{hashedrekord, scheme};
use crate::limits;
use crate::v2::request::{Request, Verifier};
use formats::entry::VerifierMaterial;
use pki::cert::Certificate;
use pki::key::{HashAlgorithm, PublicKey};

/// Verifies a request's signature and gives the canonical body.
pub(crate) fn canonicalize(request: &Request) -> Result<Vec<u8>, EntryError> {
    let body = match request {
        Request::HashedRekord {
            digest,
            signature,
            verifier,
        } => {
            let verifier = verifier
                .as_ref()
                .ok_or(EntryError::Missing("signature.verifier"))?;
            let accepted = Accepted::new(verifier)?;
            accepted.record(digest, signature)?
        }
        Request::Dsse {
            payload_type,
            payload,
            signatures,
            verifiers,
        } => {
            let ([signature], [verifier]) = (signatures.as_slice(), verifiers.as_slice()) else {
                let (signatures, verifiers) = (signatures.len(), verifiers.len());
                return Err(EntryError::DsseCount {
                    signatures,
                    verifiers,
                });
            };
            check_length(
                "envelope.payloadType",
                payload_type.len(),
                limits::PAYLOAD_TYPE,
            )?;
            let accepted = Accepted::new(verifier)?;
            // Differs: rekor-tiles refuses DSSE requests; sigstore-js still sends them. The entry
            // is the hashedrekord over the PAE that other clients submit themselves.
            let digest = accepted
                .hash
                .digest(&formats::dsse::pae(payload_type, payload));
            accepted.record(&digest, signature)?
        }
    };
    // C2SP tlog-tiles: an entry bundle stores each entry behind a 16-bit length.
    if body.len() > limits::V2_MAX_ENTRY {
        return Err(EntryError::EntryTooLarge {
            have: body.len(),
            max: limits::V2_MAX_ENTRY,
        });
    }
    Ok(body)
}

/// A verifier whose key and algorithm the log takes.
struct Accepted<'a> {
    material: &'a VerifierMaterial,
    key: PublicKey,
    hash: HashAlgorithm,
    /// The registry's default name for the key: sigstore-go rebuilds bodies with it.
    key_details: &'static str,
}

impl<'a> Accepted<'a> {
    fn new(verifier: &'a Verifier) -> Result<Self, EntryError> {
        let material = verifier
            .material
            .as_ref()
            .ok_or(EntryError::Missing("verifier"))?;
        let key = parse_key(material)?;
        let scheme = key.default_digest_scheme();
        let refused = || EntryError::KeyNotAccepted(scheme::key_name(key.kind()));
        if !scheme::is_allowed(key.kind(), scheme) {
            return Err(refused());
        }
        let hash = scheme.hash().ok_or_else(refused)?;
        let key_details = key.key_details(scheme).ok_or_else(refused)?;
        if verifier.key_details != key_details {
            let have = verifier.key_details.clone().into_owned();
            return Err(EntryError::KeyDetails {
                want: key_details,
                have,
            });
        }
        Ok(Self {
            material,
            key,
            hash,
            key_details,
        })
    }

    /// Verifies the signature over the digest and builds the body. DER stays as sent.
    fn record(&self, digest: &[u8], signature: &[u8]) -> Result<Vec<u8>, EntryError> {
        if signature.is_empty() {
            return Err(EntryError::Missing("signature.content"));
        }
        if digest.is_empty() {
            return Err(EntryError::Missing("digest"));
        }
        check_length(
            "signature.content",
            signature.len(),
            limits::SIGNATURE_BYTES,
        )?;
        if digest.len() != self.hash.len() {
            let (want, have) = (self.hash.len(), digest.len());
            return Err(EntryError::DigestLength {
                hash: self.hash,
                want,
                have,
            });
        }
        hashedrekord::verify_digest(&self.key, self.hash, digest, signature)?;
        let verifier = formats::entry::Verifier {
            key_details: self.key_details.to_owned(),
            material: self.material.clone(),
        };
        Ok(formats::entry::hashedrekord_v002(
            self.hash.proto_name(),
            digest,
            signature,
            &verifier,
        ))
    }
}

fn parse_key(material: &VerifierMaterial) -> Result<PublicKey, EntryError> {
    match material {
        VerifierMaterial::PublicKey(der) if der.is_empty() => {
            Err(EntryError::Missing("publicKey.rawBytes"))
        }
        VerifierMaterial::Certificate(der) if der.is_empty() => {
            Err(EntryError::Missing("x509Certificate.rawBytes"))
        }
        VerifierMaterial::PublicKey(der) => PublicKey::parse_spki(der).map_err(EntryError::Key),
        VerifierMaterial::Certificate(der) => {
            let cert = Certificate::parse_der(der).map_err(EntryError::Certificate)?;
            Ok(cert.public_key().clone())
        }
    }
}
