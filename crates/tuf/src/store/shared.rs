//! A repository in PostgreSQL, for several processes; each keeps the static tree in its own folder.
//!
//! Rows are only ever inserted. A session is one transaction that holds an advisory lock, so all of a publication comes at
//! once, and two processes never sign at the same time. A version that another process was first with is a duplicate key.

use super::{Folder, Session, Store};
use crate::{FileName, TufError};
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};
use std::str::FromStr;
use std::time::Duration;

/// Reads of clients and one session.
const CONNECTIONS: u32 = 4;
/// A client waits that long before it is given what the folder has.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Names the lock among others in the database: "TUF" and a number.
const LOCK: i64 = 0x5455_4600_0000_0001;

/// A repository in a database that was migrated already (`tlog::store::postgres` does that), and its copy in a folder.
pub struct SharedStore {
    pool: PgPool,
    copy: Folder,
}

impl SharedStore {
    /// Connects at the first use. `copy` is the folder that keeps the static tree.
    ///
    /// # Errors
    /// When the URL does not read; the error does not quote it.
    pub fn new(url: &str, copy: Folder) -> Result<Self, TufError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| TufError::store("use the database", "its URL does not read"))?
            .application_name("sigstead-tuf");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options);
        Ok(Self { pool, copy })
    }

    async fn fetch(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        let file = name.to_string();
        let row = match name {
            FileName::Timestamp => {
                sqlx::query_scalar(
                    "SELECT content FROM tuf_timestamp ORDER BY version DESC LIMIT 1",
                )
                .fetch_optional(&self.pool)
                .await
            }
            _ => {
                sqlx::query_scalar("SELECT content FROM tuf_file WHERE name = $1")
                    .bind(file)
                    .fetch_optional(&self.pool)
                    .await
            }
        };
        row.map_err(|error| failed("read", error))
    }
}

#[async_trait]
impl Store for SharedStore {
    async fn read(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        if *name == FileName::NewestRoot {
            return match self.newest_root().await? {
                Some(version) => self.read(&FileName::Root(version)).await,
                None => Ok(None),
            };
        }
        self.fetch(name).await
    }

    async fn newest_root(&self) -> Result<Option<u64>, TufError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(root) FROM tuf_file")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| failed("read", error))?;
        Ok(newest.and_then(|version| u64::try_from(version).ok()))
    }

    async fn begin(&self) -> Result<Box<dyn Session>, TufError> {
        let mut transaction = self
            .pool
            .begin()
            .await
            .map_err(|error| failed("write", error))?;
        for setting in [
            // An answer means that it is on the disk, whatever the server's own setting.
            "SET LOCAL synchronous_commit = on",
            "SET LOCAL lock_timeout = '30s'",
            "SET LOCAL idle_in_transaction_session_timeout = '60s'",
        ] {
            let set = sqlx::query(setting).execute(&mut *transaction).await;
            set.map_err(|error| failed("write", error))?;
        }
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await
            .map_err(|error| failed("lock", error))?;
        Ok(Box::new(SharedSession { transaction }))
    }

    /// The database first, because another process may have published; the folder while the database is away.
    async fn serve(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        // What never changes needs no question, except the root that may come: it is asked for to learn that it is not there.
        if name.is_immutable()
            && let Some(bytes) = self.copy.read(name).await?
        {
            return Ok(Some(bytes));
        }
        match self.read(name).await {
            Ok(found) => Ok(found),
            Err(error) => {
                tracing::warn!(%error, "TUF files come from the folder while the database is away");
                self.copy.read(name).await
            }
        }
    }

    async fn mirror(&self, files: &[FileName]) -> Result<(), TufError> {
        for name in files {
            let has = self.copy.read(name).await?;
            if name.is_immutable() && has.is_some() {
                continue;
            }
            let bytes = self.read(name).await?;
            match bytes {
                Some(bytes) if has.as_ref() != Some(&bytes) => self.copy.write_now(name, &bytes)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// One transaction.
struct SharedSession {
    transaction: Transaction<'static, Postgres>,
}

#[async_trait]
impl Session for SharedSession {
    async fn put(&mut self, name: &FileName, bytes: &[u8]) -> Result<(), TufError> {
        let file = name.to_string();
        let query = match name {
            // Derived from the newest of `N.root.json`.
            FileName::NewestRoot => return Ok(()),
            FileName::Timestamp => {
                sqlx::query("INSERT INTO tuf_timestamp (version, content) VALUES ($1, $2)")
                    .bind(version_of(bytes)?)
                    .bind(bytes)
            }
            FileName::Root(version) => {
                sqlx::query("INSERT INTO tuf_file (name, root, content) VALUES ($1, $2, $3)")
                    .bind(file)
                    .bind(i64::try_from(*version).unwrap_or(i64::MAX))
                    .bind(bytes)
            }
            // Named by its digest: what is there is the same.
            FileName::Content { .. } => sqlx::query(
                "INSERT INTO tuf_file (name, content) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(file)
            .bind(bytes),
            FileName::Snapshot(_) | FileName::Targets(_) => {
                sqlx::query("INSERT INTO tuf_file (name, content) VALUES ($1, $2)")
                    .bind(file)
                    .bind(bytes)
            }
        };
        let done = query.execute(&mut *self.transaction).await;
        done.map(drop).map_err(|error| failed("write", error))
    }

    async fn commit(self: Box<Self>) -> Result<(), TufError> {
        let done = self.transaction.commit().await;
        done.map_err(|error| failed("write", error))
    }
}

/// The version that a timestamp names itself.
fn version_of(timestamp: &[u8]) -> Result<i64, TufError> {
    let json: serde_json::Value = serde_json::from_slice(timestamp).map_err(TufError::library)?;
    let version = json["signed"]["version"].as_i64();
    version.ok_or_else(|| TufError::library("a timestamp has a version"))
}

fn failed(action: &str, error: sqlx::Error) -> TufError {
    TufError::store(format!("{action} in the database"), error)
}
