//! Certificate-transparency log on the log engine: SCTs, RFC 6962 endpoints under `/ctlog/ct/v1/`.
//!
//! An SCT leaves only after its entry is committed (invariant 4), so the merge delay is zero. The rooms: `chain` checks
//! what is submitted, `stored` is the data beside a leaf, `head` signs and reads tree heads, `api` speaks HTTP.

mod api;
mod chain;
mod error;
mod head;
pub mod limits;
mod stored;

pub use chain::ChainError;
pub use error::CtError;

use bytes::Bytes;
use head::Sth;
use pki::cert::Certificate;
use pki::key::HashAlgorithm;
use pki::sct::{CtEntry, Sct};
use std::sync::{Arc, PoisonError, RwLock};
use tlog::Submission;

/// How the log is named.
#[derive(Clone, Debug)]
pub struct Config {
    /// First line of its checkpoints: [`CtLog::origin`], for a later log of the host [`CtLog::origin_of`].
    pub origin: String,
}

/// What the log is made of.
pub struct Deps {
    /// The engine's log, opened with [`CtLog::head_signer`].
    pub log: tlog::Log,
    /// The log's key: ECDSA P-256, or RSA.
    pub signer: keys::Signer,
    /// Times of SCTs.
    pub clock: clock::Clock,
    /// Accepted roots: every CA chain ever active, leaf CA first, root last.
    pub chains: Vec<Vec<Certificate>>,
}

/// A CT log. Cheap to clone.
#[derive(Clone)]
pub struct CtLog {
    inner: Arc<Inner>,
}

struct Inner {
    origin: String,
    log: tlog::Log,
    signer: keys::Signer,
    clock: clock::Clock,
    roots: RwLock<Arc<[Certificate]>>,
}

impl CtLog {
    /// Puts a log together. The root of each chain is accepted, once.
    pub fn new(config: Config, deps: Deps) -> Self {
        let this = Self {
            inner: Arc::new(Inner {
                origin: config.origin,
                log: deps.log,
                signer: deps.signer,
                clock: deps.clock,
                roots: RwLock::new(Arc::new([])),
            }),
        };
        this.accept(&deps.chains);
        this
    }

    /// Accepts the roots of these chains as well, while the log serves: a CA that comes after the first one.
    pub fn accept(&self, chains: &[Vec<Certificate>]) {
        let roots = &self.inner.roots;
        let mut known = roots.write().unwrap_or_else(PoisonError::into_inner);
        for root in chains.iter().filter_map(|chain| chain.last()) {
            if known.iter().all(|known| known.der() != root.der()) {
                *known = known.iter().chain([root]).cloned().collect();
            }
        }
    }

    /// The first line of the log's checkpoints: its submission prefix without the scheme.
    pub fn origin(host: &str) -> String {
        head::origin(host)
    }

    /// The same for the host's log of this number, 1 and up. What follows the host is also the path that clients find it
    /// under: `ctlog`, `ctlog-2` and so on.
    pub fn origin_of(host: &str, number: u32) -> String {
        match number {
            0 | 1 => Self::origin(host),
            number => format!("{}-{number}", Self::origin(host)),
        }
    }

    /// The engine's head signer for a CT log: a static-ct checkpoint, whose signature is that of the RFC 6962 tree head.
    pub fn head_signer(host: &str, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> {
        Self::head_signer_of(&Self::origin(host), signer)
    }

    /// The same for a log of this origin.
    pub fn head_signer_of(origin: &str, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> {
        Arc::new(head::Signer::new(origin, signer))
    }

    /// Commits a precertificate issued by `chain[0]` and returns its SCT, only after the commit. A second submission of
    /// the same precertificate returns the first SCT. The chain ends with its root.
    ///
    /// For a CA in this process: that `chain[0]` signed the precertificate is the caller's to know; what comes over
    /// HTTP is checked there.
    pub async fn add_pre_chain(
        &self,
        precert: &Certificate,
        chain: &[Certificate],
    ) -> Result<Sct, CtError> {
        let issuer = chain.first().ok_or(ChainError::NoIssuer)?;
        chain::check_poison(precert, true)?;
        if precert.issuer_der() != issuer.subject_der() {
            return Err(ChainError::OtherIssuer { position: 0 }.into());
        }
        self.add(precert, issuer, chain).await
    }

    /// RFC 6962 read and write endpoints, to be nested at `/ctlog` (paths inside: `/ct/v1/...`).
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// The engine's log, for audits and tiles.
    pub fn log(&self) -> &tlog::Log {
        &self.inner.log
    }

    /// Logs a certificate or precertificate: RFC 6962 section 3.
    async fn add(
        &self,
        submitted: &Certificate,
        issuer: &Certificate,
        chain: &[Certificate],
    ) -> Result<Sct, CtError> {
        // 1. The SCT, over the time of submission. A clock that was set back does not take it below the heads that are
        //    signed: nothing is logged before what the log showed already (RFC 6962 section 3.5).
        let entry = CtEntry::of(submitted, issuer).map_err(ChainError::from)?;
        let now = self.inner.clock.unix_millis();
        let now = now.max(self.inner.log.head().time_ms);
        let timestamp = u64::try_from(now).map_err(|_| CtError::Clock)?;
        let sct = self.sign(&entry, timestamp).await?;

        // 2. The leaf covers the timestamp, so what was submitted is what makes a duplicate.
        let digest = HashAlgorithm::Sha256.digest(submitted.der());
        let submission = Submission {
            leaf: Bytes::from(entry.leaf(timestamp, &sct.extensions)),
            identity: <[u8; 32]>::try_from(digest).map_err(|_| CtError::Clock)?,
            extra: stored::encode(&sct, submitted, chain),
        };

        // 3. Committed, or there before: then the first SCT is the one to return.
        let integrated = self.inner.log.append(submission).await?;
        if integrated.duplicate {
            return stored::decode(&integrated.entry.extra)
                .map(|stored| stored.sct)
                .ok_or(CtError::Damaged {
                    index: integrated.entry.index,
                });
        }
        Ok(sct)
    }

    async fn sign(&self, entry: &CtEntry, timestamp: u64) -> Result<Sct, CtError> {
        // sigstore-python before 4.2.0 fails on any SCT extension, and nothing here needs one.
        let extensions = Vec::new();
        let signer = &self.inner.signer;
        let (hash, sig) = head::tls_algorithm(signer)?;
        let signature = signer
            .sign(&entry.sct_input(timestamp, &extensions))
            .await
            .map_err(|error| CtError::Key(error.to_string()))?;
        Ok(Sct {
            log_id: signer.public_key().key_id(),
            timestamp,
            extensions,
            hash,
            sig,
            signature,
        })
    }

    /// The accepted roots.
    fn roots(&self) -> Arc<[Certificate]> {
        let roots = self.inner.roots.read();
        roots.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest signed tree head.
    fn sth(&self) -> Result<Sth, CtError> {
        let head = self.inner.log.head();
        Sth::read(&head, &self.inner.origin, &self.inner.signer)
            .ok_or(CtError::Checkpoint { size: head.size })
    }
}

/// Reads a body of add-chain and gives the certificates in DER, leaf first; for fuzzing.
#[doc(hidden)]
pub fn parse_add_chain(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    api::parse_add_chain(body)
}
