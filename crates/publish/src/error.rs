//! Why a log was not published, and what to do about it.

use crate::target::AccessError;
use note::NoteError;
use tlog::ReadError;

/// Why a log was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The target's checkpoint names another log.
    #[error(
        "{target} holds the log {theirs:?}, not {ours:?}: publish each log to a place of its own"
    )]
    OtherLog {
        /// The target.
        target: String,
        /// Origin in its checkpoint.
        theirs: String,
        /// Origin of the log to publish.
        ours: String,
    },
    /// The target's checkpoint covers entries that the log does not have.
    #[error(
        "{target} has {published} entries and the log only {have}: the log was set back, or another process is ahead; \
         restore the log from a newer backup; never go on from the older one, readers would see a fork"
    )]
    Ahead {
        /// The target.
        target: String,
        /// Size in its checkpoint.
        published: u64,
        /// Size of the log.
        have: u64,
    },
    /// The target's checkpoint has another root than the log had at that size.
    #[error(
        "{target} has another tree of {size} entries than the log: it was published from another database under the \
         same name; publish to an empty place, or restore the database that it came from"
    )]
    Forked {
        /// The target.
        target: String,
        /// Size in its checkpoint.
        size: u64,
    },
    /// What the target has as `checkpoint` is none.
    #[error(
        "{target}/checkpoint is no checkpoint ({reason}): publish to an empty place, or to one that was written here"
    )]
    NoCheckpoint {
        /// The target.
        target: String,
        /// What is wrong with it.
        reason: NoteError,
    },
    /// An object that never changes is there with other bytes.
    #[error(
        "{target}/{path} is there with other bytes than the log's: the place belongs to another log, or the object was \
         tampered with; publish to an empty place, or remove this object after you know who wrote it"
    )]
    OtherBytes {
        /// The target.
        target: String,
        /// Path of the object.
        path: String,
    },
    /// An entry is too long for the format.
    #[error(
        "entry {index} has {have} bytes and entry bundles hold at most 65535: this log cannot be read statically"
    )]
    TooLong {
        /// Index of the entry.
        index: u64,
        /// Its length in bytes.
        have: usize,
    },
    /// The log's own checkpoint is none.
    #[error("the log's own checkpoint cannot be read: {0}")]
    OwnCheckpoint(NoteError),
    /// Another process wrote the checkpoint at the same time; the next try goes on from there.
    #[error("another process publishes to {target} as well")]
    Overtaken {
        /// The target.
        target: String,
    },
    /// The log could not be read; a retry may succeed.
    #[error("the log cannot be read: {0}")]
    Read(ReadError),
    /// The target could not be read or written; a retry may succeed.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl PublishError {
    /// Tells whether only a person can mend it: a retry would meet the same.
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Overtaken { .. } | Self::Read(_) | Self::Access(AccessError::Failed { .. })
        )
    }
}

impl From<ReadError> for PublishError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoBundle { index, have } => Self::TooLong { index, have },
            error => Self::Read(error),
        }
    }
}
