//! What an archive says of itself.

use serde::{Deserialize, Serialize};
use tlog::TreeHead;

/// The format that this release writes.
pub(crate) const FORMAT: u32 = 1;
/// Name of the first entry.
pub(crate) const ABOUT: &str = "sigstead-backup.json";
/// Name of the last entry.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The first entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Format of the archive.
    pub format: u32,
    /// Version of the program that wrote it.
    pub tool: String,
    /// When it was begun, RFC 3339.
    pub created: String,
    /// Random, in hex: names the archive.
    pub id: String,
}

/// The last entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Everything before it, in order.
    pub entries: Vec<EntryRecord>,
    /// The logs.
    pub logs: Vec<LogRecord>,
}

/// An entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A log of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its name in the database.
    pub name: String,
    /// Entries.
    pub size: u64,
    /// Root in hex.
    pub root: String,
    /// It never grows.
    pub frozen: bool,
}

/// A tree head as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedHead {
    /// Entries.
    pub size: u64,
    /// Root in hex.
    pub root: String,
    /// Unix milliseconds.
    pub time_ms: i64,
    /// The signed checkpoint, base64.
    pub checkpoint: String,
    /// It never grows.
    #[serde(default)]
    pub frozen: bool,
}

impl SavedHead {
    pub(crate) fn new(head: &TreeHead, frozen: bool) -> Self {
        use base64::Engine as _;
        Self {
            size: head.size,
            root: hex::encode(head.root),
            time_ms: head.time_ms,
            checkpoint: base64::prelude::BASE64_STANDARD.encode(&head.checkpoint),
            frozen,
        }
    }

    /// A head that may grow.
    pub fn of(head: &TreeHead) -> Self {
        Self::new(head, false)
    }

    pub(crate) fn head(&self) -> Result<TreeHead, String> {
        use base64::Engine as _;
        let root = hex::decode(&self.root).ok();
        let root = root.and_then(|root| <[u8; 32]>::try_from(root).ok());
        let checkpoint = base64::prelude::BASE64_STANDARD.decode(&self.checkpoint);
        Ok(TreeHead {
            size: self.size,
            root: root.ok_or("its root is not 64 hexadecimal digits")?,
            time_ms: self.time_ms,
            checkpoint: checkpoint
                .map_err(|_| "its checkpoint is not base64")?
                .into(),
        })
    }
}
