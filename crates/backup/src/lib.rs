//! Backups of an instance: one encrypted archive, checked while it is read, put back into any store.
//!
//! An archive is an age file (<https://age-encryption.org/v1>) around a plain tar, so that in need other tools open it, too:
//!
//! ```text
//! sigstead-backup.json               format, version of the program, time, a random ID      first
//! guard/<log>.json                   the newest signed head, read before the log was
//! logs/<log>/<first entry>.rows      rows of a log, as every store keeps them
//! logs/<log>/head.json               the head that the rows lead to
//! data/<path>                        files of the data folder: keys, public halves, trust, TUF
//! manifest.json                      name, size and SHA-256 of everything before it           last
//! ```
//!
//! All of it is encrypted, not the keys alone: an archive is kept for years in places that others administer, and what is
//! authenticated as a whole cannot be cut, reordered or changed, by accident or otherwise, without being told.
//!
//! Why rows and not the database's own files: a log only grows, so its rows below a head never change. A copy of them is
//! consistent without a transaction, while the log is served, and it fits SQLite and PostgreSQL alike. Tiles and runs of keys
//! are not in it; they follow from the rows.
//!
//! The rooms: `lock` encrypts; `writer` and `reader` are the archive; `rows` its form of rows; `dump` and `refill` go from a
//! store to it and back.

mod dump;
mod error;
pub mod limits;
mod lock;
mod manifest;
mod reader;
mod refill;
mod rows;
mod writer;

pub use dump::Dump;
pub use error::BackupError;
pub use lock::{Lock, Unlock};
pub use manifest::{About, EntryRecord, LogRecord, Manifest, SavedHead};
pub use reader::{Entry, Position, Reader};
pub use refill::{ANY_LOG, Survey, refill, survey};
pub use writer::{Writer, Written};

/// Reads rows from outside bytes; for tests and fuzzing.
///
/// # Errors
/// What does not parse, as a clause.
pub fn parse_rows(bytes: &[u8]) -> Result<Vec<tlog::store::BatchRow>, String> {
    rows::parse(&bytes::Bytes::copy_from_slice(bytes))
}
