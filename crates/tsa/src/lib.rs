//! RFC 3161 timestamp authority (spec/clients.md section d).
#![allow(clippy::todo, missing_docs)]
pub struct Config {}
pub struct Deps { pub signer: keys::Signer, /** leaf, intermediate…, root */ pub chain: Vec<pki::cert::Certificate>, pub clock: clock::Clock }
#[derive(Debug, thiserror::Error)]
pub enum BuildError { #[error("TODO")] Todo }
/// Routes `/api/v1/timestamp` and `/api/v1/timestamp/certchain`. Fails when key and chain do not match.
pub fn build(config: Config, deps: Deps) -> Result<axum::Router, BuildError> { todo!() }
