//! One tree of the v1 log and what its answers need.
//!
//! Today there is one shard, the active one. Inactive shards would stand before it in a list, each
//! with its own key, and `first_index` would be the sum of their sizes.

use crate::v1::error::ApiError;
use crate::v1::id::EntryId;
use merkle::Hash;
use tlog::{Entry, TreeHead};

#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) tree_id: i64,
    pub(crate) log: tlog::Log,
    pub(crate) signer: keys::Signer,
    /// SHA-256 of the key's SPKI.
    pub(crate) log_id: [u8; 32],
    /// Global index of the shard's first entry.
    pub(crate) first_index: u64,
}

/// An entry with its proof at one head (invariant 6).
pub(crate) struct Proven<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) proof: &'a [Hash],
    pub(crate) head: &'a TreeHead,
}

impl Shard {
    pub(crate) fn active(tree_id: i64, log: tlog::Log, signer: keys::Signer) -> Self {
        let log_id = signer.public_key().key_id();
        Self {
            tree_id,
            log,
            signer,
            log_id,
            first_index: 0,
        }
    }

    /// The index over all shards of an index in this one.
    pub(crate) fn global_index(&self, local: u64) -> u64 {
        self.first_index.saturating_add(local)
    }

    /// The index in this shard of an index over all; `None` when it is in an older shard.
    pub(crate) fn local_index(&self, global: u64) -> Option<u64> {
        global.checked_sub(self.first_index)
    }

    pub(crate) fn entry_id(&self, uuid: Hash) -> EntryId {
        EntryId {
            tree_id: self.tree_id,
            uuid,
        }
    }

    /// The local index of a leaf hash.
    pub(crate) async fn find(&self, uuid: &Hash) -> Result<Option<u64>, ApiError> {
        Ok(self.log.find_leaf(uuid).await?)
    }
}
