//! Canonical entry bodies (the Merkle leaf data of Rekor logs): build and read.
#![allow(clippy::todo, missing_docs)]
use crate::b64::B64;

/// A parsed body, for verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// hashedrekord 0.0.1; `public_key` is the decoded PEM text.
    HashedRekordV001 { hash_algorithm: String, hash_value: String, signature: Vec<u8>, public_key: Vec<u8> },
    /// dsse 0.0.1; signatures are (b64 sig text, decoded PEM verifier).
    DsseV001 { envelope_hash: String, payload_hash: String, signatures: Vec<(String, Vec<u8>)> },
    /// hashedrekord 0.0.2 (Rekor v2).
    HashedRekordV002 { algorithm: String, digest: Vec<u8>, signature: Vec<u8>, verifier: Verifier },
    /// dsse 0.0.2 (old Rekor v2).
    DsseV002 { algorithm: String, payload_digest: Vec<u8>, signatures: Vec<(Vec<u8>, Verifier)> },
    /// intoto 0.0.2: (sig b64 text decoded once, PEM)
    IntotoV002 { payload_type: String, payload_hash: Option<String>, envelope_hash: String, signatures: Vec<(Vec<u8>, Vec<u8>)> },
    /// intoto 0.0.1
    IntotoV001 { envelope_hash: String, payload_hash: Option<String>, public_key: Vec<u8> },
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier { pub key_details: String, pub material: VerifierMaterial }
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierMaterial { PublicKey(Vec<u8>), Certificate(Vec<u8>) }
impl Body {
    pub fn parse(json: &[u8]) -> Result<(String, String, Self), EntryError> { todo!() } // kind, version, body
}
/// JCS bytes. `public_key_pem` is canonical PEM text; algorithm and value are as submitted.
pub fn hashedrekord_v001(hash_algorithm: &str, hash_value: &str, signature: &[u8], public_key_pem: &str) -> Vec<u8> { todo!() }
/// JCS bytes. `signatures`: (envelope's b64 sig text, canonical PEM); sorted bytewise by sig text here.
pub fn dsse_v001(envelope_hash_hex: &str, payload_hash_hex: &str, signatures: &[(String, String)]) -> Vec<u8> { todo!() }
/// JCS bytes; `algorithm` is `SHA2_256`….
pub fn hashedrekord_v002(algorithm: &str, digest: &[u8], signature: &[u8], verifier: &Verifier) -> Vec<u8> { todo!() }
/// Bytes that a SET signs: JCS of {body,integratedTime,logID,logIndex}.
pub fn set_input(body: &[u8], integrated_time: i64, log_id: &[u8; 32], log_index: i64) -> Vec<u8> { todo!() }
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError { #[error("TODO")] Todo }
