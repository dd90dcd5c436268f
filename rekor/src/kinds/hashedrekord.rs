//! hashedrekord 0.0.1: a signature over a digest (spec A.11).

use crate::json::{self, Names};
use crate::kinds::error::EntryError;
use crate::kinds::scheme;
use crate::kinds::verifier::{Verifier, check_length};
use crate::kinds::{required_bytes, required_text};
use crate::limits;
use pki::key::{HashAlgorithm, KeyKind, PublicKey};
use serde_json::value::RawValue;

/// Parses a proposed `spec`, verifies its signature, and gives the canonical body.
pub(crate) fn canonicalize(spec: &RawValue) -> Result<Vec<u8>, EntryError> {
    let proposed = Proposed::parse(spec)?;
    proposed.verify()?;
    Ok(formats::entry::hashedrekord_v001(
        proposed.hash.name(),
        &proposed.hash_value,
        &proposed.signature,
        proposed.verifier.pem(),
    ))
}

struct Proposed {
    hash: HashAlgorithm,
    /// As submitted: the case of its digits is part of the body.
    hash_value: String,
    digest: Vec<u8>,
    signature: Vec<u8>,
    verifier: Verifier,
}

impl Proposed {
    fn parse(spec: &RawValue) -> Result<Self, EntryError> {
        let [signature, data] = json::members(spec, ["signature", "data"], Names::Exact)?;
        let signature = signature.ok_or(EntryError::Missing("signature"))?;
        let [content, key] = json::members(signature, ["content", "publicKey"], Names::Exact)?;
        let key = key.ok_or(EntryError::Missing("public key"))?;
        let [pem] = json::members(key, ["content"], Names::Exact)?;
        let data = data.ok_or(EntryError::Missing("data"))?;
        let [hash] = json::members(data, ["hash"], Names::Exact)?;
        let hash = hash.ok_or(EntryError::Missing("hash"))?;
        let (hash, hash_value, digest) = parse_hash(hash)?;

        let signature = required_bytes(content, "signature")?;
        check_length("signature", signature.len(), limits::SIGNATURE_BYTES)?;
        let verifier = Verifier::parse(&required_bytes(pem, "public key")?)?;
        Ok(Self {
            hash,
            hash_value,
            digest,
            signature,
            verifier,
        })
    }

    fn verify(&self) -> Result<(), EntryError> {
        let key = self.verifier.key();
        verify_digest(key, self.hash, &self.digest, &self.signature)?;
        // Pipeline step 4: the algorithm list comes after the signature.
        check_allowed(key.kind(), self.hash)
    }
}

/// Verifies `signature` over `digest`; Ed25519 keys mean Ed25519ph.
pub(crate) fn verify_digest(
    key: &PublicKey,
    hash: HashAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), EntryError> {
    let scheme = scheme::over_digest(key.kind(), hash).ok_or(EntryError::Ed25519phHash(hash))?;
    key.verify_digest(scheme, digest, signature)
        .map_err(|error| match key.kind() {
            KeyKind::Ed25519 => EntryError::NotEd25519ph(error),
            _ => EntryError::Signature(error),
        })
}

fn check_allowed(key: KeyKind, hash: HashAlgorithm) -> Result<(), EntryError> {
    match scheme::over_digest(key, hash) {
        Some(scheme) if scheme::is_allowed(key, scheme) => Ok(()),
        _ => Err(EntryError::AlgorithmNotAllowed {
            key: scheme::key_name(key),
            hash: hash.name(),
        }),
    }
}

/// Reads `{"algorithm": …, "value": hex}`.
pub(crate) fn parse_hash(json: &RawValue) -> Result<(HashAlgorithm, String, Vec<u8>), EntryError> {
    let [algorithm, value] = json::members(json, ["algorithm", "value"], Names::Exact)?;
    let name = required_text(algorithm, "hash algorithm")?;
    let hash = HashAlgorithm::from_name(&name)
        .ok_or_else(|| EntryError::HashAlgorithm(crate::echo(&name)))?;
    let value = required_text(value, "hash value")?;
    let want = hash.len() * 2;
    match hex::decode(value.as_bytes()) {
        Ok(digest) if value.len() == want => Ok((hash, value.into_owned(), digest)),
        _ => Err(EntryError::HashValue {
            algorithm: hash.name(),
            want,
            have: value.len(),
        }),
    }
}
