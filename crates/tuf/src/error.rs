//! Why the repository is not written. Nothing that was published is lost by any of these.

use crate::FileName;
use std::path::PathBuf;
use time::OffsetDateTime;
use tough::schema::RoleType;

/// Why a TUF operation failed. Times are UTC.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// What is signed ends later than anything signed now would.
    #[error(
        "the TUF {role} was signed until {until}, and this machine's clock says {now}: the clock goes wrong now, or went wrong \
         when that was signed. The repository stays as it is. Set the clock; when it is right, run `sigstead tuf publish \
         --clock-is-right`"
    )]
    ClockBehind {
        /// Whose signature.
        role: RoleType,
        /// The end of its life.
        until: OffsetDateTime,
        /// The clock.
        now: OffsetDateTime,
    },
    /// Root or targets are past their end, by this clock.
    #[error(
        "the TUF {role} ended at {until}, and this machine's clock says {now}. The repository stays as it is. Set the clock if \
         it is ahead; when it is right, {cure}"
    )]
    Expired {
        /// Whose signature.
        role: RoleType,
        /// The end of its life.
        until: OffsetDateTime,
        /// The clock.
        now: OffsetDateTime,
        /// What to run.
        cure: &'static str,
    },
    /// Something has to be signed and the key is not here.
    #[error("the TUF {role} key is not in {}: {cure}", folder.display())]
    KeyAway {
        /// Whose key.
        role: RoleType,
        /// Where keys are.
        folder: PathBuf,
        /// What to do.
        cure: &'static str,
    },
    /// There is no repository yet.
    #[error("there is no TUF repository yet; `sigstead up` makes it")]
    None,
    /// The repository was there once.
    #[error(
        "the TUF repository is gone, and {} shows that clients have its root. Restore it from the newest backup of the data \
         folder. To begin a new one, which every client has to be given anew, remove that file and the keys keys/tuf-*",
        bootstrap.display()
    )]
    Lost {
        /// The root that was given to clients.
        bootstrap: PathBuf,
    },
    /// A file is missing or does not read.
    #[error("the TUF repository's {name} {problem}; restore the folder from the newest backup")]
    Damaged {
        /// Which file.
        name: FileName,
        /// What is wrong with it.
        problem: String,
    },
    /// What would be published does not hold, so it is not.
    #[error("the new TUF {role} would not verify, so nothing was published: {reason}")]
    WouldNotVerify {
        /// Which role.
        role: RoleType,
        /// The verifier's words.
        reason: String,
    },
    /// The new trusted root lacks a key of the published one.
    #[error(
        "the published trusted_root.json has {what}, and the new one has not: signatures made with it would no longer \
         verify. This data folder is older than what is published; take it from the newest backup, or from the process \
         that published"
    )]
    WouldForget {
        /// What is missing.
        what: String,
    },
    /// A content cannot be published under this name.
    #[error("{name:?} cannot be the name of a TUF target")]
    ContentName {
        /// The name.
        name: String,
    },
    /// A draft does not read.
    #[error("this is no draft of a TUF root: {0}")]
    NoDraft(String),
    /// A draft was made for another root than the current one.
    #[error(
        "the draft follows root {drafted}, and the current one is root {current}; make a new draft with `sigstead tuf ceremony \
         init` and have it signed"
    )]
    StaleDraft {
        /// Version of the root that the draft follows.
        drafted: u64,
        /// Version of the current root.
        current: u64,
    },
    /// A key is none of the draft's.
    #[error("the key {id} is no root key, neither of the current root nor of the draft")]
    NoHolder {
        /// Key ID, hex.
        id: String,
    },
    /// A draft has a signature that does not hold.
    #[error(
        "the signature of key {id} does not fit the draft: it was changed after that holder signed. Begin with `init` again"
    )]
    Changed {
        /// Key ID, hex.
        id: String,
    },
    /// Too few have signed.
    #[error("signatures are missing: {missing}")]
    Unfinished {
        /// Whose.
        missing: String,
    },
    /// Threshold or number of holders make no sense.
    #[error("{0}")]
    Holders(String),
    /// The kind of key is none that TUF clients know.
    #[error("TUF keys are ECDSA P-256 or Ed25519; this one is {0}")]
    Algorithm(String),
    /// A key file.
    #[error(transparent)]
    Key(#[from] keys::KeyError),
    /// A file or the database.
    #[error(
        "TUF repository: cannot {action}: {reason}. It goes on where it was when that is mended"
    )]
    Store {
        /// What was tried.
        action: String,
        /// What the system said.
        reason: String,
    },
    /// The TUF library refused.
    #[error("TUF: {0}")]
    Library(String),
}

impl TufError {
    pub(crate) fn store(action: impl Into<String>, reason: impl ToString) -> Self {
        Self::Store {
            action: action.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn library(error: impl std::fmt::Display) -> Self {
        Self::Library(error.to_string())
    }
}
