//! Certificate authority with Fulcio's API: identity token in, 10-minute certificate out.
//!
//! [`build`] checks everything that can be checked before the first request and gives the routes
//! `/api/v2/signingCert`, `/api/v2/trustBundle`, `/api/v2/configuration`, `/api/v1/signingCert` and
//! `/api/v1/rootCert`. The use case is in `issue`; `api` only translates.

mod api;
mod authority;
mod current;
mod issue;
pub mod limits;
mod metrics;
mod proof;

pub use authority::AuthorityError;
pub use current::{Switch, TrustedChain};

use authority::Authority;
use issue::Ca;
use metrics::Metrics;
use oidc::{Transport, Verifier};

/// Settings of the certificate authority.
pub struct Config {
    /// Fulcio issuer configuration text (YAML or JSON).
    pub issuers: String,
    /// Accept plain http issuers on any host (tests, closed networks). Loopback is always accepted.
    pub allow_http_issuers: bool,
}

/// What the certificate authority works with.
pub struct Deps {
    /// The key of the issuing CA.
    pub signer: keys::Signer,
    /// Issuing CA first, root last.
    pub chain: Vec<pki::cert::Certificate>,
    /// Where precertificates are logged before certificates are issued.
    pub ct: ct::CtLog,
    /// The process's clock.
    pub clock: clock::Clock,
    /// Where the metrics go. One authority a registry.
    pub registry: prometheus::Registry,
}

/// Why the certificate authority does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The issuer configuration does not load.
    #[error(transparent)]
    Issuers(#[from] oidc::ConfigError),
    /// No CA certificate was given.
    #[error("the CA chain is empty; give the issuing CA's certificate first and the root's last")]
    NoChain,
    /// Key and certificate do not belong together.
    #[error(
        "the CA key (ID {key}…) is not the key of the issuing CA's certificate (ID {certificate}…); give the pair that belongs together"
    )]
    KeyMismatch {
        /// First bytes of the key's ID, hex.
        key: String,
        /// First bytes of the certificate's key ID, hex.
        certificate: String,
    },
    /// The chain breaks a rule of the CA profile.
    #[error("the CA chain is refused: {0}")]
    Chain(#[from] pki::path::PathError),
    /// The metrics are registered already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Builds the routes of the certificate authority.
pub fn build(config: Config, deps: Deps) -> Result<axum::Router, BuildError> {
    build_switchable(config, deps).map(|(router, _)| router)
}

/// The same, with what exchanges CA and CT log while it serves.
pub fn build_switchable(config: Config, deps: Deps) -> Result<(axum::Router, Switch), BuildError> {
    let transport = Transport {
        allow_http: config.allow_http_issuers,
    };
    let issuers = oidc::Config::load(&config.issuers, transport)?;
    let verifier = Verifier::new(issuers, transport, deps.clock.clone());
    let authority = Authority::new(deps.signer, deps.chain, deps.clock.now())?;
    let metrics = Metrics::register(&deps.registry)?;
    let switch = Switch::new(authority, deps.ct, deps.clock.clone());
    let ca = Ca::new(verifier, switch.clone(), deps.clock, metrics);
    Ok((api::router(ca), switch))
}

/// Reads a body of `POST /api/v2/signingCert`, and nothing more of the request; for fuzzing.
#[doc(hidden)]
pub fn parse_v2_body(body: &[u8]) -> Result<(), service::error::GatewayError> {
    api::wire::v2(&http::HeaderMap::new(), body).map(drop)
}

/// The same for `POST /api/v1/signingCert`.
#[doc(hidden)]
pub fn parse_v1_body(body: &[u8]) -> Result<(), service::error::GatewayError> {
    api::wire::v1(&http::HeaderMap::new(), body).map(drop)
}
