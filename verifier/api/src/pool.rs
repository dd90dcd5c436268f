//! Work on cores: as much at once as there are cores, a bounded queue before it, 503 behind it.

use crate::error::ApiError;
use crate::limits;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where verifications run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    /// Requests inside, working or waiting.
    places: Arc<Semaphore>,
    /// Requests at work.
    cores: Arc<Semaphore>,
    /// Uploads that arrive.
    uploads: Arc<Semaphore>,
    /// Images that are fetched.
    images: Arc<Semaphore>,
    width: usize,
}

/// The right to work, or to wait for a core; given back when dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool as wide as `cores`; `waiting` may wait for each.
    pub(crate) fn new(cores: usize, waiting: usize) -> Self {
        let width = cores.max(1);
        // The semaphore has a limit of its own, far above what is of use here.
        let places = waiting.saturating_add(1).saturating_mul(width);
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            cores: Arc::new(Semaphore::new(width)),
            uploads: Arc::new(Semaphore::new(limits::UPLOADS)),
            images: Arc::new(Semaphore::new(limits::IMAGES)),
            width,
        }
    }

    /// How many verifications run at once.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Takes a place, or says 503: waiting longer would only make every answer late.
    pub(crate) fn place(&self) -> Result<Place, ApiError> {
        Self::take(&self.places)
    }

    /// Takes a place for an upload, or says 503.
    pub(crate) fn upload(&self) -> Result<Place, ApiError> {
        Self::take(&self.uploads)
    }

    /// Takes a place for an image, from its fetch to its verdict, or says 503.
    pub(crate) fn image(&self) -> Result<Place, ApiError> {
        Self::take(&self.images)
    }

    fn take(places: &Arc<Semaphore>) -> Result<Place, ApiError> {
        let permit = places.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ApiError::busy())?;
        Ok(Place { _permit: permit })
    }

    /// Runs work on a core. A caller who goes away does not free the core before the work is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        _place: &Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let core = self.cores.clone().acquire_owned().await;
        let core = core.map_err(|_| ApiError::internal())?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        task.await.map_err(|error| {
            // A panic in the engine: the request gets no verdict, the others go on.
            tracing::error!(%error, "a verification ended without a verdict");
            ApiError::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_house_says_503_and_a_place_that_is_given_back_is_taken() {
        let pool = Pool::new(1, 2);
        let mut held = Vec::new();
        for _ in 0..=2 {
            held.push(pool.place().unwrap());
        }
        let refused = pool.place().err().unwrap();
        assert_eq!(refused.status, 503);
        held.pop();
        assert!(pool.place().is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_a_500_and_the_core_is_free_again() {
        let pool = Pool::new(1, 0);
        let place = pool.place().unwrap();
        let ended: Result<(), _> = pool.run(&place, || panic!("a bug")).await;
        assert_eq!(ended.unwrap_err().status, 500);
        assert_eq!(pool.run(&place, || 7).await.unwrap(), 7);
    }
}
