//! One log that grows: what an entry costs at ten thousand, at a million, at ten million.

use super::databases::runtime;
use super::figures::{Figures, micros};
use super::report::short;
use super::storage::{append, open};
use crate::load::process_cpu;
use anyhow::{Context, Result};
use bytes::Bytes;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::Cluster;
use tlog::{Log, Store};

/// Bytes of a hashedrekord's body.
const BODY: usize = 700;
/// Entries over which a rate is taken; the first milestone.
const STRETCH: u64 = 10_000;
/// Stretches before a milestone whose median stands for it: a single one may meet the database's own housekeeping.
const STRETCHES: usize = 10;
/// Proofs timed, each of an entry anywhere in the log.
const PROOFS: u64 = 2_000;

/// What an entry costs at a size.
#[derive(Debug)]
pub(super) struct Milestone {
    store: &'static str,
    entries: u64,
    /// Appends a second.
    rate: f64,
    /// µs of CPU an append: this process, and the database's processes where they are others.
    cpu: f64,
    /// µs of a proof for one of the last 256 entries, and for any.
    near: f64,
    anywhere: f64,
    /// MiB that this process has grown since the first stretch: threads, connections and page caches are there then. `None`
    /// where an earlier log of this run had left memory to reuse.
    memory: Option<f64>,
    elapsed: Duration,
}

/// Grows a log on SQLite, then one on PostgreSQL where there is one.
pub(super) fn measure(
    folder: &Path,
    entries: u64,
    figures: &mut Figures,
) -> Result<Vec<Milestone>> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let sqlite = folder.join("grown");
        std::fs::create_dir(&sqlite)?;
        let store = tlog::store::sqlite(&sqlite.join("log.db")).await?;
        let cpu = || process_cpu(std::process::id());
        let mut milestones = grow("SQLite", store, entries, true, &cpu).await?;
        // Ten million entries are gigabytes; the next store needs the room.
        std::fs::remove_dir_all(&sqlite)?;
        add(&milestones, figures);
        // A server of its own: what a grown database leaves to do in the background would disturb the next measurement.
        if let Some(cluster) = Cluster::start() {
            let url = cluster.database();
            let postmaster = postmaster(&url).await?;
            let cpu = || Ok(process_cpu(std::process::id())? + family_cpu(postmaster)?);
            let store = tlog::store::postgres(&url).await?;
            milestones.extend(grow("PostgreSQL", store, entries, false, &cpu).await?);
        }
        Ok(milestones)
    })
}

/// One row a milestone.
pub(super) fn print(milestones: &[Milestone]) {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header([
        "store",
        "entries",
        "appends",
        "rate to first",
        "CPU an append",
        "CPU to first",
        "proof near the edge",
        "proof anywhere",
        "memory grown by",
        "after",
    ]);
    for milestone in milestones {
        let first = milestones
            .iter()
            .find(|first| first.store == milestone.store);
        let to_first = |of: fn(&Milestone) -> f64| {
            first.map_or(String::new(), |first| short(of(milestone) / of(first)))
        };
        table.add_row([
            milestone.store.to_owned(),
            milestone.entries.to_string(),
            format!("{} /s", short(milestone.rate)),
            to_first(|milestone| milestone.rate),
            format!("{} µs", short(milestone.cpu)),
            to_first(|milestone| milestone.cpu),
            format!("{} µs", short(milestone.near)),
            format!("{} µs", short(milestone.anywhere)),
            milestone
                .memory
                .map_or("-".to_owned(), |mib| format!("{} MiB", short(mib))),
            format!("{} s", short(milestone.elapsed.as_secs_f64())),
        ]);
    }
    println!("logs that grow, entries of {BODY} bytes\n{table}");
}

/// The figures that the goals speak of: the ends of the growth on SQLite.
fn add(milestones: &[Milestone], figures: &mut Figures) {
    let (Some(first), Some(last)) = (milestones.first(), milestones.last()) else {
        return;
    };
    figures.add("grow rate at start", first.rate);
    figures.add("grow rate at end", last.rate);
    figures.add("grow cpu at start", first.cpu);
    figures.add("grow cpu at end", last.cpu);
    figures.add("proof near the edge", last.near);
    figures.add("proof anywhere", last.anywhere);
    if let (Some(grown), true) = (last.memory, last.entries > STRETCH) {
        let millions = (last.entries - STRETCH) as f64 / 1e6;
        figures.add("memory per million", grown / millions);
    }
}

async fn grow(
    name: &'static str,
    store: Arc<dyn Store>,
    entries: u64,
    fresh_memory: bool,
    cpu: &dyn Fn() -> Result<Duration>,
) -> Result<Vec<Milestone>> {
    eprintln!("{name}: a log of {entries} entries");
    let log = open(store.clone()).await?;
    let (mut base, bar, began) = (None, progress(entries)?, Instant::now());
    let (mut stretches, mut milestones) = (Vec::new(), Vec::new());
    for first in (0..entries).step_by(STRETCH as usize) {
        let end = entries.min(first + STRETCH);
        let count = (end - first) as f64;
        let before = cpu()?;
        let time = append(&log, (first..end).map(leaf)).await?;
        let cpu = cpu()?.saturating_sub(before);
        stretches.push((count / time.as_secs_f64(), micros(cpu) / count));
        bar.inc(end - first);
        if !is_milestone(end, entries) {
            continue;
        }
        let base = *base.get_or_insert(resident_mib()?);
        let recent = &stretches[stretches.len().saturating_sub(STRETCHES)..];
        let milestone = Milestone {
            store: name,
            entries: end,
            rate: median(recent.iter().map(|(rate, _)| *rate)),
            cpu: median(recent.iter().map(|(_, cpu)| *cpu)),
            memory: fresh_memory.then_some(resident_mib()? - base),
            near: proofs(&log, 256).await?,
            anywhere: proofs(&log, end).await?,
            elapsed: began.elapsed(),
        };
        // Nobody watches an hour; the table comes at the end.
        bar.suspend(|| {
            eprintln!(
                "{name}: {end} entries after {:.0} s: {} /s, {} µs of CPU an append",
                milestone.elapsed.as_secs_f64(),
                short(milestone.rate),
                short(milestone.cpu)
            );
        });
        milestones.push(milestone);
        // What came before the milestone belongs to it.
        stretches.clear();
    }
    bar.finish_and_clear();
    log.close().await;
    store.close().await;
    Ok(milestones)
}

/// 10,000 and each power of ten after it, and the end.
fn is_milestone(size: u64, entries: u64) -> bool {
    size == entries || (size >= STRETCH && size == 10_u64.pow(size.ilog10()))
}

/// An entry that no other index has.
fn leaf(index: u64) -> Bytes {
    let mut body = vec![b'x'; BODY];
    body[..8].copy_from_slice(&index.to_be_bytes());
    Bytes::from(body)
}

fn progress(entries: u64) -> Result<ProgressBar> {
    let style = "{bar:40} {human_pos} of {human_len}, {per_sec}, {eta} to go";
    Ok(ProgressBar::new(entries).with_style(ProgressStyle::with_template(style)?))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut figures = Figures::default();
    values.for_each(|value| figures.add("", value));
    figures.median("").unwrap_or_default()
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

/// The process whose children serve the connections of a PostgreSQL cluster.
async fn postmaster(url: &str) -> Result<u32> {
    let mut connection = PgConnection::connect(url).await?;
    let (folder,): (String,) = sqlx::query_as("SELECT current_setting('data_directory')")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let file = Path::new(&folder).join("postmaster.pid");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let id = text.lines().next().unwrap_or_default().trim();
    id.parse().with_context(|| file.display().to_string())
}

/// CPU of a process and its children that still run.
fn family_cpu(parent: u32) -> Result<Duration> {
    let mut sum = process_cpu(parent)?;
    for process in std::fs::read_dir("/proc")?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        let status = std::fs::read_to_string(process.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if line.is_some_and(|id| id.trim().parse() == Ok(parent)) {
            sum += process_cpu(id).unwrap_or_default();
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_are_powers_of_ten_and_the_end() {
        let sizes = (1..=300).map(|stretch| stretch * STRETCH);
        let milestones: Vec<u64> = sizes
            .filter(|size| is_milestone(*size, 3_000_000))
            .collect();
        assert_eq!(milestones, [10_000, 100_000, 1_000_000, 3_000_000]);
    }
}
