//! Signature transparency log with Rekor's v1 and v2 APIs.
#![allow(clippy::todo, missing_docs)]
use std::sync::Arc;
pub mod v1 {
    use super::Arc;
    /// The engine's head signer: signed note with origin `host - tree_id`, name `host`.
    pub fn head_signer(host: &str, tree_id: i64, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> { todo!() }
    pub struct Config { pub host: String, pub tree_id: i64, /** bytes, default 32 MiB */ pub max_body: usize }
    pub struct Deps { pub log: tlog::Log, pub signer: keys::Signer, pub registry: prometheus::Registry }
    /// Routes /api/v1/log….
    pub fn build(config: Config, deps: Deps) -> axum::Router { todo!() }
}
pub mod v2 {
    use super::Arc;
    /// Origin and name = `host`.
    pub fn head_signer(host: &str, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> { todo!() }
    /// 32-byte log ID (checkpoint key ID).
    pub fn log_id(host: &str, key: &pki::key::PublicKey) -> [u8; 32] { todo!() }
    pub struct Config { pub host: String, /** bytes, default 4 MiB */ pub max_body: usize }
    pub struct Deps { pub log: tlog::Log, pub signer: keys::Signer, pub registry: prometheus::Registry }
    /// Routes /api/v2/log/entries, /api/v2/checkpoint, /api/v2/tile/…, /checkpoint, /tile/….
    pub fn build(config: Config, deps: Deps) -> axum::Router { todo!() }
}
