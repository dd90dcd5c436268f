//! Certificate-transparency log on the log engine: SCTs, RFC 6962 endpoints under `/ctlog/ct/v1/`.
#![allow(clippy::todo, missing_docs)]
use pki::{cert::Certificate, sct::Sct};
use std::sync::Arc;

pub struct Config { /** Host for the checkpoint origin. */ pub host: String }
pub struct Deps { pub log: tlog::Log, pub signer: keys::Signer, pub clock: clock::Clock, /** Accepted roots: every CA chain ever active, leaf CA first. */ pub chains: Vec<Vec<Certificate>> }
#[derive(Clone)]
pub struct CtLog { inner: Arc<()> }
impl CtLog {
    pub fn new(config: Config, deps: Deps) -> Self { todo!() }
    /// The engine's head signer for a CT log.
    pub fn head_signer(host: &str, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> { todo!() }
    /// Commits a precertificate issued by `chain[0]` and returns its SCT, only after the commit. A second submission of the same precertificate returns the first SCT.
    pub async fn add_pre_chain(&self, precert: &Certificate, chain: &[Certificate]) -> Result<Sct, CtError> { todo!() }
    /// RFC 6962 read and write endpoints, to be nested at `/ctlog` (paths inside: `/ct/v1/...`).
    pub fn router(&self) -> axum::Router { todo!() }
    pub fn log(&self) -> &tlog::Log { todo!() }
}
#[derive(Debug, thiserror::Error)]
pub enum CtError { #[error("TODO")] Todo }
