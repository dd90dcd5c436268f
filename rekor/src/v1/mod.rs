//! Rekor's v1 API: SETs, UUIDs, inclusion proofs, one answer from one tree head.

mod answer;
mod error;
mod id;
mod negotiate;
mod params;
mod retrieve;
mod routes;
mod shard;

pub use shard::Shards;

use crate::head::NoteSigner;
use crate::limits;
use std::sync::Arc;

/// The engine's head signer: a signed note with origin `host - tree_id` and name `host`.
///
/// `host` is the log's bare public DNS name. The key hint is the start of SHA-256(SPKI) for every
/// key type (spec A.6), unlike C2SP for Ed25519.
pub fn head_signer(host: &str, tree_id: i64, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> {
    Arc::new(NoteSigner {
        origin: format!("{host} - {tree_id}"),
        name: host.to_owned(),
        hint: note::hint(&signer.public_key().key_id()),
        signer,
        says_frozen: false,
    })
}

/// Configuration of the v1 API.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log's bare public DNS name, as in its checkpoints.
    pub host: String,
    /// The tree's ID: positive; part of every entry ID.
    pub tree_id: i64,
    /// Bytes of a request body; [`limits::V1_MAX_BODY`] by default.
    pub max_body: usize,
}

impl Config {
    /// Makes a configuration with the default bound on bodies.
    pub fn new(host: impl Into<String>, tree_id: i64) -> Self {
        Self {
            host: host.into(),
            tree_id,
            max_body: limits::V1_MAX_BODY,
        }
    }
}

/// What the v1 API stands on.
pub struct Deps {
    /// The log, opened with [`head_signer`].
    pub log: tlog::Log,
    /// Signs SETs: the log's own key, ECDSA P-256 for today's clients.
    pub signer: keys::Signer,
    /// Where metrics go; may be shared with v2.
    pub registry: prometheus::Registry,
}

/// Builds the routes `/api/v1/log…`, `/api/v1/index/retrieve` and `/ping` over one shard.
pub fn build(config: Config, deps: Deps) -> axum::Router {
    let shards = Shards::new(config.tree_id, deps.log, deps.signer);
    build_sharded(shards, config.max_body, &deps.registry)
}

/// Builds the same routes over shards that may be added to later. `max_body` bounds a request's body, in bytes.
pub fn build_sharded(
    shards: Shards,
    max_body: usize,
    registry: &prometheus::Registry,
) -> axum::Router {
    routes::router(shards, max_body, registry)
}
