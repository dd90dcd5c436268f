//! Commits: one statement on a connection that nothing else uses.
//!
//! What an error means (invariant 5): PostgreSQL answers a statement that failed with an ERROR, and then nothing of it is
//! stored. A connection that ends before the answer, for whatever reason, leaves the outcome unknown.

use super::{CONNECT_TIMEOUT, is_broken, runs};
use crate::TreeHead;
use crate::kill::{self, Moment};
use crate::store::{Commit, CommitError, Freeze, NewRun, RunRow, TileRow, Turn};
use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How long a commit may take before its outcome counts as unknown; the server gives up before (see [`SESSION`]).
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Server and session agree that an answer follows the sync, also where the server's default is weaker, and that a
/// writer which hangs does not keep the head row from the others.
const SESSION: &str = "SELECT
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END,
    set_config('statement_timeout', '20s', false),
    set_config('lock_timeout', '10s', false),
    set_config('idle_in_transaction_session_timeout', '10s', false)";

/// Compares and swaps the head row (invariant 2) and writes all of a batch. Nothing is written unless the head row has
/// the expected size and root: everything else is selected from the row that the update returns. A writer that comes
/// second waits for the first one's transaction, sees its head, and updates nothing.
const COMMIT: &str = "
WITH head AS (
    UPDATE tlog_log SET size = $1, root = $2, time_ms = $3, checkpoint = $4
    WHERE name = $5 AND size = $6 AND root = $7 AND NOT frozen
    RETURNING id
), batch AS (
    INSERT INTO tlog_batch (log, first, count, time_ms, hashes, identities, checkpoint, extras, bodies)
    SELECT id, $8, $9, $10, $11, $12, $13, $14, $15 FROM head
), tile AS (
    INSERT INTO tlog_tile (log, level, idx, hash)
    SELECT head.id, t.level, t.idx, t.hash
    FROM head, unnest($16::smallint[], $17::bigint[], $18::bytea[]) AS t (level, idx, hash)
)
SELECT id FROM head";

/// As [`COMMIT`], with the tree as it is.
const FREEZE: &str = "
UPDATE tlog_log SET time_ms = $1, checkpoint = $2, frozen = true
WHERE name = $3 AND size = $4 AND root = $5 AND NOT frozen";

/// Connections for commits, as many as logs commit at once. Not a pool: that would cost a round trip at each use.
pub(super) struct Writers {
    options: PgConnectOptions,
    idle: Mutex<Vec<PgConnection>>,
}

impl Writers {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            idle: Mutex::default(),
        }
    }

    /// Opens a connection. An error says that nothing was stored.
    pub(super) async fn connect(&self) -> Result<PgConnection, CommitError> {
        let connect = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            sqlx::query(SESSION).execute(&mut connection).await?;
            Ok(connection)
        };
        match timeout(CONNECT_TIMEOUT, connect).await {
            Ok(connected) => {
                connected.map_err(|error: sqlx::Error| CommitError::Failed(error.to_string()))
            }
            Err(_) => Err(CommitError::Failed(
                "the database server does not answer".into(),
            )),
        }
    }

    /// Keeps a connection on which nothing is under way.
    pub(super) fn put_back(&self, connection: PgConnection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    async fn take(&self) -> Result<PgConnection, CommitError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    pub(super) async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        let size = signed(head.size)?;
        let mut connection = self.take().await?;
        let insert = sqlx::query(
            "INSERT INTO tlog_log (name, size, root, time_ms, checkpoint) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(log)
        .bind(size)
        .bind(head.root.as_slice())
        .bind(head.time_ms)
        .bind(&head.checkpoint[..])
        .execute(&mut connection);
        let done = self.outcome(timeout(COMMIT_TIMEOUT, insert).await)?;
        self.put_back(connection);
        match done.rows_affected() {
            1 => Ok(()),
            _ => Err(CommitError::Conflict),
        }
    }

    pub(super) async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        // Taken out, put back when it worked: a future that is dropped half-way takes its connection with it.
        let mut connection = self.take().await?;
        let swapped =
            self.outcome(timeout(COMMIT_TIMEOUT, execute(&mut connection, commit)?).await)?;
        self.put_back(connection);
        match swapped {
            true => Ok(()),
            false => Err(CommitError::Conflict),
        }
    }

    /// One transaction; a connection that is dropped half-way undoes it.
    pub(super) async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        let mut connection = self.take().await?;
        let begin = sqlx::query("BEGIN").execute(&mut connection);
        self.outcome(timeout(COMMIT_TIMEOUT, begin).await)?;
        for commit in commits {
            let swapped = timeout(COMMIT_TIMEOUT, execute(&mut connection, commit)?).await;
            if !self.outcome(swapped)? {
                return Err(CommitError::Conflict);
            }
        }
        let end = sqlx::query("COMMIT").execute(&mut connection);
        self.outcome(timeout(COMMIT_TIMEOUT, end).await)?;
        self.put_back(connection);
        Ok(())
    }

    pub(super) async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        let mut connection = self.take().await?;
        let frozen =
            self.outcome(timeout(COMMIT_TIMEOUT, execute_freeze(&mut connection, freeze)?).await)?;
        self.put_back(connection);
        match frozen {
            true => Ok(()),
            false => Err(CommitError::Conflict),
        }
    }

    pub(super) async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        runs::check(run)?;
        let mut connection = self.take().await?;
        let put = runs::put(&mut connection, log, run, replaced);
        let stored = self.outcome(timeout(COMMIT_TIMEOUT, put).await)?;
        self.put_back(connection);
        match stored {
            true => Ok(()),
            false => Err(CommitError::Conflict),
        }
    }

    /// Locks the head row of a log. The server hands the lock on in the order of asking, and a writer that only compares
    /// and swaps waits for it as well.
    pub(super) async fn turn(self: Arc<Self>, log: &str) -> Result<Locked, CommitError> {
        let mut connection = self.take().await?;
        let lock = async {
            sqlx::query("BEGIN").execute(&mut connection).await?;
            sqlx::query("SELECT FROM tlog_log WHERE name = $1 FOR UPDATE")
                .bind(log)
                .execute(&mut connection)
                .await
        };
        self.outcome(timeout(COMMIT_TIMEOUT, lock).await)?;
        Ok(Locked {
            writers: self,
            connection,
        })
    }

    /// Tells what is stored after a writing statement. What ended one connection has usually ended those that rest as
    /// well: each of them would cost another commit of unknown outcome.
    fn outcome<T>(&self, result: Timed<T>) -> Result<T, CommitError> {
        let outcome = outcome(result);
        if matches!(outcome, Err(CommitError::Unknown(_))) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.clear();
        }
        outcome
    }

    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            // The server learns of it either way.
            let _ = connection.close().await;
        }
    }
}

/// A connection whose transaction holds the lock of a head row. Dropped with it, the server undoes the transaction.
pub(super) struct Locked {
    writers: Arc<Writers>,
    connection: PgConnection,
}

#[async_trait]
impl Turn for Locked {
    async fn commit(mut self: Box<Self>, commit: &Commit) -> Result<(), CommitError> {
        let connection = &mut self.connection;
        let swapped = timeout(COMMIT_TIMEOUT, execute(connection, commit)?).await;
        if !self.writers.outcome(swapped)? {
            return Err(CommitError::Conflict);
        }
        kill::pass(Moment::BatchWritten);
        self.end().await
    }

    async fn freeze(mut self: Box<Self>, freeze: &Freeze) -> Result<(), CommitError> {
        let connection = &mut self.connection;
        let frozen = timeout(COMMIT_TIMEOUT, execute_freeze(connection, freeze)?).await;
        if !self.writers.outcome(frozen)? {
            return Err(CommitError::Conflict);
        }
        self.end().await
    }
}

impl Locked {
    async fn end(mut self: Box<Self>) -> Result<(), CommitError> {
        let end = sqlx::query("COMMIT").execute(&mut self.connection);
        self.writers.outcome(timeout(COMMIT_TIMEOUT, end).await)?;
        self.writers.put_back(self.connection);
        Ok(())
    }
}

/// Runs [`FREEZE`]; answers whether the head row was the expected one and not frozen before.
fn execute_freeze<'c>(
    connection: &'c mut PgConnection,
    freeze: &Freeze,
) -> Result<impl Future<Output = Result<bool, sqlx::Error>> + Send + use<'c>, CommitError> {
    let head = &freeze.head;
    let query = sqlx::query(FREEZE)
        .bind(head.time_ms)
        .bind(head.checkpoint.to_vec())
        .bind(freeze.log.clone())
        .bind(signed(head.size)?)
        .bind(head.root.to_vec());
    Ok(async move { Ok(query.execute(connection).await?.rows_affected() == 1) })
}

/// Runs [`COMMIT`]; answers whether the head row was the expected one. sqlx answers after ReadyForQuery, which the
/// server sends after the commit.
fn execute<'c>(
    connection: &'c mut PgConnection,
    commit: &Commit,
) -> Result<impl Future<Output = Result<bool, sqlx::Error>> + Send + use<'c>, CommitError> {
    let Commit { head, batch, .. } = commit;
    let (mut levels, mut indices, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for (level, index, hash) in commit.tiles.iter().filter_map(newest_hash) {
        levels.push(i16::from(level));
        indices.push(signed(index)?);
        hashes.push(hash);
    }
    let query = sqlx::query(COMMIT)
        .bind(signed(head.size)?)
        .bind(head.root.as_slice())
        .bind(head.time_ms)
        .bind(&head.checkpoint[..])
        .bind(&commit.log)
        .bind(signed(commit.expected_size)?)
        .bind(commit.expected_root.as_slice())
        .bind(signed(batch.first)?)
        .bind(i16::try_from(batch.count).unwrap_or(i16::MAX))
        .bind(batch.time_ms)
        .bind(&batch.hashes[..])
        .bind(&batch.identities[..])
        .bind(&batch.checkpoint[..])
        .bind(&batch.extras[..])
        .bind(&batch.bodies[..])
        .bind(levels)
        .bind(indices)
        .bind(hashes);
    Ok(async move {
        let row = query.fetch_optional(connection).await?;
        Ok(row.is_some())
    })
}

/// Level, position and bytes of the hash that a commit adds to a tile. It adds one: a batch ends at most one tile of
/// each level.
fn newest_hash(tile: &TileRow) -> Option<(u8, u64, &[u8])> {
    let (before, hash) = tile.hashes.split_last_chunk::<32>()?;
    let place = u64::try_from(before.len() / 32).ok()?;
    Some((tile.level, (tile.index << 8) + place, hash))
}

type Timed<T> = Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>;

fn outcome<T>(result: Timed<T>) -> Result<T, CommitError> {
    let error = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(_) => {
            return Err(CommitError::Unknown(
                "the database server does not answer".into(),
            ));
        }
    };
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        // unique_violation, serialization_failure, deadlock_detected
        Some("23505" | "40001" | "40P01") => Err(CommitError::Conflict),
        // An ERROR, which undoes the statement; statement_completion_unknown says that it may not have.
        Some(code) if code != "40003" && !is_broken(&error) => {
            Err(CommitError::Failed(error.to_string()))
        }
        _ => Err(CommitError::Unknown(error.to_string())),
    }
}

pub(super) fn signed(value: u64) -> Result<i64, CommitError> {
    i64::try_from(value)
        .map_err(|_| CommitError::Failed("a log in PostgreSQL has at most 2^63 - 1 entries".into()))
}
