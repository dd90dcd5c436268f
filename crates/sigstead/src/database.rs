//! Where the logs are: an SQLite file, or a PostgreSQL database.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use tlog::Store;

/// What `--database` names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// The URL of a PostgreSQL database; may hold a password.
    Server(String),
}

impl Database {
    /// Opens the store. A file that must be there already is not created.
    pub(crate) async fn open(&self, may_create: bool) -> Result<Arc<dyn Store>> {
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
