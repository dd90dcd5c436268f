//! Why a backup was not made, read or put back.

use std::io;
use std::path::PathBuf;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive cannot be written; nothing is left under its name.
    #[error(
        "cannot write {path}: {source}; nothing was left under that name{}",
        hint(source)
    )]
    Write {
        /// The archive.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Another process writes the same archive.
    #[error("another backup is being written to {0}; wait for it, or choose another --out")]
    Busy(PathBuf),
    /// The archive cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The archive.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Not an archive of ours.
    #[error("{path} is no backup: {detail}")]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What tells.
        detail: String,
    },
    /// The passphrase is another one.
    #[error(
        "{0}: the passphrase does not open it; passphrases are read from the file up to the end of its first line"
    )]
    WrongPassphrase(PathBuf),
    /// None of the identities is the archive's.
    #[error("{0}: none of the identities opens it; it was made for other recipients")]
    WrongIdentity(PathBuf),
    /// The archive is locked in the other way.
    #[error("{path} was made with {have}: {want}")]
    OtherLock {
        /// The archive.
        path: PathBuf,
        /// How it was made.
        have: &'static str,
        /// What to give.
        want: &'static str,
    },
    /// A key or a passphrase does not read.
    #[error("{0}")]
    Key(String),
    /// The end is missing.
    #[error(
        "{path} is half-written or was cut: it ends in {entry}. Take another backup; this one was never finished, or its copy was not"
    )]
    Cut {
        /// The archive.
        path: PathBuf,
        /// Where.
        entry: String,
    },
    /// A byte is another one than was written.
    #[error(
        "{path} was changed after it was written: {entry} does not match what was sealed ({detail}). Take another copy of it, or another backup"
    )]
    Changed {
        /// The archive.
        path: PathBuf,
        /// Where.
        entry: String,
        /// What differs.
        detail: String,
    },
    /// Written by a later release.
    #[error(
        "{path} has format {have}, this program reads format {known}; use the release that wrote it, or a later one"
    )]
    Newer {
        /// The archive.
        path: PathBuf,
        /// Its format.
        have: u32,
        /// What is read.
        known: u32,
    },
    /// Whole and authentic, and it makes no sense.
    #[error("{path}: {entry}: {detail}")]
    Malformed {
        /// The archive.
        path: PathBuf,
        /// Where.
        entry: String,
        /// What is wrong.
        detail: String,
    },
    /// A log is missing in the database.
    #[error("log {0} is not in the database, and the instance has it: is this the right database?")]
    NoLog(String),
    /// The rows of a log do not add up.
    #[error(transparent)]
    Log(#[from] tlog::copy::CopyError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] tlog::StoreError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". The disk is full: make room, or choose another --out"
        }
        _ => "",
    }
}
