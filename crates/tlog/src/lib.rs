//! The log engine: pool, sequencer, stores, reads and proofs. One engine serves the Rekor v1, Rekor v2 and CT logs.
#![allow(clippy::todo, missing_docs)]
use bytes::Bytes;
use clock::Clock;
use merkle::Hash;
use std::sync::Arc;

pub mod store;
pub use store::{Store, StoreError};

/// A tree head as committed: size, root, the signed checkpoint that the log's [`HeadSigner`] made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead { pub size: u64, pub root: Hash, /** Unix milliseconds of signing; never goes back. */ pub time_ms: i64, /** Signed note text (Rekor) or static-ct note (CT). */ pub checkpoint: Bytes }

/// Signs tree heads for one log. v1: `host - treeID` note; v2: `host` note; CT: RFC 6962 tree head in a note.
#[async_trait::async_trait]
pub trait HeadSigner: Send + Sync {
    async fn sign_head(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError>;
}
#[derive(Debug, thiserror::Error)]
#[error("the log's key could not sign a tree head: {0}")]
pub struct SignError(pub String);

/// What is submitted: leaf data, what makes it a duplicate, and data stored beside the leaf.
#[derive(Clone, Debug)]
pub struct Submission { /** Merkle leaf data (Rekor: canonical body; CT: MerkleTreeLeaf). */ pub leaf: Bytes, /** Deduplication key. Rekor: the leaf hash; CT: SHA-256 of the submitted certificate. */ pub identity: Hash, /** Stored, not hashed (CT: extra_data). */ pub extra: Bytes }

#[derive(Clone, Debug)]
pub struct Entry { pub index: u64, pub leaf: Bytes, pub extra: Bytes, /** Unix ms of the batch that integrated it: integratedTime. */ pub time_ms: i64 }

/// A durable entry with a proof from one tree head (invariants 3, 4, 6).
#[derive(Clone, Debug)]
pub struct Integrated { pub entry: Entry, pub head: Arc<TreeHead>, pub proof: Vec<Hash>, /** True when this identity was in the log before; entry is then the first copy. */ pub duplicate: bool }

#[derive(Clone, Debug)]
pub struct Limits { pub pool: usize, pub batch_entries: usize, pub batch_bytes: usize, pub max_entry: usize }
impl Default for Limits { fn default() -> Self { Self { pool: 4096, batch_entries: 256, batch_bytes: 512 * 1024, max_entry: 512 * 1024 } } }

#[derive(Clone)]
pub struct Log { inner: Arc<()> }
impl Log {
    /// Opens the log `name` in the store; when it does not exist and `create` is true, signs and stores the empty head.
    /// Verifies that the stored right edge gives the stored root. Starts the sequencer task.
    pub async fn open(store: Arc<dyn Store>, name: &str, signer: Arc<dyn HeadSigner>, clock: Clock, limits: Limits, create: bool) -> Result<Self, OpenError> { todo!() }
    pub fn name(&self) -> &str { todo!() }
    /// Waits until the submission is committed (or found to be a duplicate) and proves it.
    pub async fn append(&self, submission: Submission) -> Result<Integrated, AppendError> { todo!() }
    /// The newest committed head, without waiting.
    pub fn head(&self) -> Arc<TreeHead> { todo!() }
    pub async fn entry(&self, index: u64) -> Result<Option<Entry>, ReadError> { todo!() }
    /// Entries [start, end), at most `max`.
    pub async fn entries(&self, start: u64, end: u64) -> Result<Vec<Entry>, ReadError> { todo!() }
    pub async fn find_leaf(&self, leaf_hash: &Hash) -> Result<Option<u64>, ReadError> { todo!() }
    pub async fn find_identity(&self, identity: &Hash) -> Result<Option<u64>, ReadError> { todo!() }
    pub async fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> { todo!() }
    pub async fn consistency_proof(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, ReadError> { todo!() }
    /// Root of the tree of `size` leaves (size ≤ head).
    pub async fn root_at(&self, size: u64) -> Result<Hash, ReadError> { todo!() }
    /// Tile bytes (width × 32), None when the committed tree has no such tile or width.
    pub async fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Bytes>, ReadError> { todo!() }
    /// C2SP entry bundle: u16-prefixed leaves. None when not there.
    pub async fn bundle(&self, index: u64, width: u16) -> Result<Option<Bytes>, ReadError> { todo!() }
    /// Stops taking submissions, finishes the batch in hand. Idempotent.
    pub async fn close(&self) { todo!() }
}
#[derive(Debug, thiserror::Error)]
pub enum OpenError { #[error("log {0} does not exist in this database")] Missing(String), #[error(transparent)] Store(#[from] StoreError), #[error("log {name}: stored tree and stored head disagree: {detail}")] Corrupt { name: String, detail: String }, #[error(transparent)] Sign(#[from] SignError) }
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the pool of waiting entries is full; retry in a second")] PoolFull,
    #[error("an entry has at most {max} bytes, this one has {have}")] TooLarge { have: usize, max: usize },
    #[error("the log is closed")] Closed,
    /// Not stored as far as known; a retry is safe (deduplicated).
    #[error("the log's store is not available: {0}")] Unavailable(String),
}
#[derive(Debug, thiserror::Error)]
pub enum ReadError { #[error("index {index} is not in a tree of {size}")] OutOfRange { index: u64, size: u64 }, #[error(transparent)] Store(#[from] StoreError), #[error("stored bytes do not hash to the tree: {0}")] Corrupt(String) }
