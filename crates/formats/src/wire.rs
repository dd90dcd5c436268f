//! Rekor v1 REST objects (spec/rekor.md A.3) and their form in bundles (A.13).

use crate::b64::{self, B64};
use crate::bundle::{
    CheckpointEnvelope, InclusionPromise, InclusionProof, KindVersion, LogId, TransparencyLogEntry,
};
use crate::entry::{self, EntryError};
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// entryID (80 hex) to entry; exactly one member.
pub type LogEntryMap = BTreeMap<String, LogEntry>;

/// One entry as v1 answers it. Unknown members (`attestation`) are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Base64 of the canonical entry.
    pub body: String,
    /// Unix seconds.
    pub integrated_time: i64,
    /// 64 hex digits: SHA-256 of the shard key's SPKI.
    #[serde(rename = "logID")]
    pub log_id: String,
    /// Over all shards.
    pub log_index: i64,
    /// Proof and SET.
    pub verification: Verification,
}

/// What shows that an entry is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Proof in the shard.
    pub inclusion_proof: WireInclusionProof,
    /// Base64 of the SET.
    pub signed_entry_timestamp: String,
}

/// Inclusion proof in one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireInclusionProof {
    /// Signed note for this size and root.
    pub checkpoint: String,
    /// 64 hex digits each, from leaf to root; `[]` in a tree of one leaf.
    pub hashes: Vec<String>,
    /// In this shard.
    pub log_index: i64,
    /// 64 hex digits.
    pub root_hash: String,
    /// Leaves in this shard.
    pub tree_size: i64,
}

impl LogEntry {
    /// Converts to the form that stands in a bundle; checks encodings and bounds, verifies nothing.
    pub fn to_transparency_log_entry(&self) -> Result<TransparencyLogEntry, EntryError> {
        at_most("body", self.body.len(), limits::BODY_BYTES / 3 * 4 + 4)?;
        let body = base64_member("body", &self.body)?;
        let (kind, version) = entry::kind_version(&body)?;
        at_most(
            "signedEntryTimestamp",
            self.verification.signed_entry_timestamp.len(),
            limits::SIGNATURE_BYTES,
        )?;
        let set = base64_member(
            "signedEntryTimestamp",
            &self.verification.signed_entry_timestamp,
        )?;
        Ok(TransparencyLogEntry {
            log_index: not_negative("logIndex", self.log_index)?,
            log_id: LogId {
                key_id: hash_member("logID", &self.log_id)?,
            },
            kind_version: KindVersion { kind, version },
            integrated_time: not_negative("integratedTime", self.integrated_time)?,
            inclusion_promise: (!set.is_empty()).then_some(InclusionPromise {
                signed_entry_timestamp: B64(set),
            }),
            inclusion_proof: Some(self.verification.inclusion_proof.to_bundle_form()?),
            canonicalized_body: B64(body),
        })
    }
}

impl WireInclusionProof {
    fn to_bundle_form(&self) -> Result<InclusionProof, EntryError> {
        let (have, limit) = (self.hashes.len(), limits::PROOF_HASHES);
        if have > limit {
            return Err(EntryError::TooMany {
                list: "hashes",
                have,
                limit,
            });
        }
        at_most(
            "checkpoint",
            self.checkpoint.len(),
            limits::CHECKPOINT_BYTES,
        )?;
        let hashes = self.hashes.iter().map(|hash| hash_member("hashes[]", hash));
        Ok(InclusionProof {
            log_index: not_negative("inclusionProof.logIndex", self.log_index)?,
            root_hash: hash_member("rootHash", &self.root_hash)?,
            tree_size: not_negative("treeSize", self.tree_size)?,
            hashes: hashes.collect::<Result<_, _>>()?,
            checkpoint: (!self.checkpoint.is_empty()).then(|| CheckpointEnvelope {
                envelope: self.checkpoint.clone(),
            }),
        })
    }
}

fn base64_member(member: &'static str, text: &str) -> Result<Vec<u8>, EntryError> {
    b64::decode_lenient(text).ok_or(EntryError::NotBase64(member))
}

fn hash_member(member: &'static str, text: &str) -> Result<B64, EntryError> {
    let mut hash = [0u8; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| EntryError::NotHash(member))?;
    Ok(B64(hash.to_vec()))
}

fn not_negative(member: &'static str, value: i64) -> Result<i64, EntryError> {
    if value < 0 {
        Err(EntryError::Negative { member, value })
    } else {
        Ok(value)
    }
}

fn at_most(member: &'static str, have: usize, limit: usize) -> Result<(), EntryError> {
    if have > limit {
        Err(EntryError::TooLong {
            member,
            have,
            limit,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LogEntry {
        let body = entry::hashedrekord_v001("sha256", "00", b"sig", "PEM");
        LogEntry {
            body: b64::encode(&body),
            integrated_time: 1_700_000_000,
            log_id: "ab".repeat(32),
            log_index: 123,
            verification: Verification {
                inclusion_proof: WireInclusionProof {
                    checkpoint: "host - 456\n24\n…".into(),
                    hashes: vec!["cd".repeat(32)],
                    log_index: 23,
                    root_hash: "ef".repeat(32),
                    tree_size: 24,
                },
                signed_entry_timestamp: "c2V0".into(),
            },
        }
    }

    #[test]
    fn member_names_are_those_of_rekor_v1() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["logID"], "ab".repeat(32));
        assert_eq!(json["verification"]["inclusionProof"]["treeSize"], 24);
        assert_eq!(json["verification"]["signedEntryTimestamp"], "c2V0");
        assert_eq!(serde_json::from_value::<LogEntry>(json).unwrap(), sample());
    }

    #[test]
    fn the_two_indices_keep_their_places() {
        let entry = sample().to_transparency_log_entry().unwrap();
        assert_eq!(entry.log_index, 123);
        let proof = entry.inclusion_proof.unwrap();
        assert_eq!((proof.log_index, proof.tree_size), (23, 24));
        assert_eq!(proof.root_hash.0, vec![0xef; 32]);
        assert_eq!(
            entry.kind_version,
            KindVersion {
                kind: "hashedrekord".into(),
                version: "0.0.1".into()
            }
        );
        assert_eq!(
            entry.inclusion_promise.unwrap().signed_entry_timestamp.0,
            b"set"
        );
    }

    #[test]
    fn a_broken_member_is_named() {
        let change = |f: fn(&mut LogEntry)| {
            let mut entry = sample();
            f(&mut entry);
            entry.to_transparency_log_entry().unwrap_err()
        };
        assert_eq!(
            change(|e| e.body = "?".into()),
            EntryError::NotBase64("body")
        );
        assert_eq!(
            change(|e| e.log_id = "ab".into()),
            EntryError::NotHash("logID")
        );
        assert_eq!(
            change(|e| e.log_index = -1),
            EntryError::Negative {
                member: "logIndex",
                value: -1
            }
        );
        assert_eq!(
            change(|e| e.verification.inclusion_proof.hashes = vec!["00".repeat(32); 65]),
            EntryError::TooMany {
                list: "hashes",
                have: 65,
                limit: 64
            }
        );
        assert_eq!(
            change(|e| e.verification.inclusion_proof.checkpoint = "x".repeat(70_000)),
            EntryError::TooLong {
                member: "checkpoint",
                have: 70_000,
                limit: limits::CHECKPOINT_BYTES
            }
        );
    }
}
