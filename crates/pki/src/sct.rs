//! RFC 6962 structures: SCT, SCT list, MerkleTreeLeaf, signed inputs, tree head input.
#![allow(clippy::todo, missing_docs)]
use crate::cert::{CertError, Certificate};
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct { pub log_id: [u8; 32], pub timestamp: u64, pub extensions: Vec<u8>, /** TLS hash algorithm, 4 = SHA-256 */ pub hash: u8, /** TLS signature algorithm, 3 = ECDSA, 1 = RSA */ pub sig: u8, pub signature: Vec<u8> }
impl Sct {
    pub fn to_bytes(&self) -> Vec<u8> { todo!() }
    pub fn parse(bytes: &[u8]) -> Result<Self, SctError> { todo!() }
    /// hash ‖ sig ‖ u16 ‖ signature (add-chain JSON).
    pub fn digitally_signed(&self) -> Vec<u8> { todo!() }
}
/// What is logged: an x509 certificate or a precertificate's bare TBS with its issuer key hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CtEntry { X509(Vec<u8>), Precert { issuer_key_hash: [u8; 32], tbs: Vec<u8> } }
impl CtEntry {
    /// Bytes an SCT signs.
    pub fn sct_input(&self, timestamp: u64, extensions: &[u8]) -> Vec<u8> { todo!() }
    /// MerkleTreeLeaf bytes.
    pub fn leaf(&self, timestamp: u64, extensions: &[u8]) -> Vec<u8> { todo!() }
}
/// TreeHeadSignature input.
pub fn sth_input(timestamp: u64, size: u64, root: &[u8; 32]) -> Vec<u8> { todo!() }
/// SCTs embedded in a certificate ([] when there is no list extension).
pub fn embedded(cert: &Certificate) -> Result<Vec<Sct>, SctError> { todo!() }
/// Verifies an embedded SCT of `cert` issued by `issuer`, with the log's key.
pub fn verify_embedded(sct: &Sct, cert: &Certificate, issuer: &Certificate, log_key: &crate::key::PublicKey) -> Result<(), SctError> { todo!() }
/// extra_data of RFC 6962 get-entries.
pub fn extra_data_precert(precert: &[u8], chain: &[&[u8]]) -> Vec<u8> { todo!() }
pub fn extra_data_x509(chain: &[&[u8]]) -> Vec<u8> { todo!() }
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SctError { #[error("TODO")] Todo, #[error(transparent)] Cert(#[from] CertError) }
