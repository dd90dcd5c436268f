//! Log entries as the v1 API gives them: body, SET, inclusion proof (spec A.3, A.5).
//!
//! The text is put together here and not serialized from a tree of texts: nothing in it but the checkpoint has a
//! character to escape, and what the SET signs is its beginning. Its members are those of [`formats::wire::LogEntry`].

use crate::v1::error::ApiError;
use crate::v1::id::EntryId;
use crate::v1::shard::{Proven, Shard};
use formats::b64;
use std::io::Write as _;

/// Bytes of an answer beside its body, its hashes and its checkpoint, about.
const FRAME: usize = 768;

impl Shard {
    /// Loads and proves the entry at a local index; `None` when the log has no such entry.
    pub(crate) async fn entry_at(&self, local: u64) -> Result<Option<Vec<u8>>, ApiError> {
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
            uuid: merkle::leaf_hash(&entry.leaf),
            proof: &proof,
            head: &head,
        };
        let (_, text) = self.answer(&proven).await?;
        Ok(Some(text))
    }

    /// As [`Self::entry_at`], for a leaf hash.
    pub(crate) async fn entry_by_uuid(
        &self,
        uuid: &merkle::Hash,
    ) -> Result<Option<Vec<u8>>, ApiError> {
        match self.find(uuid).await? {
            Some(local) => self.entry_at(local).await,
            None => Ok(None),
        }
    }

    /// Makes the answer for a proven entry, `{"<entry ID>": {…}}`, and signs its SET.
    pub(crate) async fn answer(&self, proven: &Proven<'_>) -> Result<(EntryId, Vec<u8>), ApiError> {
        let entry = proven.entry;
        let index = wire_int(self.global_index(entry.index))?;
        let integrated_time = entry.time_ms.div_euclid(1000);
        // The SET covers the global index; a fresh signature each time is as good as the first.
        let signed = formats::entry::set_input(&entry.leaf, integrated_time, &self.log_id, index);
        let set = self
            .signer
            .sign(&signed)
            .await
            .map_err(|e| ApiError::internal("error signing", &e))?;
        let id = self.entry_id(proven.uuid);
        let text = text(&id, &signed, &set, proven)
            .map_err(|e| ApiError::internal("error encoding the entry", &e))?;
        Ok((id, text))
    }
}

fn text(
    id: &EntryId,
    signed: &[u8],
    set: &[u8],
    proven: &Proven<'_>,
) -> Result<Vec<u8>, EncodeError> {
    let Proven {
        entry, proof, head, ..
    } = proven;
    // `{"body":…,"integratedTime":…,"logID":…,"logIndex":…}`: the entry has these members and one more.
    let (_, members) = signed.split_last().ok_or(EncodeError::Empty)?;
    let checkpoint = std::str::from_utf8(&head.checkpoint)?;
    let length = FRAME + signed.len() + proof.len() * 67 + checkpoint.len();
    let mut text = Vec::with_capacity(length);
    write!(text, "{{\"{id}\":")?;
    text.extend_from_slice(members);
    text.extend_from_slice(b",\"verification\":{\"inclusionProof\":{\"checkpoint\":");
    serde_json::to_writer(&mut text, checkpoint)?;
    text.extend_from_slice(b",\"hashes\":[");
    for (place, hash) in proof.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        text.push(b'"');
        text.extend_from_slice(&hex_digits(hash));
        text.push(b'"');
    }
    // Local to the shard, unlike the entry's own index.
    write!(text, "],\"logIndex\":{},\"rootHash\":\"", entry.index)?;
    text.extend_from_slice(&hex_digits(&head.root));
    write!(
        text,
        "\",\"treeSize\":{}}},\"signedEntryTimestamp\":\"",
        head.size
    )?;
    text.extend_from_slice(b64::encode(set).as_bytes());
    text.extend_from_slice(b"\"}}}");
    Ok(text)
}

/// Why an answer could not be written: never, unless a log's checkpoint is no text.
#[derive(Debug, thiserror::Error)]
enum EncodeError {
    #[error("nothing was signed")]
    Empty,
    #[error("the checkpoint is no text")]
    Checkpoint(#[from] std::str::Utf8Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Lower-case hex of a hash: some ten times as fast as collecting characters.
pub(crate) fn hex_digits(hash: &merkle::Hash) -> [u8; 64] {
    let mut text = [0; 64];
    for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(hash) {
        *digits = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

fn digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        _ => b'a' + value - 10,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use formats::wire::LogEntryMap;
    use tlog::{Entry, TreeHead};

    #[test]
    fn the_text_is_the_entry_that_the_wire_format_describes() {
        let entry = Entry {
            index: 3,
            leaf: Bytes::from_static(b"leaf"),
            extra: Bytes::new(),
            time_ms: 5_000,
        };
        let head = TreeHead {
            size: 4,
            root: [0xab; 32],
            time_ms: 6_000,
            checkpoint: Bytes::from("a.example\n4\nq\n\n\u{2014} a.example \"quoted\"\n"),
        };
        let proof = [[1; 32], [0xf0; 32]];
        let uuid = merkle::leaf_hash(&entry.leaf);
        let proven = Proven {
            entry: &entry,
            uuid,
            proof: &proof,
            head: &head,
        };
        let id = EntryId { tree_id: 7, uuid };
        let signed = formats::entry::set_input(&entry.leaf, 5, &[2; 32], 1003);
        let text = text(&id, &signed, b"set", &proven).unwrap();
        let map: LogEntryMap = serde_json::from_slice(&text).unwrap();
        let (name, have) = map.first_key_value().unwrap();
        assert_eq!(*name, id.to_string());
        assert_eq!(have.body, b64::encode(b"leaf"));
        assert_eq!((have.integrated_time, have.log_index), (5, 1003));
        assert_eq!(have.log_id, "02".repeat(32));
        assert_eq!(
            have.verification.signed_entry_timestamp,
            b64::encode(b"set")
        );
        let have = &have.verification.inclusion_proof;
        assert_eq!((have.log_index, have.tree_size), (3, 4));
        assert_eq!(have.root_hash, "ab".repeat(32));
        assert_eq!(have.hashes, ["01".repeat(32), "f0".repeat(32)]);
        assert_eq!(have.checkpoint.as_bytes(), &head.checkpoint[..]);
        // As serde writes it, byte for byte.
        assert_eq!(serde_json::to_vec(&map).unwrap(), text);
    }
}
