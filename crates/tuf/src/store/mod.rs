//! Where the repository's files are, and who may write them.

mod folder;
mod shared;

pub(crate) use folder::write_atomically;

pub use folder::Folder;
pub use shared::SharedStore;

use crate::{FileName, TufError};
use async_trait::async_trait;

/// The largest file of a repository. A trusted root with a hundred shards has about 100 KiB.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// A place for a repository's files.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads what was published last; `None` when there is no such file.
    async fn read(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError>;

    /// The version of the newest root; `None` when there is no repository.
    async fn newest_root(&self) -> Result<Option<u64>, TufError>;

    /// Waits until nobody else writes, and keeps it so until the session ends.
    async fn begin(&self) -> Result<Box<dyn Session>, TufError>;

    /// Reads for a client: when the place does not answer, what it last answered will do.
    async fn serve(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        self.read(name).await
    }

    /// Brings the static tree in the data folder up to these files, in this order; nothing to do where it is the store.
    async fn mirror(&self, _files: &[FileName]) -> Result<(), TufError> {
        Ok(())
    }
}

/// The right to write, until it is dropped.
#[async_trait]
pub trait Session: Send {
    /// Writes one file, whole or not at all. What is written may be seen at once, or at the commit.
    async fn put(&mut self, name: &FileName, bytes: &[u8]) -> Result<(), TufError>;

    /// Ends the session; after it everything stays.
    async fn commit(self: Box<Self>) -> Result<(), TufError>;
}
