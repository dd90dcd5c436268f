//! The narrow store boundary: `head`, `since`, `create`, `commit`, `freeze`, `turn`, `tile`, `leaf_hashes`, `batches`,
//! `key_rows`, and the runs of keys: `runs`, `filter`, `pages`, `put_run`.
//!
//! A store keeps several logs, told apart by name. It knows nothing of Merkle trees: it keeps one head row a log,
//! one row a batch, the tiles of level 1 and above, and runs of keys. The head row is compared and
//! swapped in the same transaction that writes everything else of a batch; it is the only coordination between
//! writers (invariant 2), in one process or in several.

mod memory;
mod postgres;
mod sqlite;

use crate::TreeHead;
use async_trait::async_trait;
use bytes::Bytes;
use merkle::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What makes a commit conditional and what it writes. All of it is durable when [`Store::commit`] returns `Ok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Name of the log.
    pub log: String,
    /// The head that must still be the newest one: its size.
    pub expected_size: u64,
    /// The head that must still be the newest one: its root.
    pub expected_root: Hash,
    /// The head that takes its place, signed.
    pub head: TreeHead,
    /// The entries between the two heads.
    pub batch: BatchRow,
    /// Tiles of level 1 and above that changed, each with all its hashes so far; replaces the stored row.
    pub tiles: Vec<TileRow>,
}

/// The entries of one commit as stored. Never crosses a boundary of 256 entries. [`crate::batch`] reads and writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Index of the first entry.
    pub first: u64,
    /// Number of entries, 1 to 256.
    pub count: u16,
    /// Unix milliseconds of the head that this batch made.
    pub time_ms: i64,
    /// Leaf hashes, 32 bytes each.
    pub hashes: Bytes,
    /// Identities, 32 bytes each; empty when every identity is the leaf hash.
    pub identities: Bytes,
    /// The signed checkpoint of the head that this batch made.
    pub checkpoint: Bytes,
    /// Data beside the leaves, each with a u32 length, left out when every entry's is empty; then the row's checksums.
    pub extras: Bytes,
    /// Leaves, each with a u32 length.
    pub bodies: Bytes,
}

/// What a batch adds to the tree and to the lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Index of the first entry.
    pub first: u64,
    /// Leaf hashes, 32 bytes each.
    pub hashes: Bytes,
    /// Identities, 32 bytes each; empty when every identity is the leaf hash.
    pub identities: Bytes,
}

/// What makes a freeze conditional and what it writes: the same tree, signed for the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Name of the log.
    pub log: String,
    /// The head that stays: its size and root must be those of the newest one.
    pub head: TreeHead,
}

/// The newest head and what leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The newest head.
    pub head: TreeHead,
    /// The batches from the asked size on, ascending; at most [`MAX_SINCE`], so perhaps not up to the head.
    pub rows: Vec<KeyRow>,
    /// The head stays the newest one for ever.
    pub frozen: bool,
}

/// Batches that [`Store::since`] answers at most: 4 MiB of hashes.
pub const MAX_SINCE: u16 = 256;

/// A tile of level 1 or above: 1 to 256 hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileRow {
    /// 1 to 7.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
    /// 32 bytes a hash.
    pub hashes: Bytes,
}

/// Names a run of keys: those of the entries `[first, past)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunRow {
    /// Index of the first entry.
    pub first: u64,
    /// Index behind the last entry.
    pub past: u64,
    /// Number of pages.
    pub pages: u32,
}

/// A run to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Its range.
    pub row: RunRow,
    /// Its filter.
    pub filter: Bytes,
    /// Its pages, as many as the row says.
    pub pages: Vec<Bytes>,
}

/// Names a page of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageId {
    /// The run.
    pub run: RunRow,
    /// Number of the page in it.
    pub page: u32,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The leaf hash. When two entries share it, the first one is found.
    Leaf,
    /// The identity. No two entries of a log share it.
    Identity,
}

/// Says of a whole store that its logs are elsewhere, or not all here yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Which.
    pub state: FenceState,
    /// Where they are, or come from; without a password.
    pub peer: String,
}

/// What a fence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceState {
    /// The logs are elsewhere; the store takes no commit.
    Moved,
    /// The logs are being copied to here; the store takes commits, and nobody may serve from it.
    Filling,
}

impl FenceState {
    fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Filling => "filling",
        }
    }

    fn parse(name: &str) -> Result<Self, StoreError> {
        match name {
            "moved" => Ok(Self::Moved),
            "filling" => Ok(Self::Filling),
            _ => Err(StoreError::Impossible(format!("state {name:?} of a fence"))),
        }
    }
}

/// Numbers of the rows that a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Batches.
    pub batches: u64,
    /// Tiles of level 1 and above.
    pub tiles: u64,
    /// Pages of all runs of keys.
    pub pages: u64,
}

/// Keeps logs. See the module for who owns what.
#[async_trait]
pub trait Store: Send + Sync {
    /// The newest head of a log, `None` when there is no such log.
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError>;

    /// The newest head and the batches that begin at or after `size`, from one snapshot. `None` when there is no such log.
    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError>;

    /// Creates a log with its empty, signed head. [`CommitError::Conflict`] when it exists.
    async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError>;

    /// Compares the head row with the expected head and, when equal, writes all of the commit; else writes nothing
    /// and answers [`CommitError::Conflict`].
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError>;

    /// Commits that follow on each other, for a copy of a log: together or one by one, in order, so that after an error
    /// the first ones may be stored.
    async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        for commit in commits {
            self.commit(commit).await?;
        }
        Ok(())
    }

    /// Compares the size and root of the head row and, when they are equal, replaces its checkpoint and time and marks it
    /// frozen: every later commit and freeze answers [`CommitError::Conflict`], as this one does when they differ.
    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError>;

    /// Waits until the caller is the only one that can commit to a log, and stays so until it commits or drops the turn.
    /// `None` where that does not help, because all writers are in one process.
    async fn turn(&self, _log: &str) -> Result<Option<Box<dyn Turn>>, StoreError> {
        Ok(None)
    }

    /// True when other processes may commit to the same logs.
    fn is_shared(&self) -> bool {
        false
    }

    /// The stored hashes of a tile of level 1 or above, perhaps more of them than the caller's head implies.
    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError>;

    /// First index and leaf hashes of every batch that has an entry in `[start, end)`, ascending.
    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError>;

    /// Batches that have an entry in `[start, end)`, ascending. Stops early, after at least one row, once the rows
    /// hold `max_bytes`; the caller asks again from where the last one ended.
    async fn batches(
        &self,
        log: &str,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<BatchRow>, StoreError>;

    /// Hashes and identities of every batch that has an entry in `[start, end)`, ascending.
    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError>;

    /// The runs of keys that a log has.
    async fn runs(&self, log: &str) -> Result<Vec<RunRow>, StoreError>;

    /// The filter of a run, `None` when the run is gone.
    async fn filter(&self, log: &str, run: RunRow) -> Result<Option<Bytes>, StoreError>;

    /// Pages of runs (at most a few hundred), `None` for one whose run is gone.
    async fn pages(&self, log: &str, pages: &[PageId]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Stores a run and removes those that it replaces, together. [`CommitError::Conflict`] when it is there, or a longer
    /// one that replaced it: a process may be late.
    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError>;

    /// Counts the rows of a log, for a check that nothing is there which nothing leads to; `None` when the store cannot.
    async fn inventory(&self, _log: &str) -> Result<Option<Inventory>, StoreError> {
        Ok(None)
    }

    /// What says that the logs are elsewhere, or not all here yet; `None` for a store that may be served.
    async fn fence(&self) -> Result<Option<Fence>, StoreError> {
        Ok(None)
    }

    /// Puts a fence in the place of the one that is there, or removes it. After [`FenceState::Moved`] no commit that is not
    /// finished yet succeeds, by whatever process.
    async fn set_fence(&self, _fence: Option<&Fence>) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("it cannot be fenced".into()))
    }

    /// Releases what the store holds, after the logs on it are closed. Idempotent.
    async fn close(&self) {}
}

/// The right to be the next one who commits to a log; given back when dropped.
#[async_trait]
pub trait Turn: Send {
    /// As [`Store::commit`].
    async fn commit(self: Box<Self>, commit: &Commit) -> Result<(), CommitError>;

    /// As [`Store::freeze`].
    async fn freeze(self: Box<Self>, freeze: &Freeze) -> Result<(), CommitError>;
}

/// Opens (and migrates) an SQLite database file; refuses when another process holds it.
///
/// Creates the file when it does not exist. Takes an advisory lock on `<path>.lock` for as long as the store lives,
/// because two processes on one file would only ever conflict.
pub async fn sqlite(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(sqlite::Sqlite::open(path).await?))
}

/// Opens an SQLite database file beside the process that holds it, to read from: commits are refused.
///
/// # Errors
/// [`StoreError::Open`] when there is no such file, and as [`sqlite`].
pub async fn sqlite_beside(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(sqlite::Sqlite::beside(path).await?))
}

/// Connects to a PostgreSQL database (`postgres://user@host/name?host=/socket/folder`) and migrates it.
///
/// Any number of processes may have logs in it, the same ones or others. A connection that breaks later is replaced.
pub async fn postgres(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(postgres::Postgres::open(url).await?))
}

/// A store in memory, for tests.
pub fn memory() -> Arc<dyn Store> {
    Arc::new(memory::Memory::default())
}

/// Why a store did not open or answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the database open.
    #[error(
        "database {path} is in use by another process, which holds {path}.lock: stop that process, or use another data folder"
    )]
    Held {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a database, or a damaged one.
    #[error(
        "database {path} is damaged: {detail}: restore it from a backup; do not delete rows by hand"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The schema could not be brought to this release's.
    #[error("database {path} could not be migrated: {detail}")]
    Migration {
        /// The database file.
        path: PathBuf,
        /// The migration and its error.
        detail: String,
    },
    /// The file cannot be created, opened or locked.
    #[error("database {path} could not be opened: {detail}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// The operating system's or the database's reason.
        detail: String,
    },
    /// The database server cannot be reached, or refuses the role.
    #[error("database {server} could not be opened: {detail}")]
    Connect {
        /// The database's URL without the password.
        server: String,
        /// The server's or the driver's reason.
        detail: String,
    },
    /// The schema on the database server could not be brought to this release's.
    #[error("database {server} could not be migrated: {detail}")]
    Schema {
        /// The database's URL without the password.
        server: String,
        /// The migration and its error.
        detail: String,
    },
    /// The store does not answer now; a retry may succeed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A stored value that this release cannot have written.
    #[error("the store holds an impossible value: {0}")]
    Impossible(String),
}

/// Why a commit did not succeed, as far as the store can tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The head is another one by now, or the run is there: nothing was written.
    #[error("another writer was first")]
    Conflict,
    /// Nothing was written.
    #[error("nothing was stored: {0}")]
    Failed(String),
    /// All of it or nothing was written; only the store can tell which (invariant 5).
    #[error("it is not known whether the batch was stored: {0}")]
    Unknown(String),
}
