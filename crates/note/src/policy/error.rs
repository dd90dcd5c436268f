//! Why a policy file was refused.

use crate::NoteError;
use crate::limits::{MAX_POLICY_BYTES, MAX_POLICY_ITEMS, MAX_POLICY_LINES};

/// The first line of a policy file that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyError {
    /// Counted from 1; for what is missing, the last line.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: PolicyProblem,
}

/// A rule of C2SP tlog-policy that a line breaks. Names are shown as UTF-8 as far as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The whole file is too long.
    #[error("the policy has {have} bytes, the limit is {MAX_POLICY_BYTES}")]
    TooLong {
        /// Bytes given.
        have: usize,
    },
    /// Too many lines.
    #[error("the policy has more than {MAX_POLICY_LINES} lines")]
    TooManyLines,
    /// Too many lines of one kind.
    #[error("the policy has more than {MAX_POLICY_ITEMS} `{keyword}` lines")]
    TooMany {
        /// `log`, `witness` or `group`.
        keyword: &'static str,
    },
    /// A control character other than tab and LF.
    #[error("control character 0x{byte:02x}: a policy holds tabs and line feeds only, no CR LF")]
    ControlCharacter {
        /// The character.
        byte: u8,
    },
    /// No LF at the end.
    #[error("the last line does not end with a line feed: is the file cut off?")]
    End,
    /// A line that begins with none of the four words.
    #[error("a line begins with log, witness, group, quorum or #, not with {found:?}")]
    Keyword {
        /// The first word.
        found: String,
    },
    /// Too few or too many words.
    #[error("write this line as: {form}")]
    Form {
        /// What it should look like.
        form: &'static str,
    },
    /// A key that is not one.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// A key whose text is not UTF-8.
    #[error("the verifier key is not UTF-8")]
    KeyEncoding,
    /// A key of a type for the other role.
    #[error("a {keyword} has a verifier key of type {want}, this one has 0x{have:02x}")]
    KeyRole {
        /// `log` or `witness`.
        keyword: &'static str,
        /// The types that it may have.
        want: &'static str,
        /// The type's byte.
        have: u8,
    },
    /// The same key in two lines of one kind.
    #[error("the key of this {keyword} is already that of line {first}")]
    KeyTwice {
        /// `log` or `witness`.
        keyword: &'static str,
        /// The earlier line.
        first: usize,
    },
    /// `none` as the name of a witness, a group or a member.
    #[error("the name none is reserved for `quorum none`")]
    ReservedName,
    /// A name that is defined already.
    #[error("the name {name:?} is already defined in line {first}")]
    NameTwice {
        /// The name.
        name: String,
        /// The earlier line.
        first: usize,
    },
    /// A name that no line above defines.
    #[error("no line above defines the witness or group {name:?}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A member of two groups, or twice of one: it would count twice.
    #[error("{name:?} is already a member of the group in line {first}")]
    MemberTwice {
        /// The name.
        name: String,
        /// The line of the first group.
        first: usize,
    },
    /// Not any, all, or a number between 1 and the number of members.
    #[error("a group wants any, all or a number from 1 to its {members} members, not {found:?}")]
    Threshold {
        /// The word.
        found: String,
        /// Members of the group.
        members: usize,
    },
    /// A second quorum line.
    #[error("the quorum is already defined in line {first}")]
    QuorumTwice {
        /// The earlier line.
        first: usize,
    },
    /// No quorum line.
    #[error("the policy has no quorum line; write `quorum none` when no cosignature is needed")]
    NoQuorum,
}
