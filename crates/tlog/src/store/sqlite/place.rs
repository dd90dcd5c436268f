//! Where what blocks runs.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what blocks on this thread: the runtime's other tasks go on elsewhere. A runtime of one thread (tests) has no
/// elsewhere.
pub(super) fn in_place<T>(run: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run),
        _ => run(),
    }
}
