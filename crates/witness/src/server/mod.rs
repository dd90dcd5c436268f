//! The witness: cosigns checkpoints of the logs it knows, each consistent with the one before.

mod api;
mod metrics;

use crate::limits::{MAX_CLOCK_STEP, MAX_LOGS};
use crate::request::{AddCheckpoint, RequestError};
use crate::store::{Latest, Store, StoreError};
use crate::trusted::{TrustedKey, TrustedKeyError};
use clock::Clock;
use keys::{Purpose, Signer};
use merkle::proof::{ProofError, verify_consistency};
use metrics::Metrics;
use note::{
    Cosignature, KeyType, NoteError, SignatureLine, SignedNote, VerifierKey, cosignature_message,
};
use pki::key::Scheme;
use prometheus::Registry;
use std::collections::HashMap;
use std::sync::Arc;

/// The largest tree that the store can count.
const MAX_SIZE: u64 = merkle::MAX_SIZE - 1;

/// Settings of a witness.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name in its signature lines: a URL without scheme, e.g. `witness.example.org/w1`.
    pub name: String,
    /// Where its routes are: empty, or a path that begins with `/` and does not end with it.
    pub prefix: String,
    /// Whom it witnesses; a log that changes its key stands here twice.
    pub logs: Vec<KnownLog>,
}

/// A log that a witness knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// Key of the log, type 0x01 or 0x02.
    pub key: VerifierKey,
    /// First line of its checkpoints; for most logs the name of the key.
    pub origin: String,
}

/// What a witness works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Signs: an Ed25519 key of [`Purpose::Witness`].
    pub signer: Signer,
    /// Its memory, claimed for this name and key.
    pub store: Store,
    /// Dates the cosignatures.
    pub clock: Clock,
    /// Takes the metrics.
    pub registry: Registry,
}

/// Why a witness cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key of another purpose.
    #[error("the {0} key may not cosign: a signer is bound to its purpose")]
    Purpose(Purpose),
    /// A key of another kind.
    #[error(
        "a witness signs with Ed25519, this key is of another kind: make one with `sigstead init witness`"
    )]
    KeyKind,
    /// The name cannot stand in a signature line.
    #[error("the name of the witness: {0}")]
    Name(NoteError),
    /// A log's key is of no use.
    #[error(transparent)]
    LogKey(#[from] TrustedKeyError),
    /// A witness's key for a log.
    #[error("the verifier key of log {origin} is a witness's: ask its operator for the log's own")]
    LogKeyType {
        /// Origin of the log.
        origin: String,
    },
    /// Too many logs.
    #[error("{have} logs are too many: at most {MAX_LOGS} are witnessed")]
    TooManyLogs {
        /// Logs given.
        have: usize,
    },
    /// Metrics of that name are there already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The memory is missing or another's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running witness. Cheap to clone.
#[derive(Clone)]
pub struct Witness {
    inner: Arc<Inner>,
}

struct Inner {
    key: VerifierKey,
    prefix: String,
    logs: HashMap<String, Vec<TrustedKey>>,
    signer: Signer,
    store: Store,
    clock: Clock,
    metrics: Metrics,
}

/// The verifier key of a witness: what operators of logs put into their policies.
///
/// # Errors
/// When the key is not Ed25519 or the name is none.
pub fn verifier_key(name: &str, signer: &Signer) -> Result<VerifierKey, BuildError> {
    if signer.scheme() != Scheme::Ed25519 {
        return Err(BuildError::KeyKind);
    }
    VerifierKey::new(name, KeyType::CosignatureEd25519, signer.public_key().raw())
        .map_err(BuildError::Name)
}

/// Builds a witness.
///
/// # Errors
/// When key, name, memory or one of the logs' keys is unfit.
pub async fn build(config: Config, deps: Deps) -> Result<Witness, BuildError> {
    if deps.signer.purpose() != Purpose::Witness {
        return Err(BuildError::Purpose(deps.signer.purpose()));
    }
    let key = verifier_key(&config.name, &deps.signer)?;
    deps.store.check_owner(&key.to_string()).await?;
    let inner = Inner {
        key,
        prefix: config.prefix,
        logs: trusted_logs(config.logs)?,
        signer: deps.signer,
        store: deps.store,
        clock: deps.clock,
        metrics: Metrics::register(&deps.registry)?,
    };
    Ok(Witness {
        inner: Arc::new(inner),
    })
}

fn trusted_logs(known: Vec<KnownLog>) -> Result<HashMap<String, Vec<TrustedKey>>, BuildError> {
    if known.len() > MAX_LOGS {
        return Err(BuildError::TooManyLogs { have: known.len() });
    }
    let mut logs: HashMap<String, Vec<TrustedKey>> = HashMap::new();
    for KnownLog { key, origin } in known {
        if key.key_type() == KeyType::CosignatureEd25519 {
            return Err(BuildError::LogKeyType { origin });
        }
        logs.entry(origin).or_default().push(TrustedKey::new(key)?);
    }
    Ok(logs)
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Malformed(#[from] RequestError),
    #[error("the old size {old} is larger than the checkpoint's size {size}")]
    OldAboveSize { old: u64, size: u64 },
    #[error("a tree of {size} leaves is larger than the limit of {MAX_SIZE}")]
    TooLarge { size: u64 },
    #[error("this witness does not know a log with this origin")]
    UnknownOrigin,
    #[error("the checkpoint has no good signature by the log's key: {0}")]
    Untrusted(NoteError),
    #[error("the checkpoint cosigned last has size {size}")]
    Conflict { size: u64 },
    #[error("{origin}: a tree of size 0 has another root")]
    EmptyRoot { origin: String },
    #[error("a proof from size 0 must be empty")]
    ProofFromZero,
    #[error("{origin}: the checkpoint is not consistent with the one cosigned last: {problem}")]
    Inconsistent { origin: String, problem: ProofError },
    #[error("the clock is before 1970")]
    Clock,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] keys::KeyError),
    #[error("the cosignature cannot be written: {0}")]
    Note(NoteError),
}

impl Witness {
    /// The witness's verifier key.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.inner.key
    }

    /// Routes `<prefix>/add-checkpoint` and `<prefix>/<hash of an origin>/checkpoint`.
    pub fn router(&self) -> axum::Router {
        api::router(self.clone(), &self.inner.prefix)
    }

    /// Asks whether the witness can answer: its memory is readable.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.inner.store.is_empty().await.map(|_| ())
    }

    /// One add-checkpoint request: the cosignature line. C2SP tlog-witness, add-checkpoint.
    async fn add_checkpoint(&self, body: &[u8]) -> Result<SignatureLine, Refusal> {
        // 1. Who says this? An unknown origin first, then the log's signature.
        let request = AddCheckpoint::parse(body)?;
        let log_line = self.verify_log(&request)?;
        // 2. Does it follow what we cosigned last? An old size above the new one is a broken client's.
        let (old, size) = (request.old, request.checkpoint.size);
        if old > size {
            return Err(Refusal::OldAboveSize { old, size });
        }
        if size > MAX_SIZE {
            return Err(Refusal::TooLarge { size });
        }
        let origin = &request.checkpoint.origin;
        let latest = self.inner.store.latest(origin).await?;
        let known = latest.as_ref().map_or(0, |latest| latest.size);
        if old != known {
            return Err(Refusal::Conflict { size: known });
        }
        check_consistency(&request, latest.as_ref())?;
        // 3. Sign. The signature stays in this function until the checkpoint is committed.
        let time = self.time(latest.as_ref())?;
        let line = self.cosign(request.note.text(), time).await?;
        let next = Latest {
            origin: origin.clone(),
            size,
            root: request.checkpoint.root,
            time,
            note: stored_note(&request.note, log_line, line.clone())?,
        };
        // 4. Compare and swap: of two requests that were checked against the same row one loses here.
        let from = latest.map(|latest| (latest.size, latest.root));
        if !self.inner.store.advance(from, &next).await? {
            let latest = self.inner.store.latest(origin).await?;
            let size = latest.map_or(0, |latest| latest.size);
            return Err(Refusal::Conflict { size });
        }
        // 5. Committed: now it may leave.
        Ok(line)
    }

    /// Finds the origin and checks its log's signatures: the position of a good line.
    fn verify_log(&self, request: &AddCheckpoint) -> Result<usize, Refusal> {
        let keys = self
            .inner
            .logs
            .get(&request.checkpoint.origin)
            .ok_or(Refusal::UnknownOrigin)?;
        let mut signed = Err(NoteError::NotSignedBy);
        for key in keys {
            match key.open(&request.note) {
                Ok(found) => signed = signed.or(Ok(found.line)),
                Err(NoteError::NotSignedBy) => {}
                // A line with the name and hint of a known key that does not hold spoils the note.
                Err(error) => return Err(Refusal::Untrusted(error)),
            }
        }
        signed.map_err(Refusal::Untrusted)
    }

    /// The time to sign with. A small step back of the clock is not shown: a larger tree must not bear an
    /// earlier time than a smaller one.
    fn time(&self, latest: Option<&Latest>) -> Result<u64, Refusal> {
        let now = u64::try_from(self.inner.clock.unix_seconds()).map_err(|_| Refusal::Clock)?;
        if now == 0 {
            // C2SP tlog-witness: the timestamp must not be zero.
            return Err(Refusal::Clock);
        }
        let last = latest.map_or(0, |latest| latest.time);
        match last.saturating_sub(now) {
            0 => Ok(now),
            step if step <= MAX_CLOCK_STEP => Ok(last),
            step => {
                tracing::warn!(seconds = step, "the clock is behind the newest cosignature");
                Ok(now)
            }
        }
    }

    async fn cosign(&self, text: &str, time: u64) -> Result<SignatureLine, Refusal> {
        let message = cosignature_message(time, text);
        let signature = self.inner.signer.sign(message.as_bytes()).await?;
        let length = NoteError::CosignatureLength {
            have: signature.len() + 8,
        };
        let signature = signature.try_into().map_err(|_| Refusal::Note(length))?;
        let cosignature = Cosignature { time, signature };
        Ok(self.inner.key.line(cosignature.to_bytes().to_vec()))
    }
}

/// C2SP tlog-witness, add-checkpoint: the rules that 422 stands for. `request.old` is `latest`'s size.
fn check_consistency(request: &AddCheckpoint, latest: Option<&Latest>) -> Result<(), Refusal> {
    let checkpoint = &request.checkpoint;
    let origin = || checkpoint.origin.clone();
    if checkpoint.size == 0 && checkpoint.root != merkle::empty_root() {
        return Err(Refusal::EmptyRoot { origin: origin() });
    }
    match latest {
        // Every tree is consistent with the empty one.
        Some(latest) if latest.size > 0 => verify_consistency(
            latest.size,
            checkpoint.size,
            &request.proof,
            &latest.root,
            &checkpoint.root,
        )
        .map_err(|problem| Refusal::Inconsistent {
            origin: origin(),
            problem,
        }),
        _ if request.proof.is_empty() => Ok(()),
        _ => Err(Refusal::ProofFromZero),
    }
}

/// What readers get: the text, the log's line that was verified, our own. Other lines are nobody's word.
fn stored_note(note: &SignedNote, log: usize, ours: SignatureLine) -> Result<String, Refusal> {
    let log = note.signatures().get(log).cloned();
    let lines = log.into_iter().chain([ours]).collect();
    let note = SignedNote::new(note.text().to_owned(), lines).map_err(Refusal::Note)?;
    Ok(note.to_string())
}
