//! The one connection that writes to an SQLite file.
//!
//! A commit runs on the thread that asks for it. Each statement that goes to a database's own thread and back costs two
//! wake-ups, more than the statement itself, and a commit has four of them. Nothing waits meanwhile: the runtime moves
//! its other tasks to another thread.

use super::place::in_place;
use super::{BUSY_TIMEOUT, open_error};
use crate::TreeHead;
use crate::kill::{self, Moment};
use crate::store::{Commit, CommitError, Fence, Freeze, NewRun, RunRow, StoreError};
use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Statements that stay prepared: all of this module.
const PREPARED: usize = 16;
/// Bytes of the pages that a commit changes besides: four of 8 KiB.
const WRITE: usize = 32 * 1024;
/// How long commits wait for readers before the write-ahead log goes on growing: one that is short ends meanwhile, and one
/// that is long, as of a backup, should not stop commits.
const RESTART_WAIT: Duration = Duration::from_millis(10);

/// The connection, one caller at a time.
#[derive(Clone)]
pub(super) struct Writer {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
    /// Bytes that went into the write-ahead log since somebody asked, about.
    written: Arc<AtomicUsize>,
}

impl Writer {
    /// Opens a file that exists, in its write-ahead mode.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path).map_err(|error| open_error(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            connection: Arc::new(Mutex::new(Some(connection))),
            written: Arc::default(),
        })
    }

    /// One that writes nothing: the file is another process's.
    pub(super) fn none(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            connection: Arc::default(),
            written: Arc::default(),
        }
    }

    /// Bytes that went into the write-ahead log since they were forgotten, about.
    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn forget_written(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// Every write changes some pages, beside the bytes that it brings: of tables, of indexes, of free space.
    fn count(&self, bytes: usize) {
        self.written.fetch_add(bytes + WRITE, Ordering::Relaxed);
    }

    pub(super) async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        let size = signed(head.size)?;
        self.write(|connection| {
            // An INSERT alone is its own transaction: an error may come from its commit.
            let inserted = prepare(
                connection,
                "INSERT INTO tlog_log (name, size, root, time_ms, checkpoint) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO NOTHING",
            )?
            .execute(params![log, size, &head.root[..], head.time_ms, &head.checkpoint[..]]);
            one(inserted.map_err(unknown)?)
        })
        .await
    }

    pub(super) async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        let Freeze { log, head } = freeze;
        let size = signed(head.size)?;
        self.write(|connection| {
            // An UPDATE alone is its own transaction: an error may come from its commit.
            let updated = prepare(
                connection,
                "UPDATE tlog_log SET time_ms = ?1, checkpoint = ?2, frozen = 1
                 WHERE name = ?3 AND size = ?4 AND root = ?5 AND frozen = 0",
            )?
            .execute(params![
                head.time_ms,
                &head.checkpoint[..],
                log,
                size,
                &head.root[..]
            ]);
            one(updated.map_err(unknown)?)
        })
        .await
    }

    /// One transaction and one sync of the write-ahead log.
    pub(super) async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let batch = &commit.batch;
        self.count(batch.bodies.len() + batch.extras.len() + batch.hashes.len());
        self.write(|connection| {
            transact(connection, Moment::BatchWritten, |connection| {
                put_batch(connection, commit)
            })
        })
        .await
    }

    /// Commits that follow on each other: all of them or none.
    pub(super) async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        let batches = commits.iter().map(|commit| &commit.batch);
        self.count(batches.map(|batch| batch.bodies.len()).sum());
        self.write(|connection| {
            transact(connection, Moment::BatchWritten, |connection| {
                commits
                    .iter()
                    .try_for_each(|commit| put_batch(connection, commit))
            })
        })
        .await
    }

    /// Says, or says no more, that this database is not to be served.
    pub(super) async fn set_fence(&self, fence: Option<&Fence>) -> Result<(), CommitError> {
        self.write(|connection| {
            let done = match fence {
                Some(fence) => prepare(
                    connection,
                    "INSERT OR REPLACE INTO tlog_fence (one, state, peer) VALUES (1, ?1, ?2)",
                )?
                .execute(params![fence.state.name(), fence.peer]),
                None => prepare(connection, "DELETE FROM tlog_fence")?.execute([]),
            };
            done.map(drop).map_err(unknown)
        })
        .await
    }

    /// One transaction, as short as the pages allow: commits wait for it.
    pub(super) async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        self.count(run.pages.iter().map(Bytes::len).sum());
        self.write(|connection| {
            transact(connection, Moment::RunWritten, |connection| {
                put_run(connection, log, run, replaced)
            })
        })
        .await
    }

    /// Copies the rest of the write-ahead log, so that the next commit begins at its start; `cut` gives its space back as well.
    /// False when a reader still needs it.
    pub(super) async fn restart(&self, cut: bool) -> Result<bool, CommitError> {
        let pragma = match cut {
            true => "PRAGMA wal_checkpoint(TRUNCATE)",
            false => "PRAGMA wal_checkpoint(RESTART)",
        };
        self.write(|connection| {
            connection.busy_timeout(RESTART_WAIT).map_err(failed)?;
            let done = connection.query_row(pragma, [], |row| row.get::<_, i64>("busy"));
            connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
            Ok(done.map_err(failed)? == 0)
        })
        .await
    }

    /// Waits for the write in hand and closes. A later write fails.
    pub(super) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        // Closing the last connection copies the write-ahead log into the file.
        in_place(|| drop(connection));
    }

    /// Runs a write to its end: a caller that stops waiting cannot stop it half-way.
    async fn write<T>(
        &self,
        write: impl FnOnce(&mut Connection) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        let mut slot = self.connection.lock().await;
        let connection = slot
            .as_mut()
            .ok_or_else(|| CommitError::Failed("the database is closed".into()))?;
        in_place(|| {
            let outcome = write(connection);
            // On a full disk or a failed write SQLite rolls back by itself. What it leaves open is undone; a connection
            // where that fails is replaced, and as long as that fails as well, writes do.
            if !connection.is_autocommit()
                && connection.execute_batch("ROLLBACK").is_err()
                && let Ok(fresh) = connect(&self.path)
            {
                *connection = fresh;
            }
            outcome
        })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Only its caller uses a connection, so it needs no lock of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A commit that was answered survives a loss of power: NORMAL would not sync the log at commit.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(connection)
}

/// Until COMMIT is sent, an error means that nothing was written; of the commit itself nobody knows.
fn transact(
    connection: &mut Connection,
    written: Moment,
    write: impl FnOnce(&mut Connection) -> Result<(), CommitError>,
) -> Result<(), CommitError> {
    prepare(connection, "BEGIN IMMEDIATE")?
        .execute([])
        .map_err(failed)?;
    if let Err(error) = write(connection) {
        // Undone by the caller when this fails.
        let _ = connection.execute_batch("ROLLBACK");
        return Err(error);
    }
    kill::pass(written);
    prepare(connection, "COMMIT")?
        .execute([])
        .map_err(unknown)?;
    Ok(())
}

/// Compares and swaps the head row (invariant 2), then writes the batch and its tiles.
fn put_batch(connection: &Connection, commit: &Commit) -> Result<(), CommitError> {
    let Commit { head, batch, .. } = commit;
    let swapped = prepare(
        connection,
        "UPDATE tlog_log SET size = ?1, root = ?2, time_ms = ?3, checkpoint = ?4
         WHERE name = ?5 AND size = ?6 AND root = ?7 AND frozen = 0
         RETURNING id",
    )?
    .query_row(
        params![
            signed(head.size)?,
            &head.root[..],
            head.time_ms,
            &head.checkpoint[..],
            commit.log,
            signed(commit.expected_size)?,
            &commit.expected_root[..],
        ],
        |row| row.get::<_, i64>(0),
    )
    .optional();
    let log = swapped.map_err(failed)?.ok_or(CommitError::Conflict)?;
    prepare(
        connection,
        "INSERT INTO tlog_batch (log, first, count, time_ms, hashes, identities, checkpoint, extras, bodies)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        log,
        signed(batch.first)?,
        batch.count,
        batch.time_ms,
        &batch.hashes[..],
        &batch.identities[..],
        &batch.checkpoint[..],
        &batch.extras[..],
        &batch.bodies[..],
    ])
    .map_err(failed)?;
    for tile in &commit.tiles {
        prepare(
            connection,
            "INSERT INTO tlog_tile (log, level, idx, hashes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (log, level, idx) DO UPDATE SET hashes = excluded.hashes",
        )?
        .execute(params![
            log,
            tile.level,
            signed(tile.index)?,
            &tile.hashes[..]
        ])
        .map_err(failed)?;
    }
    Ok(())
}

fn put_run(
    connection: &Connection,
    log: &str,
    run: &NewRun,
    replaced: &[RunRow],
) -> Result<(), CommitError> {
    let (first, past) = (signed(run.row.first)?, signed(run.row.past)?);
    let inserted = prepare(
        connection,
        "INSERT INTO tlog_run (log, first, past, pages, filter)
         SELECT id, ?2, ?3, ?4, ?5 FROM tlog_log WHERE name = ?1
           AND NOT EXISTS (SELECT 1 FROM tlog_run AS r WHERE r.log = id AND r.first <= ?2 AND r.past >= ?3)
         ON CONFLICT DO NOTHING RETURNING log",
    )?
    .query_row(params![log, first, past, run.row.pages, &run.filter[..]], |row| row.get::<_, i64>(0))
    .optional();
    let log = inserted.map_err(failed)?.ok_or(CommitError::Conflict)?;
    let mut insert = prepare(
        connection,
        "INSERT INTO tlog_run_page (log, first, past, page, keys) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (page, keys) in (0_i64..).zip(&run.pages) {
        insert
            .execute(params![log, first, past, page, &keys[..]])
            .map_err(failed)?;
    }
    for gone in replaced {
        for delete in [
            "DELETE FROM tlog_run WHERE log = ?1 AND first = ?2 AND past = ?3",
            "DELETE FROM tlog_run_page WHERE log = ?1 AND first = ?2 AND past = ?3",
        ] {
            prepare(connection, delete)?
                .execute(params![log, signed(gone.first)?, signed(gone.past)?])
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// The statement, prepared once a connection. An error means that nothing was written.
fn prepare<'c>(
    connection: &'c Connection,
    statement: &str,
) -> Result<CachedStatement<'c>, CommitError> {
    connection.prepare_cached(statement).map_err(failed)
}

/// The row was written, or it is another one by now.
fn one(rows: usize) -> Result<(), CommitError> {
    match rows {
        1 => Ok(()),
        _ => Err(CommitError::Conflict),
    }
}

/// SQLite's integers end at 2^63 - 1, and so does a log's size here.
fn signed(value: u64) -> Result<i64, CommitError> {
    i64::try_from(value)
        .map_err(|_| CommitError::Failed("a log in SQLite has at most 2^63 - 1 entries".into()))
}

fn failed(error: rusqlite::Error) -> CommitError {
    CommitError::Failed(error.to_string())
}

fn unknown(error: rusqlite::Error) -> CommitError {
    CommitError::Unknown(error.to_string())
}
