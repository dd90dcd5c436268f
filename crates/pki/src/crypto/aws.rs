//! The usual backend: aws-lc-rs.

use super::Refused;
use crate::algorithm::{HashAlgorithm, Scheme};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm};
use std::sync::Arc;

pub(crate) fn digest(hash: HashAlgorithm, data: &[u8]) -> Vec<u8> {
    digest::digest(backend_hash(hash), data).as_ref().to_vec()
}

pub(crate) fn digest_parts(hash: HashAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(backend_hash(hash));
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref());
    out
}

/// A key parsed once for the scheme it is used with most.
#[derive(Clone)]
pub(crate) struct Parsed(Arc<ParsedPublicKey>);

impl Parsed {
    /// `None` when the scheme is not of this backend, or the key is none.
    pub(crate) fn new(scheme: Scheme, raw: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(backend_scheme(scheme)?, raw).ok()?;
        Some(Self(Arc::new(key)))
    }

    pub(crate) fn verify(
        &self,
        _scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        let verified = self.0.verify_sig(message, signature);
        verified.map_err(|_| Refused)
    }

    pub(crate) fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        let verified = self
            .0
            .verify_digest_sig(&import(scheme, digest)?, signature);
        verified.map_err(|_| Refused)
    }
}

pub(crate) fn verify(
    scheme: Scheme,
    raw: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    let key = UnparsedPublicKey::new(backend_scheme(scheme).ok_or(Refused)?, raw);
    key.verify(message, signature).map_err(|_| Refused)
}

pub(crate) fn verify_digest(
    scheme: Scheme,
    raw: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    let key = UnparsedPublicKey::new(backend_scheme(scheme).ok_or(Refused)?, raw);
    let verified = key.verify_digest(&import(scheme, digest)?, signature);
    verified.map_err(|_| Refused)
}

fn import(scheme: Scheme, digest: &[u8]) -> Result<Digest, Refused> {
    let hash = scheme.hash().ok_or(Refused)?;
    Digest::import_less_safe(digest, backend_hash(hash)).map_err(|_| Refused)
}

fn backend_hash(hash: HashAlgorithm) -> &'static digest::Algorithm {
    match hash {
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    }
}

fn backend_scheme(scheme: Scheme) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match scheme {
        Scheme::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
        Scheme::EcdsaP256Sha384 => &signature::ECDSA_P256_SHA384_ASN1,
        Scheme::EcdsaP256Sha512 => &signature::ECDSA_P256_SHA512_ASN1,
        Scheme::EcdsaP384Sha256 => &signature::ECDSA_P384_SHA256_ASN1,
        Scheme::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
        Scheme::EcdsaP384Sha512 => &signature::ECDSA_P384_SHA512_ASN1,
        Scheme::EcdsaP521Sha256 => &signature::ECDSA_P521_SHA256_ASN1,
        Scheme::EcdsaP521Sha384 => &signature::ECDSA_P521_SHA384_ASN1,
        Scheme::EcdsaP521Sha512 => &signature::ECDSA_P521_SHA512_ASN1,
        Scheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Scheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        Scheme::Ed25519 => &signature::ED25519,
        Scheme::Ed25519ph => return None,
    })
}
