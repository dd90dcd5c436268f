//! What a witness remembers: one SQLite file of its own.
//!
//! The one write is a compare-and-swap of a log's row. It is a transaction by itself, synced to the disk
//! before it is answered, and a trigger in the database refuses a row that would go back or fork.

use merkle::Hash;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads are one row by its key; more connections gain nothing.
const READERS: u32 = 4;
/// How long a statement waits for another process's transaction (a backup tool).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/witness");

/// A witness's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

/// The newest checkpoint of a log that was cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Which log.
    pub origin: String,
    /// Leaves: at most 2^63 - 1.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Time of the cosignature, seconds since the Unix epoch.
    pub time: u64,
    /// The note: text, the log's line, our cosignature.
    pub note: String,
}

/// Why the database does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file.
    #[error("there is no witness database at {path}", path = path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is older or newer than the program.
    #[error("the witness database {path} is at version {have}, this program wants {want}", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its newest migration.
        have: i64,
        /// The program's.
        want: i64,
    },
    /// It belongs to another witness.
    #[error(
        "the witness database {path} belongs to {have}, not to {want}: give each witness key a database of its own, and keep the name of a key",
        path = path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Verifier key of its owner.
        have: String,
        /// Verifier key of who asks.
        want: String,
    },
    /// SQLite refused, or what it holds cannot be.
    #[error("witness database {path}: {detail}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

impl Store {
    /// Opens the database, made anew when there is none, and brings it to this program's version.
    ///
    /// # Errors
    /// When SQLite refuses, or the file is newer than the program.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        let this = Self::connect(path, true).await?;
        MIGRATIONS
            .run(&this.writer)
            .await
            .map_err(|error| this.error(&error))?;
        Ok(this)
    }

    /// Opens a database that [`Store::create`] made, and changes nothing.
    ///
    /// # Errors
    /// When there is none, SQLite refuses, or its version is another than the program's.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            let path = path.to_owned();
            return Err(StoreError::Missing { path });
        }
        let this = Self::connect(path, false).await?;
        let have: i64 =
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&this.readers)
                .await
                .map_err(|error| this.error(&error))?;
        let want = MIGRATIONS.iter().map(|one| one.version).max().unwrap_or(0);
        match have == want {
            true => Ok(this),
            false => Err(StoreError::Version {
                path: this.path,
                have,
                want,
            }),
        }
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // A cosignature that left must be remembered after a loss of power: NORMAL would not sync.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(|error| StoreError::Database {
                path: path.to_owned(),
                detail: error.to_string(),
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "1"));
        let path = path.to_owned();
        Ok(Self {
            path,
            writer,
            readers,
        })
    }

    /// Whose memory this is: the verifier key given to [`Store::claim`].
    pub async fn owner(&self) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT vkey FROM witness_owner WHERE id = 1")
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.error(&error))
    }

    /// Makes this the memory of one witness for ever.
    ///
    /// # Errors
    /// When it is another's.
    pub async fn claim(&self, vkey: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO witness_owner (id, vkey) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING",
        )
        .bind(vkey.to_owned())
        .execute(&self.writer)
        .await
        .map_err(|error| self.error(&error))?;
        self.check_owner(vkey).await
    }

    /// Checks that this is the memory of that witness.
    ///
    /// # Errors
    /// When it is another's or nobody's.
    pub async fn check_owner(&self, vkey: &str) -> Result<(), StoreError> {
        let owner = self.owner().await?;
        match owner.as_deref() == Some(vkey) {
            true => Ok(()),
            false => Err(StoreError::Owner {
                path: self.path.clone(),
                have: owner.unwrap_or_else(|| "nobody yet".to_owned()),
                want: vkey.to_owned(),
            }),
        }
    }

    /// The newest cosigned checkpoint of a log.
    pub async fn latest(&self, origin: &str) -> Result<Option<Latest>, StoreError> {
        let row =
            sqlx::query("SELECT origin, size, root, time, note FROM witness_log WHERE origin = ?1")
                .bind(origin.to_owned())
                .fetch_optional(&self.readers)
                .await
                .map_err(|error| self.error(&error))?;
        row.map(|row| self.latest_from(&row)).transpose()
    }

    /// The newest cosigned note of the log whose origin has this SHA-256.
    pub async fn note(&self, origin_hash: &Hash) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT note FROM witness_log WHERE origin_hash = ?1")
            .bind(origin_hash.to_vec())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.error(&error))
    }

    /// Moves a log's row from `from` (size and root; `None` when it has no row) to `to`, compared and swapped.
    /// False: it stands elsewhere by now, and nothing was written.
    ///
    /// After an error the outcome may be either: nothing may leave, and the next request reads the row anew.
    pub async fn advance(
        &self,
        from: Option<(u64, Hash)>,
        to: &Latest,
    ) -> Result<bool, StoreError> {
        let statement = match from {
            None => sqlx::query(
                "INSERT INTO witness_log (size, root, time, note, origin, origin_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (origin) DO NOTHING",
            ),
            Some(_) => sqlx::query(
                "UPDATE witness_log SET size = ?1, root = ?2, time = ?3, note = ?4
                 WHERE origin = ?5 AND origin_hash = ?6 AND size = ?7 AND root = ?8",
            ),
        };
        let mut statement = statement
            .bind(self.signed(to.size)?)
            .bind(to.root.to_vec())
            .bind(self.signed(to.time)?)
            .bind(to.note.clone())
            .bind(to.origin.clone())
            .bind(origin_hash(&to.origin).to_vec());
        if let Some((size, root)) = from {
            statement = statement.bind(self.signed(size)?).bind(root.to_vec());
        }
        let done = statement
            .execute(&self.writer)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether no checkpoint was ever cosigned.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM witness_log)")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.error(&error))
    }

    /// Closes the file; its write-ahead log is folded into it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn latest_from(&self, row: &SqliteRow) -> Result<Latest, StoreError> {
        let read = |error: sqlx::Error| self.error(&error);
        let number = |column| {
            let value: i64 = row.try_get(column).map_err(read)?;
            u64::try_from(value).map_err(|_| self.error(&format!("{column} is {value}")))
        };
        let root: Vec<u8> = row.try_get("root").map_err(read)?;
        Ok(Latest {
            origin: row.try_get("origin").map_err(read)?,
            size: number("size")?,
            root: root
                .try_into()
                .map_err(|_| self.error(&"a root has not 32 bytes"))?,
            time: number("time")?,
            note: row.try_get("note").map_err(read)?,
        })
    }

    /// SQLite's integers end at 2^63 - 1.
    fn signed(&self, value: u64) -> Result<i64, StoreError> {
        i64::try_from(value).map_err(|_| self.error(&format!("{value} does not fit a column")))
    }

    fn error(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Database {
            path: self.path.clone(),
            detail: error.to_string(),
        }
    }
}

/// How readers name a log: SHA-256 of its origin. C2SP tlog-witness, monitor retrieval.
pub fn origin_hash(origin: &str) -> Hash {
    Sha256::digest(origin).into()
}
