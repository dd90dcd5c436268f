//! The logs' side of witnessing: a second, Ed25519 line on each checkpoint, and the round of the witnesses.
//!
//! The second line is put on a committed checkpoint when it is shown, not when it is signed for the store: so a log may be
//! witnessed from any day on, and what a process without these flags commits or freezes can still be cosigned.

use crate::cli::{OutwardArgs, WitnessMode};
use crate::commands::input::read_limited;
use crate::instance::{Layout, write_atomically};
use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use merkle::Hash;
use note::policy::Policy;
use note::{KeyType, SignedNote, VerifierKey};
use prometheus::Registry;
use std::sync::Arc;
use tlog::{Tree, TreeHead, Witnesses};
use witness::{Consistency, Cosigner, CosignerConfig, FailureMode, ProofUnavailable};

/// Policies are a few lines; the parser has the same bound.
const MAX_POLICY: u64 = 64 * 1024;

/// What `--witness-policy` asks for.
pub(crate) struct Witnessing {
    policy: Policy,
    mode: FailureMode,
    layout: Layout,
    clock: Clock,
    registry: Registry,
}

impl Witnessing {
    /// Reads and checks the policy; `None` without one.
    pub(crate) fn new(
        args: &OutwardArgs,
        layout: &Layout,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Option<Self>> {
        let Some(path) = &args.witness_policy else {
            return Ok(None);
        };
        let bytes = read_limited(path, MAX_POLICY)?;
        let policy = Policy::parse(&bytes).with_context(|| path.display().to_string())?;
        Ok(Some(Self {
            policy,
            mode: match args.witness_mode {
                WitnessMode::Open => FailureMode::Open,
                WitnessMode::Closed => FailureMode::Closed,
            },
            layout: layout.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
        }))
    }

    /// Prepares a log whose checkpoints begin with `origin`. Makes its Ed25519 key when there is none, and writes the
    /// verifier key, which the operators of the witnesses need, beside the trust files.
    pub(crate) fn of_log(&self, name: &str, origin: &str) -> Result<Arc<dyn Witnesses>> {
        let file = self.layout.keys().join(format!("{name}-ed25519.pem"));
        let purpose = match name {
            name if name.starts_with("ct") => Purpose::CtLog,
            _ => Purpose::RekorV2,
        };
        let folder = KeyFolder::of_file(&file)?;
        let (signer, _) = folder.load_or_create(purpose, Algorithm::Ed25519)?;
        // RFC 8410 section 4: the 32 bytes of the key end its SPKI.
        let spki = signer.public_key().spki_der();
        let raw = spki.last_chunk::<32>().context("an Ed25519 key")?;
        let key = VerifierKey::new(origin, KeyType::Ed25519, raw)?;
        let vkey = self.layout.trust().join(format!("{name}.vkey"));
        write_atomically(&vkey, format!("{key}\n").as_bytes())?;
        let config = CosignerConfig {
            mode: self.mode,
            ..CosignerConfig::new(name, self.policy.clone())
        };
        let cosigner = Cosigner::new(config, self.clock.clone(), &self.registry)?;
        Ok(Arc::new(Round {
            cosigner,
            signer,
            key,
        }))
    }
}

/// Asks the policy's witnesses for the engine.
struct Round {
    cosigner: Cosigner,
    /// The log's Ed25519 key: witnesses check no other kind, and clients that do not know its line ignore it.
    signer: Signer,
    key: VerifierKey,
}

impl Round {
    /// The checkpoint with the Ed25519 line below the log's own. Ed25519 is deterministic: it is always the same line.
    async fn with_second_line(&self, checkpoint: &[u8]) -> Result<String> {
        let mut note = SignedNote::parse(std::str::from_utf8(checkpoint)?)?;
        let signature = self.signer.sign(note.text().as_bytes()).await?;
        note.push(self.key.line(signature))?;
        Ok(note.to_string())
    }
}

#[async_trait]
impl Witnesses for Round {
    async fn cosign(&self, head: &TreeHead, tree: Tree) -> Result<Bytes, String> {
        let checkpoint = self.with_second_line(&head.checkpoint).await;
        let checkpoint = checkpoint.map_err(|error| error.to_string())?;
        let proofs = Arc::new(Proofs(tree));
        let cosigned = self.cosigner.cosign(checkpoint.as_bytes(), proofs).await;
        let cosigned = cosigned.map_err(|error| error.to_string())?;
        match cosigned.may_publish {
            true => Ok(cosigned.checkpoint.into()),
            false => {
                let answers: Vec<String> = cosigned
                    .witnesses
                    .iter()
                    .map(|one| format!("{}: {}", one.witness, one.outcome))
                    .collect();
                Err(format!("no quorum of witnesses ({})", answers.join("; ")))
            }
        }
    }
}

struct Proofs(Tree);

#[async_trait]
impl Consistency for Proofs {
    async fn proof(&self, old: u64, _new: u64) -> Result<Vec<Hash>, ProofUnavailable> {
        // The tree is that of the checkpoint which is being cosigned.
        let proof = self.0.consistency_proof(old).await;
        proof.map_err(|error| ProofUnavailable(error.to_string()))
    }
}
