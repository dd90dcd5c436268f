//! RFC 3161 timestamp authority (spec/clients.md section d).
//!
//! `POST /api/v1/timestamp` takes a DER or JSON request and answers a signed token; `GET
//! /api/v1/timestamp/certchain` gives the certificates to verify it with. Nothing is stored. The time in
//! a token is that of the injected clock, the same that dates certificates and log entries.

mod api;
mod asn1;
mod chain;
pub mod limits;
mod request;
mod token;

pub use request::{POLICY, Request, RequestError, parse_json_request, parse_request};

use bytes::Bytes;
use clock::Clock;
use keys::{Purpose, Signer};
use pki::cert::Certificate;
use std::sync::{Arc, PoisonError, RwLock};
use token::Template;

/// Settings of the authority; there is nothing to choose yet.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// What the authority works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Signs tokens: a key of [`Purpose::Tsa`], ECDSA P-256 or P-384.
    pub signer: Signer,
    /// The certificate of `signer`, intermediates, root: 2 to [`limits::MAX_CHAIN`] certificates.
    pub chain: Vec<Certificate>,
    /// Dates the tokens.
    pub clock: Clock,
}

/// Why the authority cannot start. Positions in the chain count from 1, the leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Too short or too long a chain.
    #[error(
        "the timestamp certificate chain has {have} certificates: it must have leaf and root, and at most {limit}"
    )]
    ChainLength {
        /// Certificates given.
        have: usize,
        /// Upper bound.
        limit: usize,
    },
    /// A key of another purpose.
    #[error("the {0} key may not sign timestamps: a signer is bound to its purpose")]
    Purpose(Purpose),
    /// The key is not the leaf's.
    #[error(
        "the timestamp key does not belong to the first certificate of the chain: put the key's own certificate first, or issue a new one for the key"
    )]
    KeyMismatch,
    /// No client verifies this kind of key.
    #[error("the timestamp key must be ECDSA P-256 or P-384: sigstore-js verifies nothing else")]
    KeyKind,
    /// A CA certificate as leaf.
    #[error(
        "the first certificate of the timestamp chain is a CA; RFC 3161 wants an end-entity certificate"
    )]
    LeafIsCa,
    /// The leaf's extended key usage is not the one RFC 3161 demands.
    #[error(
        "the first certificate of the timestamp chain must have timeStamping as its only extended key usage, marked critical (RFC 3161 section 2.3)"
    )]
    LeafUsage,
    /// An intermediate without EKU timeStamping.
    #[error(
        "certificate {position} of the timestamp chain must have the extended key usage timeStamping"
    )]
    IntermediateUsage {
        /// Which certificate.
        position: usize,
    },
    /// The path check failed: validity, CA flags, signatures, usages.
    #[error("the timestamp certificate chain does not verify: {0}")]
    Path(#[from] pki::path::PathError),
    /// Certificates that are no part of the path.
    #[error(
        "the timestamp certificate chain is not one path: list leaf, intermediates and root, each once"
    )]
    Unordered,
    /// Two neighbors that do not belong together.
    #[error(
        "certificate {child} of the timestamp chain is not issued by certificate {parent}: list them leaf first, each followed by its issuer"
    )]
    BrokenLink {
        /// The certificate below.
        child: usize,
        /// The one that should have issued it.
        parent: usize,
    },
    /// A part of the leaf cannot be encoded.
    #[error("the first certificate of the timestamp chain: {0}")]
    Encoding(der::Error),
}

/// Routes `/api/v1/timestamp` and `/api/v1/timestamp/certchain`.
///
/// # Errors
/// When key and chain do not match, or the chain is not one for timestamping, valid now.
pub fn build(config: Config, deps: Deps) -> Result<axum::Router, BuildError> {
    build_switchable(config, deps).map(|(router, _)| router)
}

/// The same, with what exchanges key and chain while it serves.
///
/// # Errors
/// As [`build`].
pub fn build_switchable(_config: Config, deps: Deps) -> Result<(axum::Router, Switch), BuildError> {
    let switch = Switch(Arc::new(RwLock::new(Arc::new(authority(deps)?))));
    Ok((api::router(switch.clone()), switch))
}

/// Exchanges key and chain of a timestamp authority that serves. Clones share them.
#[derive(Clone)]
pub struct Switch(Arc<RwLock<Arc<api::Authority>>>);

impl Switch {
    /// Stamps with another key from now on.
    ///
    /// # Errors
    /// As [`build`]; then nothing changes.
    pub fn stamp_by(&self, deps: Deps) -> Result<(), BuildError> {
        let next = Arc::new(authority(deps)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    pub(crate) fn now(&self) -> Arc<api::Authority> {
        let current = self.0.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Checks key and chain, and prepares what every token has.
fn authority(deps: Deps) -> Result<api::Authority, BuildError> {
    let Deps {
        signer,
        chain,
        clock,
    } = deps;
    chain::check(&signer, &chain, clock.now())?;
    let empty = BuildError::ChainLength {
        have: 0,
        limit: limits::MAX_CHAIN,
    };
    let (valid_from, valid_until) = chain::validity(&chain).ok_or(empty)?;
    let template = Template::new(&chain[0], signer.scheme())
        .ok_or(BuildError::KeyKind)?
        .map_err(BuildError::Encoding)?;
    let chain_pem: String = chain.iter().map(Certificate::to_pem).collect();
    Ok(api::Authority {
        signer,
        template,
        chain_pem: Bytes::from(chain_pem),
        valid_from,
        valid_until,
        clock,
    })
}
