//! Where the logs are: an SQLite file, or a PostgreSQL database.

use crate::instance::Layout;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use tlog::Store;
use tlog::store::FenceState;

/// In the data folder: the URL of the database, when the logs were moved to a server. Mode 0600, for it may hold a password.
pub(crate) const URL_FILE: &str = "database.url";
/// In the data folder: a move of the logs that is under way.
pub(crate) const MOVE_FILE: &str = "move.json";

/// What `--database` names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// The URL of a PostgreSQL database; may hold a password.
    Server(String),
}

impl Database {
    /// Where `sigstead migrate` moved the logs of a data folder to, when it did.
    pub(crate) fn recorded_in(layout: &Layout) -> Option<Self> {
        let text = std::fs::read_to_string(layout.database_url()).ok()?;
        text.trim().parse().ok()
    }

    /// Opens the store. A file that must be there already is not created; one whose logs were moved is refused.
    pub(crate) async fn open(&self, may_create: bool) -> Result<Arc<dyn Store>> {
        let store = self.open_fenced(may_create).await?;
        let refused = match store.fence().await? {
            None => return Ok(store),
            Some(fence) => fence,
        };
        store.close().await;
        match refused.state {
            FenceState::Moved => bail!(
                "the logs were moved from {self} to {}: start with that one (--database). Going on from here would fork them",
                refused.peer
            ),
            FenceState::Filling => bail!(
                "the logs are being moved to {self} from {}, and are not all here: finish it with `sigstead migrate`, or \
                 start with --database of that one",
                refused.peer
            ),
        }
    }

    /// As [`Database::open`], also when the logs were moved, for who moves them.
    pub(crate) async fn open_fenced(&self, may_create: bool) -> Result<Arc<dyn Store>> {
        match self {
            Self::File(path) if !may_create && !path.exists() => bail!(
                "{} is gone; restore it from the newest backup, or say with --database where the logs are. \
                 A new log under the old key would be a fork",
                path.display()
            ),
            Self::File(path) => tlog::store::sqlite(path)
                .await
                .with_context(|| format!("database {}", path.display())),
            // The store's errors name the server, without the password.
            Self::Server(url) => Ok(tlog::store::postgres(url).await?),
        }
    }

    /// As the command line and [`URL_FILE`] spell it; may hold a password.
    pub(crate) fn spelled(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Server(url) => url.clone(),
        }
    }

    /// Opens the store to read from, beside the process that serves.
    pub(crate) async fn open_beside(&self) -> Result<Arc<dyn Store>> {
        match self {
            Self::File(path) if path.exists() => tlog::store::sqlite_beside(path)
                .await
                .with_context(|| format!("database {}", path.display())),
            _ => self.open_fenced(false).await,
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Server(text.to_owned()));
        }
        let path = text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
            .unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Err(
                "write postgres://user@host/name, or the path of an SQLite file".to_owned(),
            );
        }
        Ok(Self::File(path.into()))
    }
}

/// For people: without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(text) => match url::Url::parse(text) {
                Ok(mut url) => {
                    // Only a URL that cannot have a password refuses this.
                    let _ = url.set_password(None);
                    if url.query_pairs().any(|(key, _)| key == "password") {
                        url.set_query(None);
                    }
                    url.fmt(f)
                }
                Err(_) => f.write_str("the database server"),
            },
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Server(_) => f.write_str("Server(redacted)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_anything_else_a_file() {
        let server = "postgresql://log:secret@db/logs?host=/run/postgresql";
        assert_eq!(server.parse(), Ok(Database::Server(server.to_owned())));
        for text in ["logs.db", "sqlite:logs.db", "sqlite://logs.db"] {
            assert_eq!(text.parse(), Ok(Database::File("logs.db".into())));
        }
        for text in ["mysql://db/logs", "", "sqlite:"] {
            assert!(text.parse::<Database>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_in_the_debug_form() {
        let database: Database = "postgres://log:secret@db/logs".parse().unwrap();
        assert!(!format!("{database:?}").contains("secret"));
    }
}
