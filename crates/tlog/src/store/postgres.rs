//! Logs in one PostgreSQL database, shared by any number of processes.
//!
//! A commit is one statement, and so one round trip and one sync of the write-ahead log. Reads have a pool of their
//! own and never wait for a writer. Connections that break are replaced; nothing here needs a restart.

mod runs;
mod writer;

use super::{
    BatchRow, Commit, CommitError, Fence, FenceState, Freeze, Inventory, KeyRow, MAX_SINCE, NewRun,
    PageId, RunRow, Since, Store, StoreError, Turn,
};
use crate::TreeHead;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSeverity};
use sqlx::{Connection, Row};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use writer::Writers;

/// Readers of one process; many processes share a server whose default is 100 connections.
const READERS: u32 = 8;
/// How long a request waits for a connection before it is told that the store is not available.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that rested longer is tried before it is used: the server may have closed it.
const TRUSTED_IDLE: Duration = Duration::from_millis(250);
/// A read is tried again when its connection broke; all of them may have, and each attempt finds one.
const READ_ATTEMPTS: u32 = READERS + 1;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// One database.
pub(super) struct Postgres {
    readers: PgPool,
    writers: Arc<Writers>,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| StoreError::Connect {
            // The text may hold a password: it is not repeated.
            server: "given by its URL".into(),
            detail: error.to_string(),
        })?;
        let options = options.application_name("sigstead");
        let server = describe(&options);
        let writers = Arc::new(Writers::new(options.clone()));
        let mut connection = writers.connect().await.map_err(|error| match error {
            // A reason that waiting does not change has to be read by a person.
            CommitError::Failed(detail) | CommitError::Unknown(detail) => StoreError::Connect {
                server: server.clone(),
                detail,
            },
            CommitError::Conflict => StoreError::Impossible("a conflict of connections".into()),
        })?;
        migrate(&mut connection)
            .await
            .map_err(|error| StoreError::Schema {
                server: server.clone(),
                detail: error.to_string(),
            })?;
        warn_unless_durable(&mut connection, &server).await;
        writers.put_back(connection);
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    // False closes the connection, and the pool goes on to the next one.
                    Ok(meta.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options);
        Ok(Self { readers, writers })
    }

    /// Runs a read, again if its connection broke.
    async fn read<T, F>(&self, query: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let mut attempt = 1;
        loop {
            match query().await {
                Ok(value) => return Ok(value),
                Err(error) if attempt < READ_ATTEMPTS && is_broken(&error) => attempt += 1,
                Err(error) => return Err(read_error(&error)),
            }
        }
    }
}

#[async_trait]
impl Store for Postgres {
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError> {
        let row = self
            .read(|| {
                sqlx::query("SELECT size, root, time_ms, checkpoint FROM tlog_log WHERE name = $1")
                    .bind(log)
                    .fetch_optional(&self.readers)
            })
            .await?;
        row.map(|row| head_from(&row)).transpose()
    }

    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError> {
        let rows = self
            .read(|| {
                sqlx::query(
                    "SELECT l.size, l.root, l.time_ms, l.checkpoint, l.frozen, b.first, b.hashes, b.identities
                     FROM tlog_log AS l LEFT JOIN tlog_batch AS b ON b.log = l.id AND b.first >= $2
                     WHERE l.name = $1
                     ORDER BY b.first LIMIT $3",
                )
                .bind(log)
                .bind(saturate(size))
                .bind(i64::from(MAX_SINCE))
                .fetch_all(&self.readers)
            })
            .await?;
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
        self.writers.create(log, head).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.writers.commit(commit).await
    }

    async fn extend(&self, commits: &[Commit]) -> Result<(), CommitError> {
        self.writers.extend(commits).await
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        self.writers.freeze(freeze).await
    }

    async fn turn(&self, log: &str) -> Result<Option<Box<dyn Turn>>, StoreError> {
        let turn = self.writers.clone().turn(log).await;
        let turn = turn.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Some(Box::new(turn)))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError> {
        let Some(first) = index.checked_mul(256).and_then(|i| i64::try_from(i).ok()) else {
            return Ok(None);
        };
        let row = self
            .read(|| {
                // A hash that is missing in the middle shifts the ones behind it, which their parent then tells.
                sqlx::query(
                    "SELECT string_agg(hash, ''::bytea ORDER BY idx) AS hashes FROM tlog_tile
                     WHERE log = (SELECT id FROM tlog_log WHERE name = $1)
                       AND level = $2 AND idx BETWEEN $3 AND $4",
                )
                .bind(log)
                .bind(i16::from(level))
                .bind(first)
                .bind(first.saturating_add(255))
                .fetch_one(&self.readers)
            })
            .await?;
        let hashes: Option<Vec<u8>> = row
            .try_get("hashes")
            .map_err(|error| StoreError::Impossible(error.to_string()))?;
        Ok(hashes.map(Bytes::from))
    }

    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let (start, end) = (saturate(start), saturate(end));
        // A batch lies within one tile, so none that begins before the tile of `start` reaches it.
        let rows = self
            .read(|| {
                sqlx::query(
                    "SELECT first, hashes FROM tlog_batch
                     WHERE log = (SELECT id FROM tlog_log WHERE name = $1)
                       AND first >= $2 - $2 % 256 AND first < $3 AND first + count > $2
                     ORDER BY first",
                )
                .bind(log)
                .bind(start)
                .bind(end)
                .fetch_all(&self.readers)
            })
            .await?;
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
        self.read(|| async {
            let mut stream = sqlx::query(
                "SELECT first, count, time_ms, hashes, identities, checkpoint, extras, bodies FROM tlog_batch
                 WHERE log = (SELECT id FROM tlog_log WHERE name = $1)
                   AND first >= $2 - $2 % 256 AND first < $3 AND first + count > $2
                 ORDER BY first",
            )
            .bind(log)
            .bind(start)
            .bind(end)
            .fetch(&self.readers);
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while bytes < max_bytes {
                let Some(row) = stream.try_next().await? else {
                    break;
                };
                let batch = batch_from(&row).map_err(|error| sqlx::Error::Decode(error.into()))?;
                bytes += batch.bodies.len() + batch.extras.len();
                rows.push(batch);
            }
            Ok(rows)
        })
        .await
    }

    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError> {
        let (start, end) = (saturate(start), saturate(end));
        let rows = self
            .read(|| {
                sqlx::query(
                    "SELECT first, hashes, identities FROM tlog_batch
                     WHERE log = (SELECT id FROM tlog_log WHERE name = $1)
                       AND first >= $2 - $2 % 256 AND first < $3 AND first + count > $2
                     ORDER BY first",
                )
                .bind(log)
                .bind(start)
                .bind(end)
                .fetch_all(&self.readers)
            })
            .await?;
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
        self.writers.put_run(log, run, replaced).await
    }

    async fn inventory(&self, log: &str) -> Result<Option<Inventory>, StoreError> {
        let row = self
            .read(|| {
                sqlx::query(
                    "SELECT (SELECT count(*) FROM tlog_batch WHERE log = l.id) AS batches,
                            (SELECT count(DISTINCT (level, idx / 256)) FROM tlog_tile WHERE log = l.id) AS tiles,
                            (SELECT count(*) FROM tlog_run_page WHERE log = l.id) AS pages
                     FROM tlog_log AS l WHERE l.name = $1",
                )
                .bind(log)
                .fetch_optional(&self.readers)
            })
            .await?;
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
        let read = self
            .read(|| {
                sqlx::query_as("SELECT state, peer FROM tlog_fence").fetch_optional(&self.readers)
            })
            .await;
        let row: Option<(String, String)> = read?;
        row.map(|(state, peer)| {
            let state = FenceState::parse(&state)?;
            Ok(Fence { state, peer })
        })
        .transpose()
    }

    async fn set_fence(&self, fence: Option<&Fence>) -> Result<(), StoreError> {
        let set = async {
            let mut transaction = self.readers.begin().await?;
            // Waits for the commits that are under way; those that come next wait for this one, and then see the fence.
            sqlx::query("SELECT FROM tlog_log FOR UPDATE")
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM tlog_fence")
                .execute(&mut *transaction)
                .await?;
            if let Some(fence) = fence {
                sqlx::query("INSERT INTO tlog_fence (one, state, peer) VALUES (1, $1, $2)")
                    .bind(fence.state.name())
                    .bind(&fence.peer)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        };
        set.await.map_err(|error: sqlx::Error| read_error(&error))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// Names the database without its password.
fn describe(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(
        || options.get_host().to_owned(),
        |path| path.display().to_string(),
    );
    let (user, port) = (options.get_username(), options.get_port());
    format!(
        "postgres://{user}@{host}:{port}/{}",
        options.get_database().unwrap_or(user)
    )
}

/// Brings the schema to this release's. A role that may not change the schema can serve one that is complete.
async fn migrate(connection: &mut PgConnection) -> Result<(), sqlx::migrate::MigrateError> {
    let applied: Result<Vec<(i64, Vec<u8>)>, _> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY 1")
            .fetch_all(&mut *connection)
            .await;
    let complete = applied.is_ok_and(|applied| {
        let ours = MIGRATIONS.iter();
        applied
            == ours
                .map(|step| (step.version, step.checksum.to_vec()))
                .collect::<Vec<_>>()
    });
    match complete {
        true => Ok(()),
        // Takes an advisory lock, so that processes which start together do not migrate together.
        false => MIGRATIONS.run(connection).await,
    }
}

/// An answer follows the sync of the commit only where the server syncs at all.
async fn warn_unless_durable(connection: &mut PgConnection, server: &str) {
    let fsync: Result<String, _> = sqlx::query_scalar("SHOW fsync").fetch_one(connection).await;
    if fsync.is_ok_and(|fsync| fsync != "on") {
        tracing::error!(
            server,
            "this server runs with fsync off: a loss of power loses acknowledged entries and forks the log; set fsync = on"
        );
    }
}

/// True when another connection may succeed where this one failed.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
            // The connection ends with these two severities; class 57P is a server that stops or starts.
            error.is_some_and(|error| {
                matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)
                    || error.code().starts_with("57P")
            })
        }
        _ => false,
    }
}

fn read_error(error: &sqlx::Error) -> StoreError {
    let damaged = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        // data_corrupted, index_corrupted
        .is_some_and(|code| matches!(&*code, "XX001" | "XX002"));
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Impossible(error.to_string())
        }
        _ if damaged => StoreError::Impossible(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

fn head_from(row: &PgRow) -> Result<TreeHead, StoreError> {
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
fn key_row_from(row: &PgRow) -> Result<Option<KeyRow>, StoreError> {
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

fn batch_from(row: &PgRow) -> Result<BatchRow, StoreError> {
    let count: i16 = row.try_get("count").map_err(impossible)?;
    Ok(BatchRow {
        first: number(row, "first")?,
        count: u16::try_from(count)
            .map_err(|_| StoreError::Impossible("count of a batch".into()))?,
        time_ms: row.try_get("time_ms").map_err(impossible)?,
        hashes: blob(row, "hashes")?,
        identities: blob(row, "identities")?,
        checkpoint: blob(row, "checkpoint")?,
        extras: blob(row, "extras")?,
        bodies: blob(row, "bodies")?,
    })
}

fn blob(row: &PgRow, column: &str) -> Result<Bytes, StoreError> {
    row.try_get::<Vec<u8>, _>(column)
        .map(Bytes::from)
        .map_err(impossible)
}

fn number(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column).map_err(impossible)?;
    u64::try_from(value).map_err(|_| StoreError::Impossible(format!("{column} is {value}")))
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn impossible(error: sqlx::Error) -> StoreError {
    StoreError::Impossible(error.to_string())
}
