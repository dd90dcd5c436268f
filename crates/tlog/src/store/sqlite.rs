//! Logs in one SQLite file: write-ahead log, one writing connection, a few reading ones.
//!
//! Every commit is one `BEGIN IMMEDIATE` transaction on the thread that asks for it, and one sync of the write-ahead log.
//! Copying that log into the database file is left to a background task: inside commits it is what makes the slowest one in
//! a hundred ten times slower. Reads go through a pool of connections with threads of their own (50 to 65 µs a statement).

mod checkpointer;
mod lookup;
mod place;
mod runs;
mod writer;

use super::{
    BatchRow, Commit, CommitError, Fence, FenceState, Freeze, Inventory, KeyRow, MAX_SINCE, NewRun,
    PageId, RunRow, Since, Store, StoreError,
};
use crate::TreeHead;
use async_trait::async_trait;
use bytes::Bytes;
use checkpointer::Checkpointer;
use futures::TryStreamExt;
use lookup::Lookup;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection, Row, SqliteConnection};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use writer::Writer;

/// 8 KiB is one tile and gives 1.4 to 1.7 times the rate of the default 4 KiB.
const PAGE_SIZE: u32 = 8192;
/// Readers wait on the disk, not on each other; more than the cores of a small machine gain nothing.
const READERS: u32 = 4;
/// How long a statement waits for a lock of this process's own connections.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Up to this size the file is checked page by page at start; a larger one would make starting slow.
const QUICK_CHECK_BYTES: u64 = 64 * 1024 * 1024;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/sqlite");

/// One database file, held by this process.
pub(super) struct Sqlite {
    path: PathBuf,
    writer: Writer,
    readers: SqlitePool,
    lookup: Lookup,
    checkpointer: Checkpointer,
    /// Held, never read: the operating system releases it with the process, however that ends, or with
    /// the store. A reader beside has none.
    lock: Mutex<Option<File>>,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = hold(path)?;
        let check = std::fs::metadata(path).is_ok_and(|file| file.len() <= QUICK_CHECK_BYTES);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(PAGE_SIZE)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was answered survives a loss of power: NORMAL would not sync the log at commit.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("wal_autocheckpoint", "0");
        let opened = |error: sqlx::Error| open_error(path, &error);
        // Makes the file, and the mode that stays with it.
        let mut maker = SqliteConnection::connect_with(&options)
            .await
            .map_err(opened)?;
        if check {
            quick_check(path, &mut maker).await?;
        }
        MIGRATIONS
            .run(&mut maker)
            .await
            .map_err(|error| migration_error(path, &error))?;
        // Before the other one is closed: the last to close copies the write-ahead log.
        let writer = Writer::open(path)?;
        maker.close().await.map_err(opened)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "1"));
        let checkpointer = Checkpointer::start(writer.clone(), readers.clone());
        Ok(Self {
            path: path.to_owned(),
            writer,
            readers,
            lookup: Lookup::new(path),
            checkpointer,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Reads what another process writes. Its connections are told to refuse every change.
    pub(super) async fn beside(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("wal_autocheckpoint", "0")
            .pragma("query_only", "1");
        let readers = SqlitePoolOptions::new().max_connections(READERS);
        let readers = readers.connect_with(options).await;
        let readers = readers.map_err(|error| open_error(path, &error))?;
        let writer = Writer::none(path);
        let checkpointer = Checkpointer::start(writer.clone(), readers.clone());
        Ok(Self {
            path: path.to_owned(),
            writer,
            readers,
            lookup: Lookup::new(path),
            checkpointer,
            lock: Mutex::default(),
        })
    }

    /// Says that the write-ahead log has grown, when it has.
    fn done(&self, outcome: Result<(), CommitError>) -> Result<(), CommitError> {
        if outcome.is_ok() {
            self.checkpointer.wake();
        }
        outcome
    }

    fn read_error(&self, error: &(impl Fault + std::fmt::Display)) -> StoreError {
        let detail = error.to_string();
        if error.is_impossible() {
            StoreError::Impossible(detail)
        } else if error.is_damage() {
            StoreError::Damaged {
                path: self.path.clone(),
                detail,
            }
        } else {
            StoreError::Unavailable(detail)
        }
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError> {
        let row =
            sqlx::query("SELECT size, root, time_ms, checkpoint FROM tlog_log WHERE name = ?1")
                .bind(log.to_owned())
                .fetch_optional(&self.readers)
                .await
                .map_err(|error| self.read_error(&error))?;
        row.map(|row| head_from(&row)).transpose()
    }

    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError> {
        let rows = sqlx::query(
            "SELECT l.size, l.root, l.time_ms, l.checkpoint, l.frozen, b.first, b.hashes, b.identities
             FROM tlog_log AS l LEFT JOIN tlog_batch AS b ON b.log = l.id AND b.first >= ?2
             WHERE l.name = ?1
             ORDER BY b.first LIMIT ?3",
        )
        .bind(log.to_owned())
        .bind(saturate(size))
        .bind(i64::from(MAX_SINCE))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.read_error(&error))?;
        let Some(newest) = rows.first() else {
            return Ok(None);
        };
        let head = head_from(newest)?;
        let frozen = newest.try_get("frozen").map_err(impossible)?;
        let rows = rows.iter().filter_map(|row| key_row_from(row).transpose());
        Ok(Some(Since {
            head,
            rows: rows.collect::<Result<_, _>>()?,
            frozen,
        }))
    }

    async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        self.done(self.writer.create(log, head).await)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.done(self.writer.commit(commit).await)
    }

    async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        self.done(self.writer.extend(commits).await)
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        self.done(self.writer.freeze(freeze).await)
    }

    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError> {
        let Ok(index) = i64::try_from(index) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT hashes FROM tlog_tile
             WHERE log = (SELECT id FROM tlog_log WHERE name = ?1) AND level = ?2 AND idx = ?3",
        )
        .bind(log.to_owned())
        .bind(i64::from(level))
        .bind(index)
        .fetch_optional(&self.readers)
        .await
        .map_err(|error| self.read_error(&error))?;
        row.map(|row| blob(&row, "hashes")).transpose()
    }

    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let (start, end) = (saturate(start), saturate(end));
        // A batch lies within one tile, so none that begins before the tile of `start` reaches it.
        let rows = sqlx::query(
            "SELECT first, hashes FROM tlog_batch
             WHERE log = (SELECT id FROM tlog_log WHERE name = ?1)
               AND first >= ?2 - ?2 % 256 AND first < ?3 AND first + count > ?2
             ORDER BY first",
        )
        .bind(log.to_owned())
        .bind(start)
        .bind(end)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.read_error(&error))?;
        rows.iter()
            .map(|row| Ok((number(row, "first")?, blob(row, "hashes")?)))
            .collect()
    }

    async fn batches(
        &self,
        log: &str,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<BatchRow>, StoreError> {
        let (start, end) = (saturate(start), saturate(end));
        let mut stream = sqlx::query(
            "SELECT first, count, time_ms, hashes, identities, checkpoint, extras, bodies FROM tlog_batch
             WHERE log = (SELECT id FROM tlog_log WHERE name = ?1)
               AND first >= ?2 - ?2 % 256 AND first < ?3 AND first + count > ?2
             ORDER BY first",
        )
        .bind(log.to_owned())
        .bind(start)
        .bind(end)
        .fetch(&self.readers);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes {
            let next = stream
                .try_next()
                .await
                .map_err(|error| self.read_error(&error))?;
            let Some(row) = next else { break };
            let batch = batch_from(&row)?;
            bytes += batch.bodies.len() + batch.extras.len();
            rows.push(batch);
        }
        Ok(rows)
    }

    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError> {
        let (start, end) = (saturate(start), saturate(end));
        let rows = sqlx::query(
            "SELECT first, hashes, identities FROM tlog_batch
             WHERE log = (SELECT id FROM tlog_log WHERE name = ?1)
               AND first >= ?2 - ?2 % 256 AND first < ?3 AND first + count > ?2
             ORDER BY first",
        )
        .bind(log.to_owned())
        .bind(start)
        .bind(end)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.read_error(&error))?;
        let rows = rows.iter().filter_map(|row| key_row_from(row).transpose());
        rows.collect()
    }

    async fn runs(&self, log: &str) -> Result<Vec<RunRow>, StoreError> {
        runs::list(self, log).await
    }

    async fn filter(&self, log: &str, run: RunRow) -> Result<Option<Bytes>, StoreError> {
        runs::filter(self, log, run).await
    }

    async fn pages(&self, log: &str, pages: &[PageId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let found = self.lookup.pages(log, pages);
        found.map_err(|error| self.read_error(&error))
    }

    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        self.done(self.writer.put_run(log, run, replaced).await)
    }

    async fn inventory(&self, log: &str) -> Result<Option<Inventory>, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM tlog_batch WHERE log = l.id) AS batches,
                    (SELECT count(*) FROM tlog_tile WHERE log = l.id) AS tiles,
                    (SELECT count(*) FROM tlog_run_page WHERE log = l.id) AS pages
             FROM tlog_log AS l WHERE l.name = ?1",
        )
        .bind(log.to_owned())
        .fetch_optional(&self.readers)
        .await
        .map_err(|error| self.read_error(&error))?;
        row.map(|row| {
            Ok(Inventory {
                batches: number(&row, "batches")?,
                tiles: number(&row, "tiles")?,
                pages: number(&row, "pages")?,
            })
        })
        .transpose()
    }

    async fn fence(&self) -> Result<Option<Fence>, StoreError> {
        let row: Option<(String, String)> = sqlx::query_as("SELECT state, peer FROM tlog_fence")
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.read_error(&error))?;
        row.map(|(state, peer)| {
            let state = FenceState::parse(&state)?;
            Ok(Fence { state, peer })
        })
        .transpose()
    }

    async fn set_fence(&self, fence: Option<&Fence>) -> Result<(), StoreError> {
        let done = self.done(self.writer.set_fence(fence).await);
        done.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn close(&self) {
        self.checkpointer.stop();
        self.readers.close().await;
        self.lookup.close();
        self.writer.close().await;
        // Handles of closed logs may be kept for long; the file is free from here on.
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

fn head_from(row: &SqliteRow) -> Result<TreeHead, StoreError> {
    let root = blob(row, "root")?;
    Ok(TreeHead {
        size: number(row, "size")?,
        root: root
            .as_ref()
            .try_into()
            .map_err(|_| StoreError::Impossible("length of a root".into()))?,
        time_ms: row.try_get("time_ms").map_err(impossible)?,
        checkpoint: blob(row, "checkpoint")?,
    })
}

/// A batch of the outer join; `None` for a head behind which there is none.
fn key_row_from(row: &SqliteRow) -> Result<Option<KeyRow>, StoreError> {
    let first: Option<i64> = row.try_get("first").map_err(impossible)?;
    first
        .map(|_| {
            Ok(KeyRow {
                first: number(row, "first")?,
                hashes: blob(row, "hashes")?,
                identities: blob(row, "identities")?,
            })
        })
        .transpose()
}

fn batch_from(row: &SqliteRow) -> Result<BatchRow, StoreError> {
    Ok(BatchRow {
        first: number(row, "first")?,
        count: u16::try_from(number(row, "count")?)
            .map_err(|_| StoreError::Impossible("count of a batch".into()))?,
        time_ms: row.try_get("time_ms").map_err(impossible)?,
        hashes: blob(row, "hashes")?,
        identities: blob(row, "identities")?,
        checkpoint: blob(row, "checkpoint")?,
        extras: blob(row, "extras")?,
        bodies: blob(row, "bodies")?,
    })
}

fn blob(row: &SqliteRow, column: &str) -> Result<Bytes, StoreError> {
    row.try_get::<Vec<u8>, _>(column)
        .map(Bytes::from)
        .map_err(impossible)
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column).map_err(impossible)?;
    u64::try_from(value).map_err(|_| StoreError::Impossible(format!("{column} is {value}")))
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn impossible(error: sqlx::Error) -> StoreError {
    StoreError::Impossible(error.to_string())
}

/// Takes the advisory lock beside the database.
fn hold(path: &Path) -> Result<File, StoreError> {
    let open_error = |error: std::io::Error| StoreError::Open {
        path: path.to_owned(),
        detail: format!("lock file: {error}"),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)
        .map_err(open_error)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Held {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(open_error(error)),
    }
}

async fn quick_check(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| open_error(path, &error))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: found,
        }),
    }
}

fn open_error(path: &Path, error: &(impl Fault + std::fmt::Display)) -> StoreError {
    let (path, detail) = (path.to_owned(), error.to_string());
    if error.is_damage() {
        StoreError::Damaged { path, detail }
    } else {
        StoreError::Open { path, detail }
    }
}

fn migration_error(path: &Path, error: &sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) if error.is_damage() => open_error(path, error),
        _ => StoreError::Migration {
            path: path.to_owned(),
            detail: error.to_string(),
        },
    }
}

/// What an error of either library says.
trait Fault {
    /// The file is damaged.
    fn is_damage(&self) -> bool;
    /// A value is of another type than this release writes.
    fn is_impossible(&self) -> bool;
}

impl Fault for sqlx::Error {
    fn is_damage(&self) -> bool {
        let code = self
            .as_database_error()
            .and_then(|error| error.code()?.parse::<u32>().ok());
        // The primary result code is SQLITE_CORRUPT (11) or SQLITE_NOTADB (26).
        matches!(code.map(|code| code & 0xff), Some(11 | 26))
    }

    fn is_impossible(&self) -> bool {
        matches!(self, Self::ColumnDecode { .. } | Self::Decode(_))
    }
}

impl Fault for rusqlite::Error {
    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(
            self.sqlite_error_code(),
            Some(DatabaseCorrupt | NotADatabase)
        )
    }

    fn is_impossible(&self) -> bool {
        matches!(
            self,
            Self::FromSqlConversionFailure(..) | Self::InvalidColumnType(..)
        )
    }
}
