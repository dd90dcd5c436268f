//! The log engine: pool, sequencer, stores, reads and proofs. One engine serves the Rekor v1, Rekor v2 and CT logs.
//!
//! A [`Log`] is one Merkle tree (RFC 6962) in a [`Store`]. [`Log::append`] waits for the commit and answers with a proof;
//! every read comes from one committed tree head. The rooms:
//!
//! - `log`: the handle; `sequencer`: the one task that appends; `freeze`: its last act; `reader`: everything else;
//! - `edge`: the right edge in memory, loaded at start; `follow`: what other processes commit; `cache`: full tiles;
//! - `keys`: deduplication and lookup; `shown`: what witnesses have cosigned;
//! - `batch`: the row of a batch; [`store`]: the narrow boundary to PostgreSQL, SQLite and memory;
//! - [`guard`]: the newest signed head outside the store, against restored backups;
//! - `health`: whether it can append; [`kill`]: where a test may end the process;
//! - [`copy`]: a log integrated again from its rows, in another store;
//! - [`fsck`]: the stored bytes recomputed by a second implementation.

mod batch;
mod cache;
pub mod copy;
mod edge;
mod follow;
mod freeze;
pub mod fsck;
pub mod guard;
mod health;
mod keys;
pub mod kill;
mod log;
mod reader;
mod sequencer;
mod shown;
pub mod store;

pub use batch::{BatchError, MAX_BATCH_ENTRIES};
pub use guard::{FileGuard, Guard, GuardError, NoGuard};
pub use health::Unwell;
pub use log::Log;
pub use reader::{MAX_READ_BYTES, MAX_READ_ENTRIES};
pub use shown::{Tree, Witnesses};
pub use store::{Store, StoreError};

use bytes::Bytes;
use merkle::Hash;
use std::sync::Arc;

/// A tree head as committed: size, root, the signed checkpoint that the log's [`HeadSigner`] made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of these leaves.
    pub root: Hash,
    /// Unix milliseconds of signing; never goes back.
    pub time_ms: i64,
    /// Signed note text (Rekor) or static-ct note (CT).
    pub checkpoint: Bytes,
}

/// Signs tree heads for one log. v1: `host - treeID` note; v2: `host` note; CT: RFC 6962 tree head in a note.
#[async_trait::async_trait]
pub trait HeadSigner: Send + Sync {
    /// Makes the signed note of a head. Its body must be a checkpoint of this very size and root.
    async fn sign_head(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError>;

    /// Makes the signed note of the last head of a log that is frozen at `time_ms`, for the size and root that it has.
    /// A kind of log whose notes say nothing of it signs the head as any other.
    async fn sign_frozen(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError> {
        self.sign_head(size, root, time_ms).await
    }
}

/// Why a tree head was not signed.
#[derive(Debug, thiserror::Error)]
#[error("the log's key could not sign a tree head: {0}")]
pub struct SignError(pub String);

/// What is submitted: leaf data, what makes it a duplicate, and data stored beside the leaf.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Merkle leaf data (Rekor: canonical body; CT: MerkleTreeLeaf).
    pub leaf: Bytes,
    /// Deduplication key. Rekor: the leaf hash; CT: SHA-256 of the submitted certificate.
    pub identity: Hash,
    /// Stored, not hashed (CT: extra_data).
    pub extra: Bytes,
}

/// An entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Leaf index in this log.
    pub index: u64,
    /// Merkle leaf data.
    pub leaf: Bytes,
    /// What was stored beside the leaf.
    pub extra: Bytes,
    /// Unix ms of the batch that integrated it: integratedTime.
    pub time_ms: i64,
}

/// A durable entry with a proof from one tree head (invariants 3, 4, 6).
#[derive(Clone, Debug)]
pub struct Integrated {
    /// The entry; for a duplicate the first copy.
    pub entry: Entry,
    /// The head that the proof leads to.
    pub head: Arc<TreeHead>,
    /// Inclusion proof of the entry in that head.
    pub proof: Vec<Hash>,
    /// True when this identity was in the log before; entry is then the first copy.
    pub duplicate: bool,
}

/// Bounds of one log.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Submissions that wait at most; a commit takes a few milliseconds, so this is about a second of work.
    pub pool: usize,
    /// Entries of a batch, at most one tile ([`MAX_BATCH_ENTRIES`]).
    pub batch_entries: usize,
    /// Entries that a batch waits for, up to [`Limits::batch_age`]. 1 waits for nothing, and is right unless a commit
    /// costs money or a network crossing: batches follow the database by themselves.
    pub batch_floor: usize,
    /// How long the first entry of a batch waits for [`Limits::batch_floor`].
    pub batch_age: std::time::Duration,
    /// Bytes of a batch; a commit above half a MiB falls off a cliff (performance finding 6). A larger entry goes alone.
    pub batch_bytes: usize,
    /// Bytes of one entry, leaf and extra together.
    pub max_entry: usize,
    /// Newest entries whose keys are in memory exactly, at least 256; twice as many for a moment. All processes of a log
    /// should agree on it.
    pub key_tail: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pool: 4096,
            batch_entries: 256,
            batch_floor: 1,
            batch_age: std::time::Duration::from_millis(10),
            batch_bytes: 512 * 1024,
            max_entry: 512 * 1024,
            key_tail: 16 * 1024,
        }
    }
}

/// Why a log did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log was never created.
    #[error("log {0} does not exist in this database")]
    Missing(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds another tree than its head says: nothing may be appended to it.
    #[error("log {name}: stored tree and stored head disagree: {detail}")]
    Corrupt {
        /// Name of the log.
        name: String,
        /// What disagrees.
        detail: String,
    },
    /// The head of a new log was not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store was set back: less, or another tree, than was already signed.
    #[error("{}", guard::describe(name, *have, *signed, *other_root))]
    BehindGuard {
        /// Name of the log.
        name: String,
        /// Entries in the store.
        have: u64,
        /// Entries of the newest signed head.
        signed: u64,
        /// The store has that many entries or more, and another root for them.
        other_root: bool,
    },
    /// The witnesses did not cosign the newest head.
    #[error(
        "log {0}: its witnesses have not cosigned the newest head, and without their quorum nothing is shown; \
         see the log for what each of them answered"
    )]
    NotCosigned(String),
    /// The guard could not be read or written.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

/// Why a submission was not answered with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// More submissions wait than [`Limits::pool`].
    #[error("the pool of waiting entries is full; retry in a second")]
    PoolFull,
    /// Leaf and extra data are larger than [`Limits::max_entry`].
    #[error("an entry has at most {max} bytes, this one has {have}")]
    TooLarge {
        /// Bytes submitted.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// [`Log::close`] was called.
    #[error("the log is closed")]
    Closed,
    /// The log is frozen: it never takes an entry again, and this one is not in it.
    #[error("the log is frozen; entries go to the shard after it")]
    Frozen,
    /// Not stored as far as known; a retry is safe (deduplicated).
    #[error("the log's store is not available: {0}")]
    Unavailable(String),
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// An index or a size that the tree does not have.
    #[error("index {index} is not in a tree of {size}")]
    OutOfRange {
        /// What was asked for.
        index: u64,
        /// The tree it was asked of.
        size: u64,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store answered is not what the tree head commits to.
    #[error("stored bytes do not hash to the tree: {0}")]
    Corrupt(String),
    /// Entry bundles have 16-bit lengths; this log has a longer leaf (Rekor v1).
    #[error("entry {index} has {have} bytes, entry bundles hold at most 65535")]
    NoBundle {
        /// Index of the entry.
        index: u64,
        /// Its length in bytes.
        have: usize,
    },
}
