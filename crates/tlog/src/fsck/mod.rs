//! Checks a log against itself: everything that can be recomputed from the stored bytes is, and compared.
//!
//! The tree is computed by another implementation than the engine's ([`tree`]: the crate `rs_merkle`), so that a mistake
//! in our own mathematics does not check itself. The walk goes over the batches once, in order, in bounded memory, and
//! goes on behind whatever it finds. What is compared with what:
//!
//! | Stored | Compared with |
//! |---|---|
//! | batch: place, count | the batch before it |
//! | batch: bodies, hashes | each other; when they differ, the signed checkpoint tells which one lies |
//! | batch: checkpoint | its signature, the recomputed root, its size |
//! | batch: time, identities, extras | the checksums of the row; the time also with the batch before it |
//! | tile | the recomputed tile |
//! | runs of keys | their checksums; every leaf hash and identity leads to its entry, and no key leads elsewhere |
//! | head | the last batch; a frozen one, its own signature |
//! | guard | the recomputed root at its size |
//!
//! Other processes may append meanwhile; what they append is not checked.

mod lookup;
mod report;
mod tree;
mod walk;

pub use report::{Finding, Report, Table};
pub use walk::MAX_FINDINGS;

use crate::guard::Guard;
use crate::store::{Store, StoreError};
use crate::{GuardError, TreeHead};

/// Verifies the log's own signature on a checkpoint. The engine has no keys and no algorithms; the program has.
pub trait HeadVerifier: Send + Sync {
    /// Checks the signature over this very head, and its time where the signature covers one.
    ///
    /// # Errors
    /// What does not hold, as a clause: "no line is signed by …".
    fn verify_head(&self, head: &TreeHead) -> Result<(), String>;
}

/// Is told how far the walk is: entries checked, entries in all.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Why a log could not be checked to its end.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The store did not answer; what it holds is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The guard could not be read.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

/// Checks the log `name`, with the guard that belongs to it. What is wrong is in the report, not an error.
pub async fn check(
    store: &dyn Store,
    name: &str,
    verifier: &dyn HeadVerifier,
    guard: &dyn Guard,
    progress: Progress<'_>,
) -> Result<Report, FsckError> {
    let mut walk = walk::Walk::new(store, name, verifier);
    let guarded = match guard.load(name).await {
        Err(GuardError::Damaged { path, detail, .. }) => {
            walk.damaged_guard(&path.display().to_string(), &detail);
            None
        }
        guarded => guarded?,
    };
    walk.run(guarded, progress).await?;
    Ok(walk.finish())
}
