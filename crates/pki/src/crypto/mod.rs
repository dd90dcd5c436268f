//! Every call into a cryptographic library: one backend is compiled in, the rest of the room knows none.
//!
//! [`aws`] hashes and verifies; Ed25519ph, which it lacks, comes from ed25519-dalek. It is C and assembly, so for
//! WebAssembly [`portable`] takes its place, which the tests compare with it.

#[cfg(not(target_family = "wasm"))]
mod aws;
#[cfg(any(test, target_family = "wasm"))]
mod portable;

#[cfg(not(target_family = "wasm"))]
use aws as backend;
#[cfg(target_family = "wasm")]
use portable as backend;

use crate::algorithm::{HashAlgorithm, KeyKind, Scheme};
use backend::Parsed;
use ed25519_dalek::VerifyingKey;
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use std::fmt;

/// A signature or key that did not check out. Backends give no reason; callers know which check it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Hashes `data`.
pub(crate) fn digest(hash: HashAlgorithm, data: &[u8]) -> Vec<u8> {
    backend::digest(hash, data)
}

/// Hashes parts as if they were one text.
pub(crate) fn digest_parts(hash: HashAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
    backend::digest_parts(hash, parts)
}

/// Hashes `data` with SHA-256.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(&backend::digest(HashAlgorithm::Sha256, data));
    out
}

/// Hashes `data` with SHA-1: names keys (RFC 5280 section 4.2.1.2), secures nothing.
pub(crate) fn sha1_for_names(data: &[u8]) -> [u8; 20] {
    backend::sha1(data)
}

/// A public key as the backend holds it, parsed once for the scheme it is used with most.
#[derive(Clone)]
pub(crate) struct VerifyKey {
    /// subjectPublicKey bits: EC point, RSAPublicKey, or 32 bytes.
    raw: Vec<u8>,
    usual: Option<(Scheme, Parsed)>,
}

impl VerifyKey {
    /// Checks an EC point against its curve (also not infinity). RSA and Ed25519 keys were checked by the caller.
    pub(crate) fn new(kind: KeyKind, usual: Scheme, raw: &[u8]) -> Result<Self, Refused> {
        let parsed = Parsed::new(usual, raw);
        let is_ec = matches!(
            kind,
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521
        );
        if is_ec && parsed.is_none() {
            return Err(Refused);
        }
        Ok(Self {
            raw: raw.to_vec(),
            usual: parsed.map(|key| (usual, key)),
        })
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Verifies over a message.
    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        if scheme == Scheme::Ed25519ph {
            return self.verify_digest(scheme, &digest(HashAlgorithm::Sha512, message), signature);
        }
        match &self.usual {
            Some((usual, key)) if *usual == scheme => key.verify(scheme, message, signature),
            _ => backend::verify(scheme, &self.raw, message, signature),
        }
    }

    /// Verifies over a digest whose length the caller checked.
    pub(crate) fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        if scheme == Scheme::Ed25519ph {
            return self.verify_ed25519ph(digest, signature);
        }
        match &self.usual {
            Some((usual, key)) if *usual == scheme => key.verify_digest(scheme, digest, signature),
            _ => backend::verify_digest(scheme, &self.raw, digest, signature),
        }
    }

    fn verify_ed25519ph(&self, digest: &[u8], signature: &[u8]) -> Result<(), Refused> {
        let key = self.ed25519()?;
        let digest = Prehashed(digest.try_into().map_err(|_| Refused)?);
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Refused)?;
        // Strict also refuses keys and commitments of small order, for which one signature fits many messages.
        key.verify_prehashed_strict(digest, None, &signature)
            .map_err(|_| Refused)
    }

    /// Tells whether an Ed25519 key is a point of small order, for which anyone can sign. What is no point verifies nothing.
    pub(crate) fn ed25519_is_weak(&self) -> bool {
        self.ed25519().is_ok_and(|key| key.is_weak())
    }

    fn ed25519(&self) -> Result<VerifyingKey, Refused> {
        let bytes: &[u8; 32] = self.raw.as_slice().try_into().map_err(|_| Refused)?;
        VerifyingKey::from_bytes(bytes).map_err(|_| Refused)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey").finish_non_exhaustive()
    }
}

/// A SHA-512 digest posing as a hasher that has just read the message, which is what ed25519-dalek asks for.
#[derive(Clone)]
struct Prehashed([u8; 64]);

impl Default for Prehashed {
    fn default() -> Self {
        Self([0; 64])
    }
}
impl HashMarker for Prehashed {}
impl OutputSizeUser for Prehashed {
    type OutputSize = U64;
}
impl Update for Prehashed {
    fn update(&mut self, _data: &[u8]) {}
}
impl FixedOutput for Prehashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}
