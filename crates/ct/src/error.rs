//! Why the log does not do what it was asked.

use crate::chain::ChainError;
use tlog::{AppendError, ReadError};

/// Why there is no SCT, or no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CtError {
    /// What was submitted is not for this log.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The log's pool is full.
    #[error("the CT log has too many entries waiting; retry in a second")]
    Busy,
    /// The entry is larger than the log takes.
    #[error("certificate and chain have {have} bytes, the CT log takes {max}")]
    TooLarge {
        /// Bytes of the entry.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// The log takes entries no more: the one after it does.
    #[error("the CT log is frozen: submit to the log that came after it")]
    Frozen,
    /// The entry is not stored as far as known; a retry is safe.
    #[error("the CT log is not available: {0}")]
    Unavailable(String),
    /// The log's key did not sign.
    #[error("the CT log's key did not sign: {0}")]
    Key(String),
    /// The log's key cannot sign SCTs.
    #[error("a CT log signs with SHA-256, by ECDSA P-256 or RSA; its key is {0}")]
    KeyKind(pki::key::KeyKind),
    /// The clock stands before 1970.
    #[error("the clock stands before 1970: set it")]
    Clock,
    /// Data beside a stored entry does not parse.
    #[error("the data stored beside CT entry {index} is damaged")]
    Damaged {
        /// Index of the entry.
        index: u64,
    },
    /// The stored head has no signature by the log's key.
    #[error(
        "the checkpoint of {size} entries is not signed by the CT log's key: was the key replaced?"
    )]
    Checkpoint {
        /// Size of the head.
        size: u64,
    },
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<AppendError> for CtError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::PoolFull => Self::Busy,
            AppendError::TooLarge { have, max } => Self::TooLarge { have, max },
            AppendError::Frozen => Self::Frozen,
            AppendError::Closed | AppendError::Unavailable(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
