//! Issuing: token in, certificate out. No HTTP here; REST and gRPC share it.

use crate::authority::{Authority, AuthorityError};
use crate::current::Switch;
use crate::limits::{CERTIFICATE_LIFETIME, ISSUANCES_AT_ONCE, LARGE_BODIES_AT_ONCE};
use crate::metrics::Metrics;
use crate::proof::{self, KeyRequest};
use clock::Clock;
use oidc::{EmbedError, TokenError, Verifier};
use pki::cert::Certificate;
use pki::csr::CsrError;
use pki::key::{HashAlgorithm, KeyError, KeyKind};
use pki::profile::{LeafRequest, LeafTbs, check_correspond};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The certificate authority. One cheap handle for all handlers.
#[derive(Clone)]
pub(crate) struct Ca {
    pub(crate) verifier: Verifier,
    pub(crate) current: Switch,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// Places for bodies in hand that are larger than clients send.
    pub(crate) large_bodies: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

/// A decoded request. No `Debug`: it holds the token.
pub(crate) struct Request {
    /// Empty when there is none.
    pub(crate) token: String,
    pub(crate) key: Option<KeyRequest>,
}

/// A certificate with its chain.
pub(crate) struct Issued {
    pub(crate) leaf: Certificate,
    pub(crate) authority: Arc<Authority>,
}

/// Why no certificate was issued. The stages follow each other as the variants do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{ISSUANCES_AT_ONCE} issuances are under way")]
    Busy,
    #[error("the request has neither a public key nor a certificate signing request")]
    KeyMissing,
    #[error(transparent)]
    Csr(CsrError),
    #[error(transparent)]
    Key(KeyError),
    #[error("weak key: {0}")]
    KeyWeak(KeyError),
    #[error("the proof of possession is no signature over {names:?}")]
    Proof { names: Vec<String>, kind: KeyKind },
    #[error("{} with {}", proof::go_type(*.kind), proof::go_hash(*.have))]
    NotPermitted {
        kind: KeyKind,
        have: Option<HashAlgorithm>,
        want: Option<HashAlgorithm>,
    },
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("CT log: {0}")]
    Ct(#[from] ct::CtError),
}

impl Ca {
    pub(crate) fn new(verifier: Verifier, current: Switch, clock: Clock, metrics: Metrics) -> Self {
        Self {
            verifier,
            current,
            clock,
            metrics,
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_AT_ONCE)),
            slots: Arc::new(Semaphore::new(ISSUANCES_AT_ONCE)),
        }
    }

    /// Issues one certificate.
    ///
    /// A precertificate may stay in the CT log without its certificate, when a later step fails or the
    /// client goes away; that is what a log of intentions is for.
    pub(crate) async fn issue(&self, request: &Request) -> Result<Issued, IssueError> {
        // One authority for the whole issuance: SCT and certificate must name the same issuer key.
        let authority = self.current.now().authority.clone();

        // 1. The token is checked and gives a principal; the key is proven to be the client's.
        let principal = self.verifier.principal(&request.token).await?;
        // Not before: whoever waits for an issuer's keys, or invents issuers, keeps nobody from signing.
        let _slot = self.slots.try_acquire().map_err(|_| IssueError::Busy)?;
        let key_request = request.key.as_ref().ok_or(IssueError::KeyMissing)?;
        let subject_key = proof::check_proof(key_request, &principal.proof_names)?;
        let identity = principal.embed()?;

        // 2. The TBS is built once; everything that is signed below comes from this value.
        let now = self.clock.now();
        authority.check_lifetime(now)?;
        let leaf = LeafRequest {
            subject_key: &subject_key,
            san: identity.san,
            extensions: identity.extensions,
            serial: serial()?,
            not_before: now,
            not_after: now + CERTIFICATE_LIFETIME,
        };
        let tbs = LeafTbs::build(authority.issuing(), leaf).map_err(AuthorityError::from)?;

        // 3. The precertificate is signed.
        let precertificate = authority
            .sign(&tbs.precertificate().map_err(AuthorityError::from)?)
            .await?;

        // 4. It is committed in the CT log, which answers with an SCT (invariant 4).
        let sct = self.current.log(&precertificate, authority.chain()).await?;

        // 5. The certificate is signed, and must be the precertificate's (invariant 7).
        let leaf = authority
            .sign(&tbs.with_scts(&[sct]).map_err(AuthorityError::from)?)
            .await?;
        check_correspond(&precertificate, &leaf).map_err(AuthorityError::from)?;
        self.metrics.new_certs.inc();
        Ok(Issued { leaf, authority })
    }
}

impl Issued {
    /// PEM texts, leaf first, root last, without trailing newlines.
    pub(crate) fn pem_chain(&self) -> Vec<String> {
        std::iter::once(&self.leaf)
            .chain(self.authority.chain())
            .map(|certificate| certificate.to_pem().trim_end().to_owned())
            .collect()
    }
}

/// 160 random bits; the profile makes them positive and non-zero (RFC 5280 4.1.2.2).
fn serial() -> Result<[u8; 20], AuthorityError> {
    let mut serial = [0; 20];
    getrandom::fill(&mut serial).map_err(|e| AuthorityError::Randomness(e.to_string()))?;
    Ok(serial)
}
