//! A root in a file, read again when the file changed.

use crate::limits;
use crate::root::{Root, RootError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Why a file gave no root.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// It is larger than any trusted root.
    #[error("{} has more than {} bytes", path.display(), limits::ROOT_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no usable trusted root.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RootError,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Stamp {
    /// `None` while there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: found.modified().ok(),
            bytes: found.len(),
        })
    }
}

/// Reads a root and the bytes it came from.
pub(crate) fn load(path: &Path) -> Result<Root, LoadError> {
    let bytes = read(path)?;
    Root::parse(&bytes).map_err(|source| LoadError::Content {
        path: path.to_owned(),
        source,
    })
}

/// Reads a file of at most [`limits::ROOT_BYTES`].
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::ROOT_BYTES).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| LoadError::Read {
            path: path.to_owned(),
            source,
        })?;
    match bytes.len() > limits::ROOT_BYTES {
        true => Err(LoadError::TooLarge {
            path: path.to_owned(),
        }),
        false => Ok(bytes),
    }
}
