//! Rekor v1 REST objects (spec/rekor.md A.3).
#![allow(clippy::todo, missing_docs)]
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
/// entryID (80 hex) to entry; exactly one member.
pub type LogEntryMap = BTreeMap<String, LogEntry>;
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry { pub body: String, pub integrated_time: i64, #[serde(rename = "logID")] pub log_id: String, pub log_index: i64, pub verification: Verification }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification { pub inclusion_proof: WireInclusionProof, pub signed_entry_timestamp: String }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireInclusionProof { pub checkpoint: String, pub hashes: Vec<String>, pub log_index: i64, pub root_hash: String, pub tree_size: i64 }
impl LogEntry {
    /// As it stands in a bundle (spec/rekor.md A.13).
    pub fn to_transparency_log_entry(&self) -> Result<crate::bundle::TransparencyLogEntry, crate::entry::EntryError> { todo!() }
}
