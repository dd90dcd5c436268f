//! Certificate authority with Fulcio's API: identity token in, 10-minute certificate out.
#![allow(clippy::todo, missing_docs)]
pub struct Config { /** Fulcio issuer configuration text (YAML or JSON). */ pub issuers: String, /** Accept plain http issuers (loopback, tests). */ pub allow_http_issuers: bool }
pub struct Deps { pub signer: keys::Signer, /** issuing CA first, root last */ pub chain: Vec<pki::cert::Certificate>, pub ct: ct::CtLog, pub clock: clock::Clock, pub registry: prometheus::Registry }
#[derive(Debug, thiserror::Error)]
pub enum BuildError { #[error("TODO")] Todo }
/// Fulcio REST routes: /api/v2/signingCert, /api/v2/trustBundle, /api/v2/configuration, /api/v1/signingCert, /api/v1/rootCert.
pub fn build(config: Config, deps: Deps) -> Result<axum::Router, BuildError> { todo!() }
