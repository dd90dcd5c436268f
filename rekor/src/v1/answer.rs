//! Log entries as the v1 API gives them: body, SET, inclusion proof (spec A.3, A.5).

use crate::v1::error::ApiError;
use crate::v1::id::EntryId;
use crate::v1::shard::{Proven, Shard};
use formats::b64;
use formats::wire::{LogEntry, LogEntryMap, Verification, WireInclusionProof};

impl Shard {
    /// Loads and proves the entry at a local index; `None` when the log has no such entry.
    pub(crate) async fn entry_at(&self, local: u64) -> Result<Option<LogEntryMap>, ApiError> {
        // One head for everything in this answer (invariant 6).
        let head = self.log.head();
        if local >= head.size {
            return Ok(None);
        }
        let Some(entry) = self.log.entry(local).await? else {
            return Ok(None);
        };
        let proof = self.log.inclusion_proof(local, head.size).await?;
        let proven = Proven {
            entry: &entry,
            proof: &proof,
            head: &head,
        };
        let (id, entry) = self.answer(&proven).await?;
        Ok(Some(LogEntryMap::from([(id.to_string(), entry)])))
    }

    /// As [`Self::entry_at`], for a leaf hash.
    pub(crate) async fn entry_by_uuid(
        &self,
        uuid: &merkle::Hash,
    ) -> Result<Option<LogEntryMap>, ApiError> {
        match self.find(uuid).await? {
            Some(local) => self.entry_at(local).await,
            None => Ok(None),
        }
    }

    /// Makes the answer for a proven entry and signs its SET.
    pub(crate) async fn answer(
        &self,
        proven: &Proven<'_>,
    ) -> Result<(EntryId, LogEntry), ApiError> {
        let entry = proven.entry;
        let index = wire_int(self.global_index(entry.index))?;
        let integrated_time = entry.time_ms.div_euclid(1000);
        // The SET covers the global index; a fresh signature each time is as good as the first.
        let input = formats::entry::set_input(&entry.leaf, integrated_time, &self.log_id, index);
        let set = self
            .signer
            .sign(&input)
            .await
            .map_err(|e| ApiError::internal("error signing", &e))?;
        let log_entry = LogEntry {
            body: b64::encode(&entry.leaf),
            integrated_time,
            log_id: hex::encode(self.log_id),
            log_index: index,
            verification: Verification {
                inclusion_proof: inclusion_proof(proven)?,
                signed_entry_timestamp: b64::encode(&set),
            },
        };
        Ok((self.entry_id(merkle::leaf_hash(&entry.leaf)), log_entry))
    }
}

fn inclusion_proof(proven: &Proven<'_>) -> Result<WireInclusionProof, ApiError> {
    let head = proven.head;
    Ok(WireInclusionProof {
        checkpoint: checkpoint_text(&head.checkpoint)?.to_owned(),
        hashes: proven.proof.iter().map(hex::encode).collect(),
        // Local to the shard, unlike the entry's own index.
        log_index: wire_int(proven.entry.index)?,
        root_hash: hex::encode(head.root),
        tree_size: wire_int(head.size)?,
    })
}

pub(crate) fn checkpoint_text(bytes: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(bytes)
        .map_err(|e| ApiError::internal("error generating signed tree head", &e))
}

/// Indices and sizes are int64 on the wire.
pub(crate) fn wire_int(value: u64) -> Result<i64, ApiError> {
    i64::try_from(value)
        .map_err(|e| ApiError::internal("unexpected result from transparency log", &e))
}
