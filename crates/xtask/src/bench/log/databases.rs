//! What the databases alone can do with the bytes of a batch.

use super::figures::{Figures, micros};
use crate::load::{Samples, nanoseconds, process_cpu};
use anyhow::{Context, Result};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::Cluster;
use tokio::runtime::Runtime;

/// Entries of a full batch, and bytes of each.
pub(super) const BATCH: usize = 256;
pub(super) const ENTRY: usize = 2048;
/// Batches of a run: 40 MiB.
pub(super) const BATCHES: usize = 80;
/// Commits of one row, one after the other.
const COMMITS: usize = 200;

/// The databases at hand. SQLite always is.
pub(super) struct Databases {
    pub(super) postgres: Option<Cluster>,
}

impl Databases {
    pub(super) fn start() -> Self {
        let postgres = Cluster::start();
        if postgres.is_none() {
            println!("skipped: PostgreSQL, no initdb on this machine");
        }
        Self { postgres }
    }

    /// Measures inserts of whole batches and commits of one row.
    pub(super) fn limits(&self, folder: &Path, figures: &mut Figures) -> Result<()> {
        let runtime = runtime()?;
        runtime.block_on(sqlite(&folder.join("limit.db"), figures))?;
        if let Some(cluster) = &self.postgres {
            runtime.block_on(postgres(&cluster.database(), figures))?;
        }
        Ok(())
    }
}

/// What storage is measured with: as many threads as cores.
pub(super) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// One row a batch in a table without an index, each its own transaction, with the settings of the log's own store.
async fn sqlite(path: &Path, figures: &mut Figures) -> Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection
        .execute("CREATE TABLE limits (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        .await?;
    let (cpu, start) = (process_cpu(std::process::id())?, Instant::now());
    for batch in 0..BATCHES {
        let bytes = incompressible(batch, BATCH * ENTRY);
        sqlx::query("INSERT INTO limits (bytes) VALUES (?1)")
            .bind(bytes)
            .execute(&mut connection)
            .await?;
    }
    let (wall, cpu) = (
        start.elapsed(),
        process_cpu(std::process::id())?.saturating_sub(cpu),
    );
    let entries = (BATCHES * BATCH) as f64;
    figures.add("sqlite blob loop", entries / wall.as_secs_f64());
    figures.add("database", micros(cpu) / entries);
    let mut commits = Vec::new();
    for row in 0..COMMITS {
        let bytes = incompressible(row, ENTRY);
        let start = Instant::now();
        sqlx::query("INSERT INTO limits (bytes) VALUES (?1)")
            .bind(bytes)
            .execute(&mut connection)
            .await?;
        commits.push(nanoseconds(start.elapsed()));
    }
    figures.add(
        "sqlite commit",
        micros(Samples::new(commits).percentile(50.0)),
    );
    connection.close().await?;
    Ok(())
}

/// COPY by the server from a file of the same bytes, one statement a batch, into a table without an index.
async fn postgres(url: &str, figures: &mut Figures) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection
        .execute("CREATE TABLE limits (bytes bytea NOT NULL)")
        .await?;
    connection
        .execute("ALTER TABLE limits ALTER bytes SET STORAGE PLAIN")
        .await?;
    // The server writes the file itself, so that it can read it whoever we are.
    let (folder,): (String,) = sqlx::query_as("SELECT current_setting('data_directory')")
        .fetch_one(&mut connection)
        .await?;
    let file = format!("{folder}/limits.bin");
    let rows: Vec<Vec<u8>> = (0..BATCH).map(|row| incompressible(row, ENTRY)).collect();
    sqlx::query("INSERT INTO limits SELECT unnest($1::bytea[])")
        .bind(rows)
        .execute(&mut connection)
        .await?;
    connection
        .execute(AssertSqlSafe(format!(
            "COPY limits TO '{file}' (FORMAT binary)"
        )))
        .await?;
    let copy = format!("COPY limits FROM '{file}' (FORMAT binary)");
    let start = Instant::now();
    for _ in 0..BATCHES {
        connection.execute(AssertSqlSafe(copy.as_str())).await?;
    }
    let entries = (BATCHES * BATCH) as f64;
    figures.add("postgres copy", entries / start.elapsed().as_secs_f64());
    let mut commits = Vec::new();
    for row in 0..COMMITS {
        let bytes = incompressible(row, ENTRY);
        let start = Instant::now();
        sqlx::query("INSERT INTO limits (bytes) VALUES ($1)")
            .bind(bytes)
            .execute(&mut connection)
            .await?;
        commits.push(nanoseconds(start.elapsed()));
    }
    figures.add(
        "postgres commit",
        micros(Samples::new(commits).percentile(50.0)),
    );
    connection.close().await.context("PostgreSQL")
}

/// Bytes that do not compress, other ones for every seed.
pub(super) fn incompressible(seed: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed as u64).fill(&mut bytes);
    bytes
}

/// Sleeps, so that what the last measurement left to the background is not paid by the next one.
pub(super) fn settle() {
    std::thread::sleep(Duration::from_millis(200));
}
