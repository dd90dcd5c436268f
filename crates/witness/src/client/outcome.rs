//! What became of asking a witness.

use crate::limits::{MAX_ANSWER_BYTES, MAX_TIME_DIFFERENCE};
use note::{NoteError, SignatureLine};
use std::fmt;

/// One witness and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessOutcome {
    /// Name in the policy.
    pub witness: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of asking one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It cosigned, and the cosignature holds.
    Cosigned {
        /// Its time, seconds since the Unix epoch.
        time: u64,
    },
    /// It has already cosigned a larger tree of this log: another writer was faster, or this log lost its newest
    /// entries (a restored backup).
    Ahead {
        /// Leaves of the tree that it cosigned.
        size: u64,
    },
    /// It answered 409 again, to a proof from the size that it had just named.
    Conflict {
        /// The size that it named last.
        size: u64,
    },
    /// It said no: 403 does not know our key, 404 does not know our origin, 422 saw another history.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words, shortened, on one line.
        reason: String,
    },
    /// Its answer is no cosignature that counts.
    Invalid(AnswerError),
    /// No connection, or it broke.
    Unreachable(String),
    /// The log itself could not prove its consistency.
    NoProof(String),
    /// It did not answer in time.
    TimedOut,
    /// The quorum was met without it.
    NotAwaited,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// More bytes than a witness has to say.
    #[error("the answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// Not text.
    #[error("the answer is not UTF-8")]
    NotText,
    /// Not signature lines.
    #[error("the answer is not signature lines: {0}")]
    Lines(NoteError),
    /// No line by the key in the policy.
    #[error("the answer has no line by the key in the policy")]
    OtherKey,
    /// A line that claims to be by the key in the policy, and is not.
    #[error("the cosignature does not hold")]
    Forged,
    /// A time that is not about now.
    #[error("the cosignature's time {time} is more than {MAX_TIME_DIFFERENCE} s from ours, {now}")]
    Time {
        /// Seconds since the Unix epoch, the witness's.
        time: u64,
        /// Ours.
        now: u64,
    },
    /// A 409 without a tree size.
    #[error("the 409 names no tree size")]
    Size,
}

impl Outcome {
    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Cosigned { .. } => "cosigned",
            Self::Ahead { .. } => "ahead",
            Self::Conflict { .. } => "conflict",
            Self::Refused { .. } => "refused",
            Self::Invalid(_) => "invalid",
            Self::Unreachable(_) => "unreachable",
            Self::NoProof(_) => "no_proof",
            Self::TimedOut => "timed_out",
            Self::NotAwaited => "not_awaited",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosigned { time } => write!(f, "cosigned at {time}"),
            Self::Ahead { size } => {
                write!(f, "it has cosigned {size} leaves, more than we have")
            }
            Self::Conflict { size } => write!(f, "it changed its mind about its size, now {size}"),
            Self::Refused { status, reason } => write!(f, "refused with {status}: {reason}"),
            Self::Invalid(error) => error.fmt(f),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
            Self::NoProof(reason) => write!(f, "not asked, {reason}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::NotAwaited => f.write_str("not waited for"),
        }
    }
}

/// An outcome with the line that it brought.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) line: Option<SignatureLine>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            line: None,
        }
    }
}
