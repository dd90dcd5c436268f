//! Where the CPU work of a request runs.

use crate::limits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Runs parsing and signature checks: small requests where they are, large ones on the blocking
/// pool, no more at a time than there are cores.
#[derive(Clone)]
pub(crate) struct Workers {
    permits: Arc<Semaphore>,
}

/// The job did not finish: it panicked or the runtime is going down.
#[derive(Debug, thiserror::Error)]
#[error("a verification task did not finish")]
pub(crate) struct Unfinished;

impl Workers {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            permits: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Runs `job`, whose input has `size` bytes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        size: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        if size <= limits::INLINE_BODY {
            return Ok(job());
        }
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Unfinished)?;
        let task = tokio::task::spawn_blocking(move || {
            // The permit goes with the job: a client that leaves does not free its core.
            let _permit = permit;
            job()
        });
        task.await.map_err(|_| Unfinished)
    }
}
