//! Logs in one SQLite file: write-ahead log, one writing connection, a few reading ones.
//!
//! Every commit is one `BEGIN IMMEDIATE` transaction, handed to the database's thread in two pieces (each costs 50 to 65 µs
//! through sqlx, however many statements and rows it has), and one sync of the write-ahead log. Copying that log into the database file is left
//! to a background task: inside commits it is what makes the slowest one in a hundred ten times slower.

mod checkpointer;
mod runs;

use super::{
    BatchRow, Commit, CommitError, Fence, FenceState, Freeze, Inventory, KeyRow, MAX_SINCE, NewRun,
    PageId, RunRow, Since, Store, StoreError,
};
use crate::TreeHead;
use crate::kill::{self, Moment};
use async_trait::async_trait;
use bytes::Bytes;
use checkpointer::Checkpointer;
use futures::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{
    Sqlite as Sqlite3, SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
    writer: SqlitePool,
    readers: SqlitePool,
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

        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let writer = writer.connect_with(options.clone()).await.map_err(opened)?;
        if check {
            quick_check(path, &writer).await?;
        }
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|error| migration_error(path, &error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "1"));
        let checkpointer = Checkpointer::start(writer.clone(), readers.clone());
        Ok(Self {
            path: path.to_owned(),
            writer,
            readers,
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
        let checkpointer = Checkpointer::start(readers.clone(), readers.clone());
        Ok(Self {
            path: path.to_owned(),
            writer: readers.clone(),
            readers,
            checkpointer,
            lock: Mutex::default(),
        })
    }

    fn read_error(&self, error: &sqlx::Error) -> StoreError {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Impossible(error.to_string())
            }
            _ if is_damage(error) => StoreError::Damaged {
                path: self.path.clone(),
                detail: error.to_string(),
            },
            _ => StoreError::Unavailable(error.to_string()),
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
        let done = sqlx::query(
            "INSERT INTO tlog_log (name, size, root, time_ms, checkpoint) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(log.to_owned())
        .bind(signed(head.size)?)
        .bind(head.root.to_vec())
        .bind(head.time_ms)
        .bind(head.checkpoint.to_vec())
        .execute(&self.writer)
        .await
        // An INSERT alone is its own transaction: an error may come from its commit.
        .map_err(|error| CommitError::Unknown(error.to_string()))?;
        self.checkpointer.wake();
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(CommitError::Conflict)
        }
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = write(&mut connection, commit).await;
        match outcome {
            Ok(()) => self.checkpointer.wake(),
            Err(CommitError::Conflict) => {}
            Err(_) => {
                // On a full disk or a failed write SQLite rolls back by itself, and sqlx goes on believing that the
                // transaction is open: this connection could never begin another one. A new one can.
                let _ = connection.close().await;
            }
        }
        outcome
    }

    async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = write_all(&mut connection, commits).await;
        self.checkpointer.wake();
        if !matches!(outcome, Ok(()) | Err(CommitError::Conflict)) {
            // As for a commit.
            let _ = connection.close().await;
        }
        outcome
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        let Freeze { log, head } = freeze;
        let done = sqlx::query(
            "UPDATE tlog_log SET time_ms = ?1, checkpoint = ?2, frozen = 1
             WHERE name = ?3 AND size = ?4 AND root = ?5 AND frozen = 0",
        )
        .bind(head.time_ms)
        .bind(head.checkpoint.to_vec())
        .bind(log.clone())
        .bind(signed(head.size)?)
        .bind(head.root.to_vec())
        .execute(&self.writer)
        .await
        // An UPDATE alone is its own transaction: an error may come from its commit.
        .map_err(|error| CommitError::Unknown(error.to_string()))?;
        self.checkpointer.wake();
        match done.rows_affected() {
            1 => Ok(()),
            _ => Err(CommitError::Conflict),
        }
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
        runs::pages(self, log, pages).await
    }

    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = runs::put(&mut connection, log, run, replaced).await;
        match outcome {
            Ok(()) => self.checkpointer.wake(),
            Err(CommitError::Conflict) => {}
            // As for a commit.
            Err(_) => drop(connection.close().await),
        }
        outcome
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
        let done = match fence {
            Some(fence) => {
                sqlx::query(
                    "INSERT OR REPLACE INTO tlog_fence (one, state, peer) VALUES (1, ?1, ?2)",
                )
                .bind(fence.state.name())
                .bind(fence.peer.clone())
                .execute(&self.writer)
                .await
            }
            None => {
                sqlx::query("DELETE FROM tlog_fence")
                    .execute(&self.writer)
                    .await
            }
        };
        self.checkpointer.wake();
        done.map(drop).map_err(|error| self.read_error(&error))
    }

    async fn close(&self) {
        self.checkpointer.stop();
        self.readers.close().await;
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

/// One transaction. Until COMMIT is sent, an error means that nothing was written.
async fn write(connection: &mut SqliteConnection, commit: &Commit) -> Result<(), CommitError> {
    // Both in one query: a statement of its own costs 50 to 65 µs on its way to the database's thread and back. The commit
    // stays apart, because what failed before it is not stored, and of the commit itself nobody knows.
    let written = statements("BEGIN IMMEDIATE;", commit)?;
    let written = written.fetch_all(&mut *connection).await;
    // The head row, when it was the expected one.
    if written.map_err(failed)?.is_empty() {
        let undone = sqlx::query("ROLLBACK").execute(connection).await;
        undone.map_err(failed)?;
        return Err(CommitError::Conflict);
    }
    kill::pass(Moment::BatchWritten);
    let committed = sqlx::query("COMMIT").execute(connection).await;
    committed.map_err(|error| CommitError::Unknown(error.to_string()))?;
    Ok(())
}

/// As [`write`], for commits that follow on each other.
async fn write_all(
    connection: &mut SqliteConnection,
    commits: &[Commit],
) -> Result<(), CommitError> {
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection);
    begun.await.map_err(failed)?;
    for commit in commits {
        let written = statements("", commit)?.fetch_all(&mut *connection).await;
        if written.map_err(failed)?.is_empty() {
            let undone = sqlx::query("ROLLBACK").execute(connection).await;
            undone.map_err(failed)?;
            return Err(CommitError::Conflict);
        }
    }
    let committed = sqlx::query("COMMIT").execute(connection).await;
    committed.map_err(|error| CommitError::Unknown(error.to_string()))?;
    Ok(())
}

/// Compares and swaps the head row (invariant 2), then writes the batch and its tiles, each only if the one before it
/// wrote its row. The transaction, which `begin` begins, is left open. Numbered parameters are shared by the statements.
fn statements<'a>(
    begin: &str,
    commit: &'a Commit,
) -> Result<Query<'a, Sqlite3, SqliteArguments>, CommitError> {
    let Commit { head, batch, .. } = commit;
    let mut text = begin.to_owned()
        + "UPDATE tlog_log SET size = $1, root = $2, time_ms = $3, checkpoint = $4
        WHERE name = $5 AND size = $6 AND root = $7 AND frozen = 0
        RETURNING id;
        INSERT INTO tlog_batch (log, first, count, time_ms, hashes, identities, checkpoint, extras, bodies)
        SELECT id, $8, $9, $10, $11, $12, $13, $14, $15 FROM tlog_log WHERE name = $5 AND changes() = 1;";
    for number in (16..).step_by(3).take(commit.tiles.len()) {
        let (level, index, hashes) = (number, number + 1, number + 2);
        text += &format!(
            "INSERT INTO tlog_tile (log, level, idx, hashes)
             SELECT id, ${level}, ${index}, ${hashes} FROM tlog_log WHERE name = $5 AND changes() = 1
             ON CONFLICT (log, level, idx) DO UPDATE SET hashes = excluded.hashes;"
        );
    }
    // At most one text for each number of levels: all of them stay prepared.
    let mut query = sqlx::query(AssertSqlSafe(text))
        .bind(signed(head.size)?)
        .bind(head.root.to_vec())
        .bind(head.time_ms)
        .bind(head.checkpoint.to_vec())
        .bind(commit.log.clone())
        .bind(signed(commit.expected_size)?)
        .bind(commit.expected_root.to_vec())
        .bind(signed(batch.first)?)
        .bind(i64::from(batch.count))
        .bind(batch.time_ms)
        .bind(batch.hashes.to_vec())
        .bind(batch.identities.to_vec())
        .bind(batch.checkpoint.to_vec())
        .bind(batch.extras.to_vec())
        .bind(batch.bodies.to_vec());
    for tile in &commit.tiles {
        query = query
            .bind(i64::from(tile.level))
            .bind(signed(tile.index)?)
            .bind(tile.hashes.to_vec());
    }
    Ok(query)
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

/// SQLite's integers end at 2^63 - 1, and so does a log's size here.
fn signed(value: u64) -> Result<i64, CommitError> {
    i64::try_from(value)
        .map_err(|_| CommitError::Failed("a log in SQLite has at most 2^63 - 1 entries".into()))
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn failed(error: sqlx::Error) -> CommitError {
    CommitError::Failed(error.to_string())
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

async fn quick_check(path: &Path, pool: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(pool)
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

fn open_error(path: &Path, error: &sqlx::Error) -> StoreError {
    let (path, detail) = (path.to_owned(), error.to_string());
    if is_damage(error) {
        StoreError::Damaged { path, detail }
    } else {
        StoreError::Open { path, detail }
    }
}

fn migration_error(path: &Path, error: &sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) if is_damage(error) => open_error(path, error),
        _ => StoreError::Migration {
            path: path.to_owned(),
            detail: error.to_string(),
        },
    }
}

/// The primary result code is SQLITE_CORRUPT (11) or SQLITE_NOTADB (26).
fn is_damage(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}
