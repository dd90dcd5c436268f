//! Copies of a log: stored batches integrated again, one by one, and put into another store.
//!
//! A batch row names everything that its commit did: the entries, and the signed checkpoint of the head that they made. So
//! a log is moved by committing its batches again, in order. Nothing is signed: each head has the checkpoint that it always
//! had. A copy is at any moment a log as it once was, at an older head, and goes on from there.
//!
//! Nothing is taken on trust. [`Replay`] hashes every leaf, opens the seal of every row, and compares size and root with
//! the checkpoint in the row; who verifies its signature is [`crate::fsck`], afterwards.

use crate::batch::{self, BatchError};
use crate::edge::{Changes, Edge, check_checkpoint, load};
use crate::store::{BatchRow, Commit, CommitError, Freeze, Store, StoreError};
use crate::{OpenError, TreeHead};
use bytes::Bytes;
use merkle::Hash;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of rows that one transaction writes.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;
/// Rows that one transaction writes.
const CHUNK_ROWS: usize = 1024;
/// Bytes of rows that one query reads.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Why a log was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the target has cannot be gone on from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target did not take rows; all before them are there, and copying again goes on.
    #[error("log {log}: {source}")]
    Commit {
        /// Name of the log.
        log: String,
        /// What the store answered.
        source: CommitError,
    },
    /// A row does not follow on the one before it.
    #[error("log {log}: entry {want} must come next, and a batch begins at {have}")]
    Order {
        /// Name of the log.
        log: String,
        /// Index that must come next.
        want: u64,
        /// Index that comes.
        have: u64,
    },
    /// A row is damaged.
    #[error("log {log}: {source}")]
    Batch {
        /// Name of the log.
        log: String,
        /// What does not add up.
        source: BatchError,
    },
    /// Leaves, hashes and checkpoint of a row disagree.
    #[error("log {log}, batch at entry {first}: {detail}")]
    Tree {
        /// Name of the log.
        log: String,
        /// First entry of the row.
        first: u64,
        /// What disagrees.
        detail: String,
    },
    /// The target has more entries, or others.
    #[error(
        "log {log}: the target has {have} entries, and is no earlier state of this log: {detail}"
    )]
    OtherLog {
        /// Name of the log.
        log: String,
        /// Entries of the target.
        have: u64,
        /// What tells.
        detail: String,
    },
    /// The rows end before the head, or at another one.
    #[error("log {log}: its rows lead to {have} entries, its head has {want}{detail}")]
    Head {
        /// Name of the log.
        log: String,
        /// Entries of the rows.
        have: u64,
        /// Entries of the head.
        want: u64,
        /// What else differs.
        detail: &'static str,
    },
}

/// A log that is integrated again from its rows.
pub struct Replay {
    log: String,
    edge: Edge,
    /// The newest head; `None` while there is no entry.
    head: Option<TreeHead>,
    /// Sizes whose roots are asked for.
    wanted: BTreeMap<u64, Option<Hash>>,
}

impl Replay {
    /// Begins before the first entry.
    pub fn new(log: &str) -> Self {
        Self {
            log: log.to_owned(),
            edge: Edge::empty(),
            head: None,
            wanted: BTreeMap::new(),
        }
    }

    /// Asks for the root at a size that is not passed yet; [`Replay::root_at`] answers when it was.
    pub fn want_root(&mut self, size: u64) {
        let root = (self.edge.size() == size).then(|| self.edge.root());
        self.wanted.entry(size).or_insert(root);
    }

    /// The root at a size that was asked for, once the log has it.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.wanted.get(&size).copied().flatten()
    }

    /// Entries so far.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Root of the entries so far.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Checks that the rows so far lead to this head, as the log's store has it.
    ///
    /// # Errors
    /// [`CopyError::Head`].
    pub fn check_head(&self, head: &TreeHead, frozen: bool) -> Result<(), CopyError> {
        let wrong = |detail| CopyError::Head {
            log: self.log.clone(),
            have: self.size(),
            want: head.size,
            detail,
        };
        if self.size() != head.size {
            return Err(wrong(""));
        }
        if self.root() != head.root {
            return Err(wrong(" and another root"));
        }
        check_checkpoint(head).map_err(|_| wrong(", and its checkpoint is for another tree"))?;
        let last = self.head.as_ref();
        // A frozen head was signed once more.
        if !frozen && last.is_some_and(|last| last != head) {
            return Err(wrong(", and another checkpoint than its last batch"));
        }
        Ok(())
    }

    /// Checks the next row and answers the commit that stores it.
    ///
    /// # Errors
    /// [`CopyError::Order`], [`CopyError::Batch`], [`CopyError::Tree`].
    pub fn push(&mut self, row: BatchRow) -> Result<Commit, CopyError> {
        let first = row.first;
        let wrong = |detail: String| CopyError::Tree {
            log: self.log.clone(),
            first,
            detail,
        };
        // 1. The place and the shape; the columns that no tree covers.
        if first != self.edge.size() {
            return Err(CopyError::Order {
                log: self.log.clone(),
                want: self.edge.size(),
                have: first,
            });
        }
        let entries = batch::decode(&row).map_err(|source| CopyError::Batch {
            log: self.log.clone(),
            source,
        })?;
        // 2. The leaves.
        let (hashes, _) = row.hashes.as_chunks::<32>();
        let other = entries.iter().zip(hashes);
        let mut other = other.filter(|(entry, hash)| merkle::leaf_hash(&entry.leaf) != **hash);
        if let Some((entry, _)) = other.next() {
            return Err(wrong(format!("entry {} has another hash", entry.index)));
        }
        // 3. The tree, and its checkpoint.
        let (mut edge, mut changes) = (self.edge.clone(), Changes::default());
        for hash in hashes {
            edge.push(*hash, &mut changes);
            if let Some(root) = self.wanted.get_mut(&edge.size()) {
                *root = Some(edge.root());
            }
        }
        let head = TreeHead {
            size: edge.size(),
            root: edge.root(),
            time_ms: row.time_ms,
            checkpoint: row.checkpoint.clone(),
        };
        check_checkpoint(&head).map_err(wrong)?;
        let commit = Commit {
            log: self.log.clone(),
            expected_size: self.edge.size(),
            expected_root: self.edge.root(),
            head: head.clone(),
            batch: row,
            tiles: changes.rows,
        };
        (self.edge, self.head) = (edge, Some(head));
        Ok(commit)
    }
}

/// A log that is filled with rows of another one.
pub struct Target {
    store: Arc<dyn Store>,
    replay: Replay,
    frozen: bool,
    waiting: Vec<Commit>,
    bytes: usize,
}

impl Target {
    /// Opens what an earlier try left of the copy, or begins one. `newest` is the newest head of the original.
    ///
    /// A new copy of a log with entries has an empty head without a signature, which no [`crate::Log`] opens.
    ///
    /// # Errors
    /// [`CopyError::Store`], [`CopyError::Commit`], [`CopyError::Open`] when the store has a log of this name that is not
    /// whole.
    pub async fn open(
        store: Arc<dyn Store>,
        log: &str,
        newest: &TreeHead,
    ) -> Result<Self, CopyError> {
        let mut replay = Replay::new(log);
        let mut frozen = false;
        match store.since(log, u64::MAX).await? {
            Some(there) if there.head.size > 0 => {
                let view = load(&*store, log, there.head.clone()).await?;
                replay.edge = view.edge;
                replay.head = Some(there.head);
                frozen = there.frozen;
            }
            Some(there) => frozen = there.frozen,
            None => {
                let empty = match newest.size {
                    0 => newest.clone(),
                    _ => TreeHead {
                        size: 0,
                        root: replay.root(),
                        time_ms: 0,
                        checkpoint: Bytes::new(),
                    },
                };
                let created = store.create(log, &empty).await;
                created.map_err(|source| CopyError::Commit {
                    log: log.to_owned(),
                    source,
                })?;
            }
        }
        Ok(Self {
            store,
            replay,
            frozen,
            waiting: Vec::new(),
            bytes: 0,
        })
    }

    /// Index of the entry that comes next: rows before it are there.
    pub fn size(&self) -> u64 {
        self.replay.size()
    }

    /// Root of what is there.
    pub fn root(&self) -> Hash {
        self.replay.root()
    }

    /// Takes a row; rows that are there already are passed over.
    ///
    /// # Errors
    /// As [`Replay::push`], and [`CopyError::Commit`].
    pub async fn push(&mut self, row: BatchRow) -> Result<(), CopyError> {
        if row.first + u64::from(row.count) <= self.size() {
            return Ok(());
        }
        self.bytes += row.bodies.len() + row.extras.len() + row.hashes.len();
        let commit = self.replay.push(row)?;
        self.waiting.push(commit);
        if self.bytes >= CHUNK_BYTES || self.waiting.len() >= CHUNK_ROWS {
            self.flush().await?;
        }
        Ok(())
    }

    /// Stores what was taken.
    ///
    /// # Errors
    /// [`CopyError::Commit`].
    pub async fn flush(&mut self) -> Result<(), CopyError> {
        let commits = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if commits.is_empty() {
            return Ok(());
        }
        let stored = self.store.extend(&commits).await;
        stored.map_err(|source| self.failed(source))
    }

    /// Ends the copy: it has to have the head of the original, and is frozen when that is.
    ///
    /// # Errors
    /// [`CopyError::Head`] when rows are missing, [`CopyError::Commit`].
    pub async fn finish(mut self, head: &TreeHead, frozen: bool) -> Result<(), CopyError> {
        self.flush().await?;
        self.replay.check_head(head, frozen || self.frozen)?;
        let log = self.replay.log.clone();
        if frozen && !self.frozen {
            let freeze = Freeze {
                log,
                head: head.clone(),
            };
            let frozen = self.store.freeze(&freeze).await;
            return frozen.map_err(|source| self.failed(source));
        }
        Ok(())
    }

    fn failed(&self, source: CommitError) -> CopyError {
        CopyError::Commit {
            log: self.replay.log.clone(),
            source,
        }
    }
}

/// The newest head of a log and whether it is frozen; `None` when there is no such log.
///
/// # Errors
/// [`StoreError`].
pub async fn newest(store: &dyn Store, log: &str) -> Result<Option<(TreeHead, bool)>, StoreError> {
    let since = store.since(log, u64::MAX).await?;
    Ok(since.map(|since| (since.head, since.frozen)))
}

/// Copies rows `[target, size)` of a log from one store to another, and stores them. `progress` is told the entries done.
///
/// # Errors
/// [`CopyError`]; what was stored stays, and copying again goes on.
pub async fn follow(
    from: &dyn Store,
    target: &mut Target,
    size: u64,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), CopyError> {
    let log = target.replay.log.clone();
    while target.size() < size {
        let before = target.size();
        let rows = from.batches(&log, before, size, READ_BYTES).await?;
        for row in rows {
            target.push(row).await?;
        }
        if target.size() == before {
            return Err(CopyError::Order {
                log,
                want: before,
                have: size,
            });
        }
        progress(target.size());
    }
    target.flush().await
}

/// Refuses a target that is no earlier state of the log in `from`.
///
/// # Errors
/// [`CopyError::OtherLog`].
pub async fn check_prefix(from: Arc<dyn Store>, target: &Target) -> Result<(), CopyError> {
    let log = target.replay.log.clone();
    let have = target.size();
    let other = |detail: &str| CopyError::OtherLog {
        log: log.clone(),
        have,
        detail: detail.to_owned(),
    };
    let newest = from.since(&log, u64::MAX).await?;
    let newest = newest.ok_or_else(|| OpenError::Missing(log.clone()))?;
    if newest.head.size < have {
        return Err(other(&format!("the original has {}", newest.head.size)));
    }
    if have == 0 {
        return Ok(());
    }
    let view = load(&*from, &log, newest.head).await?;
    let root = crate::reader::Reader::new(from, &log)
        .root_at(&view, have)
        .await;
    match root {
        Ok(root) if root == target.root() => Ok(()),
        Ok(_) => Err(other("their roots differ")),
        Err(error) => Err(other(&error.to_string())),
    }
}
