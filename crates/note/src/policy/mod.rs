//! Trust policies: which logs, which witnesses, and how many of them. C2SP tlog-policy.
//!
//! ```text
//! log log.example.com+<hint>+<base64>
//!
//! witness X1 x1.example+<hint>+<base64> https://x1.example
//! witness X2 x2.example+<hint>+<base64> https://x2.example
//! witness Y1 y1.example+<hint>+<base64>
//! group X any X1 X2
//! group X-and-Y all X Y1
//! quorum X-and-Y
//! ```
//!
//! A checkpoint is good when one of the logs signed it and the quorum's witnesses cosigned it.

mod error;
mod parse;

use std::borrow::Cow;

use crate::{Checkpoint, NoteError, SignedNote, VerifierKey};

pub use error::{PolicyError, PolicyProblem};

/// A parsed policy: every name in it is defined, no key and no name stands in it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    /// In order of definition: members stand before their group.
    groups: Vec<Group>,
    /// `None` for `quorum none`.
    quorum: Option<Member>,
}

/// A log of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Of type 0x01 or 0x02; its name is the log's origin.
    pub key: VerifierKey,
    /// Where the log is, if the file says so: any bytes but white space and control characters.
    pub url: Option<Vec<u8>>,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this file; opaque bytes, not necessarily the key's name.
    pub name: Vec<u8>,
    /// Of type 0x04.
    pub key: VerifierKey,
    /// Its submission prefix, if the file says so: any bytes but white space and control characters.
    pub url: Option<Vec<u8>>,
}

impl Witness {
    /// The name for people: bytes that are no UTF-8 become replacement characters.
    pub fn label(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }
}

/// At least `threshold` of `members`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// Positions in [`Policy::witnesses`] and `Policy::groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// What a policy says about one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Position in [`Policy::logs`] of the log that signed it: name and origin are the same.
    pub log: Option<usize>,
    /// For each of [`Policy::witnesses`] the time of its cosignature (seconds since the Unix epoch).
    pub cosigned: Vec<Option<u64>>,
    /// Whether these cosignatures are enough.
    pub quorum_met: bool,
}

impl Evaluation {
    /// Whether the policy takes the checkpoint: signed by one of its logs, cosigned by the quorum.
    pub fn is_accepted(&self) -> bool {
        self.log.is_some() && self.quorum_met
    }
}

impl Policy {
    /// Parses the text of a policy file. Bounds: [`crate::limits`].
    ///
    /// # Errors
    /// The first line that breaks a rule, and which.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(text)
    }

    /// The logs, in the order of the file.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses, in the order of the file.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether the policy asks for any cosignature at all: false for `quorum none`.
    pub fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Says whether the quorum is met by those of [`Policy::witnesses`] for which `cosigned` is true.
    pub fn is_met(&self, cosigned: impl Fn(usize) -> bool) -> bool {
        let mut groups = Vec::with_capacity(self.groups.len());
        let holds = |groups: &[bool], member: Member| match member {
            Member::Witness(index) => cosigned(index),
            // Members are defined before their group, so the answer is there.
            Member::Group(index) => groups.get(index).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let members = group.members.iter();
            let count = members.filter(|member| holds(&groups, **member)).count();
            groups.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| holds(&groups, member))
    }

    /// Checks the signatures of a checkpoint by the policy's logs and witnesses. `verify` is given the
    /// key, what was signed and the bare signature. Lines of other keys are ignored.
    ///
    /// # Errors
    /// When the text is no checkpoint, or a line with the name and hint of a key of the policy does
    /// not hold: such a note is refused as a whole (C2SP signed-note, signatures).
    pub fn evaluate(
        &self,
        note: &SignedNote,
        mut verify: impl FnMut(&VerifierKey, &[u8], &[u8]) -> bool,
    ) -> Result<Evaluation, NoteError> {
        let origin = Checkpoint::parse(note.text())?.origin;
        let mut open = |key: &VerifierKey| match key
            .open(note, |message, signature| verify(key, message, signature))
        {
            Ok(signed) => Ok(Some(signed)),
            Err(NoteError::NotSignedBy) => Ok(None),
            Err(error) => Err(error),
        };
        let mut log = None;
        for (index, known) in self.logs.iter().enumerate() {
            // The key of another log says nothing about this origin.
            if known.key.name() == origin && open(&known.key)?.is_some() {
                log = log.or(Some(index));
            }
        }
        let mut cosigned = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            cosigned.push(open(&witness.key)?.and_then(|signed| signed.time));
        }
        let quorum_met = self.is_met(|index| cosigned.get(index).is_some_and(Option::is_some));
        Ok(Evaluation {
            log,
            cosigned,
            quorum_met,
        })
    }
}
