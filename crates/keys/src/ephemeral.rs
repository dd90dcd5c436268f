//! One-time keys of signing clients.

use crate::KeyError;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use pki::key::PublicKey;
use std::fmt;

/// An ECDSA P-256 key for one signature, in memory only; AWS-LC cleanses it when it is dropped.
pub struct EphemeralKey {
    pair: EcdsaKeyPair,
    public_key: PublicKey,
}

impl EphemeralKey {
    /// Draws a new key.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| KeyError::Generate)?;
        let spki: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| KeyError::Generate)?;
        let public_key = PublicKey::parse_spki(spki.as_ref())?;
        Ok(Self { pair, public_key })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Signs a message with SHA-256; the signature is ASN.1 DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(refused)?;
        Ok(signature.as_ref().to_vec())
    }

    /// Signs a message of which only the SHA-256 digest is at hand; the signature is ASN.1 DER.
    pub fn sign_digest(&self, sha256: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        let digest = Digest::import_less_safe(sha256, &SHA256).map_err(refused)?;
        let signature = self.pair.sign_digest(&digest).map_err(refused)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralKey(redacted)")
    }
}

fn refused(_: aws_lc_rs::error::Unspecified) -> KeyError {
    KeyError::sign("the cryptographic library refused")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki::key::{HashAlgorithm, Scheme};

    #[test]
    fn a_message_and_its_digest_are_signed_alike() {
        let key = EphemeralKey::generate().unwrap();
        let digest: [u8; 32] = HashAlgorithm::Sha256
            .digest(b"artifact")
            .try_into()
            .unwrap();
        for signature in [
            key.sign(b"artifact").unwrap(),
            key.sign_digest(&digest).unwrap(),
        ] {
            key.public_key()
                .verify(Scheme::EcdsaP256Sha256, b"artifact", &signature)
                .unwrap();
        }
    }

    #[test]
    fn two_keys_differ() {
        let (a, b) = (
            EphemeralKey::generate().unwrap(),
            EphemeralKey::generate().unwrap(),
        );
        assert_ne!(a.public_key(), b.public_key());
    }
}
