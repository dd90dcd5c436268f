//! The log's end: asks every witness of a policy at once.

mod config;
mod exchange;
mod metrics;
mod outcome;
mod peer;

pub use config::{ConfigError, CosignerConfig, FailureMode};
pub use outcome::{AnswerError, Outcome, WitnessOutcome};

use async_trait::async_trait;
use clock::Clock;
use merkle::Hash;
use metrics::Metrics;
use note::policy::Policy;
use note::{Checkpoint, NoteError, SignatureLine, SignedNote};
use outcome::Answer;
use peer::Peer;
use prometheus::Registry;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where consistency proofs come from: the log.
#[async_trait]
pub trait Consistency: Send + Sync {
    /// Proves that the tree of `old` leaves is the beginning of the tree of `new` leaves; 0 < `old` < `new`, and
    /// `new` is the size of the checkpoint that is being cosigned.
    async fn proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofUnavailable>;
}

/// Why the log could not prove its own consistency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no consistency proof: {0}")]
pub struct ProofUnavailable(pub String);

/// Collects cosignatures for the checkpoints of one log. Cheap to clone.
///
/// Remembers in memory what each witness has seen. After a restart the first round costs each witness a second
/// request: it answers 409 with the size that it has.
#[derive(Clone)]
pub struct Cosigner {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    mode: FailureMode,
    /// The policy's witnesses that have a URL, in the policy's order.
    peers: Vec<Arc<Peer>>,
    metrics: Metrics,
}

/// What a round brought.
#[derive(Clone, Debug)]
pub struct Cosigned {
    /// The checkpoint as it was given, with `lines` below its own.
    pub checkpoint: String,
    /// The cosignatures, in the policy's order; each is verified.
    pub lines: Vec<SignatureLine>,
    /// Whether they are enough for the policy.
    pub quorum_met: bool,
    /// Whether the checkpoint may be published: the quorum is met, or the mode is fail-open.
    pub may_publish: bool,
    /// What became of each witness that has a URL, in the policy's order.
    pub witnesses: Vec<WitnessOutcome>,
}

/// One checkpoint on its way round the witnesses.
struct Round {
    note: SignedNote,
    /// The note as it is sent.
    text: String,
    size: u64,
    proofs: Arc<dyn Consistency>,
}

impl Cosigner {
    /// Prepares to ask the policy's witnesses. No request is made yet.
    ///
    /// # Errors
    /// When a URL or key cannot be used, the time is out of bounds, or the quorum needs a witness without a URL.
    pub fn new(
        config: CosignerConfig,
        clock: Clock,
        registry: &Registry,
    ) -> Result<Self, ConfigError> {
        let peers = config::peers(&config, &clock)?;
        let metrics = Metrics::register(registry, &config.log)?;
        let inner = Inner {
            policy: config.policy,
            mode: config.mode,
            peers: peers.into_iter().map(Arc::new).collect(),
            metrics,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether a checkpoint without quorum is published.
    pub fn mode(&self) -> FailureMode {
        self.inner.mode
    }

    /// Asks all witnesses to cosign a checkpoint: the signed note as the log published it. Returns as soon as the
    /// quorum is met, else when every witness has answered or its time is over (with `quorum none`: always then).
    /// Witnesses that are still answering finish in the background, so that what they have seen is known.
    ///
    /// Safe to call again for the same checkpoint, and to drop: nothing is written anywhere but at the witnesses.
    ///
    /// # Errors
    /// When `checkpoint` is no signed checkpoint, or full of lines. A witness's failure is an [`Outcome`], not an error.
    pub async fn cosign(
        &self,
        checkpoint: &[u8],
        proofs: Arc<dyn Consistency>,
    ) -> Result<Cosigned, NoteError> {
        let round = Arc::new(Round::new(checkpoint, proofs)?);
        let mut answers = self.ask_all(&round);
        let mut collected = Collected::new(self.inner.peers.len());
        while !self.is_enough(&collected) {
            let Some((place, answer)) = answers.recv().await else {
                break;
            };
            collected.put(place, answer);
        }
        // Who answered in the same moment is taken along.
        while let Ok((place, answer)) = answers.try_recv() {
            collected.put(place, answer);
        }
        self.conclude(&round, collected)
    }

    fn ask_all(&self, round: &Arc<Round>) -> mpsc::Receiver<(usize, Answer)> {
        // Room for every answer, so that nobody waits to be heard.
        let (sender, answers) = mpsc::channel(self.inner.peers.len().max(1));
        for (place, peer) in self.inner.peers.iter().enumerate() {
            let (peer, round, sender) = (peer.clone(), round.clone(), sender.clone());
            let metrics = self.inner.metrics.clone();
            tokio::spawn(async move {
                if let Some(answer) = peer.ask(&round, &sender, &metrics).await {
                    // The round may have ended without us.
                    let _ = sender.send((place, answer)).await;
                }
            });
        }
        answers
    }

    fn is_enough(&self, collected: &Collected) -> bool {
        let policy = &self.inner.policy;
        policy.needs_witnesses() && self.is_met(collected)
    }

    fn is_met(&self, collected: &Collected) -> bool {
        let cosigned = |witness| {
            let mut places = self.inner.peers.iter().zip(&collected.0);
            places.any(|(peer, answer)| peer.index == witness && answer.line.is_some())
        };
        self.inner.policy.is_met(cosigned)
    }

    fn conclude(&self, round: &Round, collected: Collected) -> Result<Cosigned, NoteError> {
        let quorum_met = self.is_met(&collected);
        let mut lines = Vec::new();
        let mut witnesses = Vec::new();
        for (peer, answer) in self.inner.peers.iter().zip(collected.0) {
            lines.extend(answer.line);
            witnesses.push(WitnessOutcome {
                witness: peer.label.clone(),
                outcome: answer.outcome,
            });
        }
        self.inner.metrics.round(quorum_met);
        let mut note = round.note.clone();
        note.append(lines.iter().cloned())?;
        Ok(Cosigned {
            checkpoint: note.to_string(),
            lines,
            quorum_met,
            may_publish: quorum_met || self.inner.mode == FailureMode::Open,
            witnesses,
        })
    }
}

impl Round {
    fn new(checkpoint: &[u8], proofs: Arc<dyn Consistency>) -> Result<Self, NoteError> {
        // Bytes that are no text have no text that ends as it should.
        let text = std::str::from_utf8(checkpoint).map_err(|_| NoteError::TextEnd)?;
        let note = SignedNote::parse(text)?;
        let size = Checkpoint::parse(note.text())?.size;
        Ok(Self {
            text: text.to_owned(),
            note,
            size,
            proofs,
        })
    }
}

/// The answers so far, by place.
struct Collected(Vec<Answer>);

impl Collected {
    fn new(peers: usize) -> Self {
        let waiting = || Answer::from(Outcome::NotAwaited);
        Self(std::iter::repeat_with(waiting).take(peers).collect())
    }

    fn put(&mut self, place: usize, answer: Answer) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = answer;
        }
    }
}
