//! A parsed X.509 certificate and what Sigstore reads from it.
#![allow(clippy::todo, missing_docs)]
use crate::key::PublicKey;
use time::OffsetDateTime;

/// DER kept as received, parsed once.
#[derive(Clone, Debug)]
pub struct Certificate { /* der, x509_cert::Certificate, PublicKey, spans */ }
impl Certificate {
    pub fn parse_der(der: &[u8]) -> Result<Self, CertError> { todo!() }
    /// First CERTIFICATE block; lenient as Go.
    pub fn parse_pem(text: &str) -> Result<Self, CertError> { todo!() }
    /// All CERTIFICATE blocks (bounded).
    pub fn parse_pem_chain(text: &str) -> Result<Vec<Self>, CertError> { todo!() }
    pub fn der(&self) -> &[u8] { todo!() }
    pub fn to_pem(&self) -> String { todo!() }
    pub fn public_key(&self) -> &PublicKey { todo!() }
    pub fn subject_der(&self) -> &[u8] { todo!() }
    pub fn issuer_der(&self) -> &[u8] { todo!() }
    pub fn subject_common_name(&self) -> Option<String> { todo!() }
    pub fn subject_organization(&self) -> Option<String> { todo!() }
    pub fn serial(&self) -> &[u8] { todo!() }
    pub fn not_before(&self) -> OffsetDateTime { todo!() }
    pub fn not_after(&self) -> OffsetDateTime { todo!() }
    pub fn is_ca(&self) -> bool { todo!() }
    pub fn subject_key_identifier(&self) -> Option<&[u8]> { todo!() }
    pub fn authority_key_identifier(&self) -> Option<&[u8]> { todo!() }
    /// DER of the TBSCertificate as signed.
    pub fn tbs_der(&self) -> &[u8] { todo!() }
    pub fn signature(&self) -> &[u8] { todo!() }
    /// Raw extnValue content of an extension, with its critical flag.
    pub fn extension(&self, oid: &str) -> Option<(bool, &[u8])> { todo!() }
    /// Checks the signature on this certificate by `issuer`'s key (names not compared).
    pub fn verify_signed_by(&self, issuer: &Certificate) -> Result<(), CertError> { todo!() }
    /// The TBS with the SCT list extension (and poison) removed: RFC 6962 precert entry.
    pub fn precert_tbs(&self) -> Result<Vec<u8>, CertError> { todo!() }
    pub fn san(&self) -> Result<San, CertError> { todo!() }
    pub fn x509(&self) -> &x509_cert::Certificate { todo!() }
}
/// The one name of a Fulcio certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San { Email(String), Uri(String), /** otherName 1.3.6.1.4.1.57264.1.7 */ OtherName(String) }
impl San { pub fn value(&self) -> &str { match self { San::Email(s) | San::Uri(s) | San::OtherName(s) => s } } }
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError { #[error("TODO")] Todo }
