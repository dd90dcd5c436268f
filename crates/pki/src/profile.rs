//! The leaf certificate profile (spec/fulcio.md 4.1) as TBS bytes, and the assembly of signed certificates.
#![allow(clippy::todo, missing_docs)]
use crate::cert::{CertError, Certificate, San};
use crate::extensions::FulcioExtensions;
use crate::key::{PublicKey, Scheme};
use time::OffsetDateTime;

pub struct LeafRequest<'a> {
    pub subject_key: &'a PublicKey,
    pub san: San,
    pub extensions: FulcioExtensions,
    pub serial: [u8; 20],           // caller's randomness; made positive and non-zero here
    pub not_before: OffsetDateTime, // truncated to seconds
    pub not_after: OffsetDateTime,
}
/// The TBS of one leaf, before the last extension is chosen. Precertificate and certificate come from the
/// same value, so they share key, serial and everything else (invariant 7).
pub struct LeafTbs { /* x509_cert::TbsCertificate without poison and SCT list */ }
impl LeafTbs {
    /// `issuer` is the issuing CA's certificate: its subject DER, SKI, and key (signature algorithm) are used.
    pub fn build(issuer: &Certificate, request: LeafRequest<'_>) -> Result<Self, CertError> { todo!() }
    /// TBS DER with the poison extension: sign this for the precertificate.
    pub fn precertificate(&self) -> Result<Vec<u8>, CertError> { todo!() }
    /// TBS DER without poison or SCT list: what the CT log entry carries.
    pub fn bare(&self) -> Result<Vec<u8>, CertError> { todo!() }
    /// TBS DER with the SCT list extension.
    pub fn with_scts(&self, scts: &[crate::sct::Sct]) -> Result<Vec<u8>, CertError> { todo!() }
}
/// The scheme a CA key signs certificates with.
pub fn ca_scheme(key: &PublicKey) -> Scheme { todo!() }
/// Certificate DER from TBS DER, the CA's scheme and the signature bytes.
pub fn assemble(tbs: &[u8], scheme: Scheme, signature: &[u8]) -> Result<Vec<u8>, CertError> { todo!() }
/// Checks that a precertificate and a certificate correspond: same TBS but for poison and SCT list.
pub fn check_correspond(precert: &Certificate, cert: &Certificate) -> Result<(), CertError> { todo!() }
