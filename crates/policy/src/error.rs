//! Why a document was refused: everything at once, each with its place.

use serde::Serialize;
use std::fmt;

/// Why bytes are not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More bytes than any policy.
    #[error("the document has {have} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Neither YAML nor JSON, or with duplicate members, too deep or too big when its aliases are followed.
    #[error("the document is neither YAML nor JSON that can be read: {reason}")]
    Syntax {
        /// What the parser met, with line and column where they are known.
        reason: String,
    },
    /// Read, and not a policy.
    #[error("{}", listed(.problems))]
    Invalid {
        /// All that is wrong; at least one.
        problems: Vec<Problem>,
    },
}

impl PolicyError {
    /// The single faults; empty when the document could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems } => problems,
            _ => &[],
        }
    }
}

/// One fault in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, e.g. `attestations[1].cel[0]`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// What to write instead.
    pub cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the document"
        } else {
            &self.path
        };
        write!(f, "{path}: {}; {}", self.cause, self.cure)
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Collects problems, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(
        &mut self,
        path: impl Into<String>,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) {
        if self.list.len() < crate::limits::PROBLEMS {
            self.list.push(Problem {
                path: path.into(),
                cause: cause.into(),
                cure: cure.into(),
            });
        }
    }

    /// `Ok` when there are none.
    pub(crate) fn none(self) -> Result<(), PolicyError> {
        if self.list.is_empty() {
            Ok(())
        } else {
            Err(PolicyError::Invalid {
                problems: self.list,
            })
        }
    }
}

/// The path of a member.
pub(crate) fn member(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of an item.
pub(crate) fn item(path: &str, position: usize) -> String {
    format!("{path}[{position}]")
}
