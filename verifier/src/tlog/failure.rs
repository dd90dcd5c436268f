//! Why a log entry does not verify, and what to do about it.

use crate::body::BodyFailure;
use crate::budget::Exhausted;
use merkle::proof::ProofError;
use note::NoteError;

/// Why a log entry does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFailure {
    /// The body does not belong to the bundle.
    #[error(transparent)]
    Body(#[from] BodyFailure),
    /// The log's key was not in use at that time.
    #[error("the log's key was not in use at {at}: outside publicKey.validFor in the trusted root")]
    KeyValidity {
        /// The time.
        at: String,
    },
    /// The integrated time lies in the future.
    #[error("the integrated time {at} lies in the future (it is {now})")]
    Future {
        /// The integrated time.
        at: String,
        /// The verifier's time.
        now: String,
    },
    /// The integrated time is no time.
    #[error("the integrated time {seconds} is out of range")]
    IntegratedTime {
        /// Seconds since 1970.
        seconds: i64,
    },
    /// The SET does not verify.
    #[error("the signed entry timestamp does not verify under the log's key")]
    Set,
    /// A v2 entry without inclusion proof or checkpoint.
    #[error("the entry has no inclusion proof with a checkpoint")]
    NoProof,
    /// Neither promise nor proof: nothing ties the entry to the log.
    #[error(
        "the entry has neither a signed entry timestamp nor an inclusion proof with a checkpoint"
    )]
    NoEvidence,
    /// A hash or number of the proof has an impossible value.
    #[error("the inclusion proof's {what} is malformed")]
    ProofForm {
        /// Which part.
        what: &'static str,
    },
    /// The Merkle path does not lead to the root.
    #[error(
        "the inclusion proof does not lead from the entry to the root of {size} entries: {source}"
    )]
    Proof {
        /// Tree size.
        size: u64,
        /// What is wrong.
        source: ProofError,
    },
    /// Proof and checkpoint are of different trees.
    #[error("the checkpoint is of another tree than the inclusion proof (different {what})")]
    OtherTree {
        /// `tree size`, `root hash` or `log index`.
        what: &'static str,
    },
    /// The checkpoint does not parse.
    #[error("the checkpoint does not parse: {0}")]
    Checkpoint(NoteError),
    /// The origin line does not name the log.
    #[error("the checkpoint's origin is `{have}`, the log's is {want}")]
    Origin {
        /// First line found.
        have: String,
        /// What it should be.
        want: String,
    },
    /// No signature line of the log.
    #[error("the checkpoint has no signature by `{name}` with key hint {hint}")]
    NoSignature {
        /// The name looked for.
        name: String,
        /// The hint looked for, hex.
        hint: String,
    },
    /// The log's signature line does not verify.
    #[error("the log's signature on the checkpoint does not verify")]
    CheckpointSignature,
    /// The policy's witnesses did not cosign, or too few of them.
    #[error("the checkpoint is not cosigned as the policy asks: {have} of {known} witnesses did")]
    Cosignatures {
        /// Witnesses of the policy whose cosignature holds.
        have: usize,
        /// Witnesses of the policy.
        known: usize,
    },
    /// A line of a witness's key does not hold.
    #[error("a cosignature on the checkpoint does not hold: {0}")]
    Cosignature(NoteError),
    /// The policy lists logs, and this is none of them.
    #[error("the policy of witnesses does not list the log of origin `{origin}`")]
    UnlistedLog {
        /// First line of the checkpoint.
        origin: String,
    },
    /// Witnesses are asked for, and the entry has no checkpoint that they could have seen.
    #[error(
        "the policy asks for witnesses, and the entry has no checkpoint that they could have cosigned"
    )]
    NotWitnessed,
    /// The work budget is spent.
    #[error("not checked: the bundle asks for too many signature checks")]
    Budget,
}

impl EntryFailure {
    pub(crate) fn cure(&self) -> String {
        match self {
            Self::Body(BodyFailure::DigestMissing { algorithm }) => format!("give the artifact's {algorithm} digest too, or its bytes"),
            Self::Body(BodyFailure::NoSignature { .. }) => "sign again with a client that logs attestations as dsse, hashedrekord or intoto 0.0.2".into(),
            Self::Body(_) => "the entry belongs to another signature: use the bundle as the signer produced it, or sign again".into(),
            Self::KeyValidity { .. } => "correct validFor of this log in the trusted root if the key was in use then; else do not trust the entry".into(),
            Self::Future { .. } => "set this machine's clock, or ask the log's operator about theirs".into(),
            Self::Origin { want, .. } => format!("the log's hostname setting and `baseUrl` in the trusted root must agree ({want})"),
            Self::NoSignature { .. } => "check that the trusted root has this log's current key, log ID and `baseUrl`".into(),
            Self::Cosignatures { .. } => "ask the log's operator to have its checkpoints witnessed and sign again, or ask for fewer witnesses".into(),
            Self::UnlistedLog { .. } => "add the log's verifier key to the policy of witnesses, or remove its `log` lines".into(),
            Self::NotWitnessed | Self::NoProof | Self::NoEvidence => "fetch the entry again from the log and store its inclusion proof and checkpoint in the bundle".into(),
            _ => "fetch the entry again from the log; if it still fails, the bundle was altered or the log misbehaved: tell its operator".into(),
        }
    }
}

impl From<Exhausted> for EntryFailure {
    fn from(_: Exhausted) -> Self {
        Self::Budget
    }
}
