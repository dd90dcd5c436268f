//! Sigstore bundle v0.1 to v0.3 (spec/clients.md c.1).
#![allow(clippy::todo, missing_docs)]
use crate::b64::B64;
use crate::dsse::Envelope;
use serde::{Deserialize, Serialize};

pub const MEDIA_TYPE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version { V01, V02, V03 }

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle { pub media_type: String, pub verification_material: VerificationMaterial, #[serde(flatten)] pub content: Content }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content { #[serde(rename = "messageSignature")] Message(MessageSignature), #[serde(rename = "dsseEnvelope")] Dsse(Envelope) }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageSignature { #[serde(skip_serializing_if = "Option::is_none")] pub message_digest: Option<HashOutput>, pub signature: B64 }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashOutput { /** `SHA2_256` */ pub algorithm: String, pub digest: B64 }
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationMaterial {
    #[serde(skip_serializing_if = "Option::is_none")] pub certificate: Option<RawBytes>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "x509CertificateChain")] pub x509_certificate_chain: Option<CertificateChain>,
    #[serde(skip_serializing_if = "Option::is_none")] pub public_key: Option<PublicKeyIdentifier>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")] pub tlog_entries: Vec<TransparencyLogEntry>,
    #[serde(skip_serializing_if = "Option::is_none")] pub timestamp_verification_data: Option<TimestampVerificationData>,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawBytes { pub raw_bytes: B64 }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateChain { pub certificates: Vec<RawBytes> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyIdentifier { #[serde(default)] pub hint: String }
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimestampVerificationData { #[serde(default)] pub rfc3161_timestamps: Vec<SignedTimestamp> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedTimestamp { pub signed_timestamp: B64 }

/// One log entry, as in bundles and as Rekor v2 answers (protojson).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransparencyLogEntry {
    #[serde(default, with = "crate::b64::int64")] pub log_index: i64,
    pub log_id: LogId,
    pub kind_version: KindVersion,
    #[serde(default, with = "crate::b64::int64")] pub integrated_time: i64,
    #[serde(default)] pub inclusion_promise: Option<InclusionPromise>,
    #[serde(default)] pub inclusion_proof: Option<InclusionProof>,
    #[serde(default)] pub canonicalized_body: B64,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogId { pub key_id: B64 }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindVersion { pub kind: String, pub version: String }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InclusionPromise { pub signed_entry_timestamp: B64 }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InclusionProof {
    #[serde(default, with = "crate::b64::int64")] pub log_index: i64,
    pub root_hash: B64,
    #[serde(with = "crate::b64::int64")] pub tree_size: i64,
    #[serde(default)] pub hashes: Vec<B64>,
    #[serde(default)] pub checkpoint: Option<CheckpointEnvelope>,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointEnvelope { pub envelope: String }

impl Bundle {
    /// Parses and checks the shape (media type, exactly one content, one certificate form, non-negative indices, limits).
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> { todo!() }
    pub fn to_json(&self) -> String { todo!() }
    pub fn version(&self) -> Option<Version> { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError { #[error("TODO")] Todo }
