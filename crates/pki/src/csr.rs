//! PKCS#10 requests: parse and check the self-signature. Subject, SANs and extensions are ignored.
#![allow(clippy::todo, missing_docs)]
use crate::key::{PublicKey, Scheme};
#[derive(Clone, Debug)]
pub struct CertificateRequest { /* key, scheme, info der, signature */ }
impl CertificateRequest {
    /// PEM `CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`.
    pub fn parse_pem(text: &str) -> Result<Self, CsrError> { todo!() }
    pub fn public_key(&self) -> &PublicKey { todo!() }
    pub fn scheme(&self) -> Scheme { todo!() }
    pub fn verify(&self) -> Result<(), CsrError> { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrError { #[error("certificate signing request does not parse")] Malformed, #[error("unrecognized signature algorithm: {0}")] UnknownAlgorithm(String), #[error("public key: {0}")] Key(#[from] crate::key::KeyError), #[error("signature does not verify")] Signature }
