//! The trees of a v1 log, oldest first, each with its own key.
//!
//! Which one is active is not configured: it is the first that is not frozen. Those before it are inactive; what stands
//! behind it waits. So the moment at which writes move on is the moment of the freeze itself, whoever froze it, and a
//! shard's first index over all shards is known before its first entry: the trees before it never grow again.

use crate::v1::error::ApiError;
use crate::v1::id::EntryId;
use merkle::Hash;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use tlog::{AppendError, Entry, Integrated, Submission, TreeHead};

/// The shards of one v1 log, which may be added to while it is served. Clones share them.
#[derive(Clone)]
pub struct Shards {
    list: Arc<RwLock<Arc<[Arc<Tree>]>>>,
}

/// One tree and its key.
pub(crate) struct Tree {
    pub(crate) tree_id: i64,
    pub(crate) log: tlog::Log,
    pub(crate) signer: keys::Signer,
    /// SHA-256 of the key's SPKI.
    pub(crate) log_id: [u8; 32],
}

impl Tree {
    fn new(tree_id: i64, log: tlog::Log, signer: keys::Signer) -> Arc<Self> {
        let log_id = signer.public_key().key_id();
        Arc::new(Self {
            tree_id,
            log,
            signer,
            log_id,
        })
    }
}

impl Shards {
    /// Makes the list of one shard: its tree ID (positive), its log, opened with [`crate::v1::head_signer`], and the log's
    /// own key, ECDSA P-256 for today's clients.
    pub fn new(tree_id: i64, log: tlog::Log, signer: keys::Signer) -> Self {
        let first = Tree::new(tree_id, log, signer);
        Self {
            list: Arc::new(RwLock::new(Arc::new([first]))),
        }
    }

    /// Adds a shard behind all others; it becomes active when the one before it is frozen. A tree ID that is there
    /// already is not added again.
    pub fn add(&self, tree_id: i64, log: tlog::Log, signer: keys::Signer) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|tree| tree.tree_id == tree_id) {
            return;
        }
        let added = Tree::new(tree_id, log, signer);
        *list = list.iter().cloned().chain([added]).collect();
    }

    fn trees(&self) -> Arc<[Arc<Tree>]> {
        self.list
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The inactive shards, oldest first, and the active one.
    pub(crate) fn now(&self) -> Now {
        let trees = self.trees();
        let last = trees.len().saturating_sub(1);
        let (mut shards, mut first_index) = (Vec::with_capacity(trees.len()), 0_u64);
        for (place, tree) in trees.iter().enumerate() {
            // The flag before the size: once it is set the size is final.
            let is_inactive = place < last && tree.log.is_frozen();
            shards.push(Shard {
                tree: tree.clone(),
                first_index,
            });
            if !is_inactive {
                break;
            }
            first_index = first_index.saturating_add(tree.log.head().size);
        }
        Now(shards)
    }

    /// Appends to the active shard, also when it changes meanwhile; [`AppendError::Frozen`] when the last one is frozen.
    /// Duplicates are looked for in that shard alone, as upstream.
    pub(crate) async fn append(
        &self,
        submission: Submission,
    ) -> Result<(Shard, Integrated), AppendError> {
        loop {
            let now = self.now();
            let active = now.active();
            match active.log.append(submission.clone()).await {
                // Frozen meanwhile: is there one behind it?
                Err(AppendError::Frozen) if self.now().active().tree_id != active.tree_id => {}
                done => return Ok((active.clone(), done?)),
            }
        }
    }
}

/// The shards that have entries, as of one moment: at least one.
pub(crate) struct Now(Vec<Shard>);

impl Now {
    /// The shard that takes entries.
    pub(crate) fn active(&self) -> &Shard {
        self.0.last().expect("a log has at least one shard")
    }

    /// Oldest first.
    pub(crate) fn inactive(&self) -> &[Shard] {
        self.0.split_last().map_or(&[], |(_, inactive)| inactive)
    }

    /// The order of upstream's searches: the active one, then the others from the oldest on.
    pub(crate) fn searched(&self) -> impl Iterator<Item = &Shard> {
        std::iter::once(self.active()).chain(self.inactive())
    }

    /// The shard with this tree ID.
    pub(crate) fn by_tree(&self, tree_id: i64) -> Option<&Shard> {
        self.0.iter().find(|shard| shard.tree_id == tree_id)
    }

    /// The shard that a global index falls into, and the index within it (spec A.3, virtual index).
    pub(crate) fn by_index(&self, global: u64) -> Option<(&Shard, u64)> {
        let shard = self
            .0
            .iter()
            .rev()
            .find(|shard| shard.first_index <= global)?;
        Some((shard, global - shard.first_index))
    }
}

/// One tree of the v1 log and what its answers need.
#[derive(Clone)]
pub(crate) struct Shard {
    tree: Arc<Tree>,
    /// Global index of the shard's first entry.
    first_index: u64,
}

impl Deref for Shard {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.tree
    }
}

/// An entry with its proof at one head (invariant 6).
pub(crate) struct Proven<'a> {
    pub(crate) entry: &'a Entry,
    /// The entry's leaf hash.
    pub(crate) uuid: Hash,
    pub(crate) proof: &'a [Hash],
    pub(crate) head: &'a TreeHead,
}

impl Shard {
    /// The index over all shards of an index in this one.
    pub(crate) fn global_index(&self, local: u64) -> u64 {
        self.first_index.saturating_add(local)
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
