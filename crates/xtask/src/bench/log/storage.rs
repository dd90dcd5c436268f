//! The log engine without HTTP: full batches into each store.

use super::databases::{BATCH, BATCHES, Databases, ENTRY, incompressible, runtime, settle};
use super::figures::Figures;
use anyhow::{Result, ensure};
use bytes::Bytes;
use clock::Clock;
use futures::StreamExt;
use keys::{Algorithm, Purpose, Signer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tlog::{Limits, Log, Store, Submission};

/// Submissions that wait at a time: one batch is committed while the next one gathers.
const WAITING: usize = 2 * BATCH;

/// Appends the same number of entries as the limits did to a fresh log in every store.
pub(super) fn measure(folder: &Path, databases: &Databases, figures: &mut Figures) -> Result<()> {
    let runtime = runtime()?;
    let leaves: Vec<Bytes> = (0..BATCHES * BATCH)
        .map(|index| Bytes::from(incompressible(index, ENTRY)))
        .collect();
    runtime.block_on(async {
        let file = folder.join("log.db");
        let stores: [(&str, Option<Arc<dyn Store>>); 3] = [
            ("memory append", Some(tlog::store::memory())),
            ("sqlite append", Some(tlog::store::sqlite(&file).await?)),
            (
                "postgres append",
                match &databases.postgres {
                    Some(cluster) => Some(tlog::store::postgres(&cluster.database()).await?),
                    None => None,
                },
            ),
        ];
        for (name, store) in stores {
            let Some(store) = store else { continue };
            let log = open(store.clone()).await?;
            let time = append(&log, leaves.iter().cloned()).await?;
            figures.add(name, leaves.len() as f64 / time.as_secs_f64());
            log.close().await;
            store.close().await;
            settle();
        }
        Ok(())
    })
}

/// Opens a log with a fresh key.
pub(super) async fn open(store: Arc<dyn Store>) -> Result<Log> {
    let signer = Signer::in_memory(Purpose::RekorV2, Algorithm::EcdsaP256)?;
    let signer = rekor::v2::head_signer("bench.example", signer);
    let limits = Limits::default();
    Ok(Log::open(store, "bench", signer, Clock::system(), limits, true).await?)
}

/// Appends all and waits for every answer.
pub(super) async fn append(log: &Log, leaves: impl Iterator<Item = Bytes>) -> Result<Duration> {
    let start = Instant::now();
    let submissions = leaves.map(|leaf| {
        let log = log.clone();
        let identity = merkle::leaf_hash(&leaf);
        let submission = Submission {
            leaf,
            identity,
            extra: Bytes::new(),
        };
        tokio::spawn(async move { log.append(submission).await })
    });
    let mut answers = futures::stream::iter(submissions).buffer_unordered(WAITING);
    while let Some(answer) = answers.next().await {
        ensure!(!answer??.duplicate, "an entry was there before");
    }
    Ok(start.elapsed())
}
