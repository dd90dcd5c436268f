//! The log engine without HTTP: full batches into each store.

use super::databases::{BATCH, BATCHES, Databases, ENTRY, incompressible, runtime, settle};
use super::figures::{Figures, micros};
use crate::load::process_cpu;
use anyhow::{Result, ensure};
use bytes::Bytes;
use clock::Clock;
use futures::StreamExt;
use indicatif::ProgressBar;
use keys::{Algorithm, Purpose, Signer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tlog::{Limits, Log, Store, Submission};

/// Submissions that wait at a time: one batch is committed while the next one gathers.
const WAITING: usize = 2 * BATCH;
/// Bytes of a hashedrekord's body, for logs that grow.
const BODY: usize = 700;
/// Entries over which rates are taken while a log grows.
const STRETCH: u64 = 10_000;
/// Proofs timed, each of an entry anywhere in the log.
const PROOFS: u64 = 2_000;

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

/// Grows one log on SQLite: rate and CPU at its start and its end, proof time and memory at its size.
pub(super) fn grow(folder: &Path, entries: u64, figures: &mut Figures) -> Result<()> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let store = tlog::store::sqlite(&folder.join("grown.db")).await?;
        let log = open(store.clone()).await?;
        let (mut resident, bar) = (None, ProgressBar::new(entries));
        let mut stretches = Vec::new();
        for first in (0..entries).step_by(STRETCH as usize) {
            let end = entries.min(first + STRETCH);
            let leaves = (first..end).map(|index| {
                let mut body = vec![b'x'; BODY];
                body[..8].copy_from_slice(&index.to_be_bytes());
                Bytes::from(body)
            });
            let cpu = process_cpu(std::process::id())?;
            let count = (end - first) as f64;
            let time = append(&log, leaves).await?;
            let cpu = process_cpu(std::process::id())?.saturating_sub(cpu);
            stretches.push((count / time.as_secs_f64(), micros(cpu) / count));
            bar.inc(end - first);
            // From the first stretch on: threads, connections and page caches are there then, whatever the size.
            resident.get_or_insert((resident_mib()?, end));
        }
        bar.finish_and_clear();
        if let (Some(first), Some(last)) = (stretches.first(), stretches.last()) {
            figures.add("grow rate at start", first.0);
            figures.add("grow rate at end", last.0);
            figures.add("grow cpu at start", first.1);
            figures.add("grow cpu at end", last.1);
        }
        if let Some((before, end)) = resident.filter(|(_, end)| *end < entries) {
            let grown = resident_mib()? - before;
            figures.add("memory per million", grown * 1e6 / (entries - end) as f64);
        }
        let (near, anywhere) = (proofs(&log, 256).await?, proofs(&log, entries).await?);
        figures.add("proof near the edge", near);
        figures.add("proof anywhere", anywhere);
        log.close().await;
        store.close().await;
        Ok(())
    })
}

async fn open(store: Arc<dyn Store>) -> Result<Log> {
    let signer = Signer::in_memory(Purpose::RekorV2, Algorithm::EcdsaP256)?;
    let signer = rekor::v2::head_signer("bench.example", signer);
    let limits = Limits::default();
    Ok(Log::open(store, "bench", signer, Clock::system(), limits, true).await?)
}

/// Appends all and waits for every answer.
async fn append(log: &Log, leaves: impl Iterator<Item = Bytes>) -> Result<Duration> {
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

/// Microseconds of an inclusion proof for one of the last `range` entries.
async fn proofs(log: &Log, range: u64) -> Result<f64> {
    let size = log.head().size;
    let range = range.min(size).max(1);
    let mut random = fastrand::Rng::with_seed(size);
    let indexes: Vec<u64> = (0..PROOFS)
        .map(|_| size - 1 - random.u64(..range))
        .collect();
    for warm in indexes.iter().take(64) {
        log.inclusion_proof(*warm, size).await?;
    }
    let start = Instant::now();
    for index in &indexes {
        log.inclusion_proof(*index, size).await?;
    }
    Ok(micros(start.elapsed()) / indexes.len() as f64)
}

/// Resident memory of this process, in MiB.
fn resident_mib() -> Result<f64> {
    Ok(crate::e2e::resident_kib(std::process::id())? as f64 / 1024.0)
}
