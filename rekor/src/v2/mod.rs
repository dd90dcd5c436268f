//! Rekor's v2 API: hashedrekord only, answers with proofs, reads from C2SP tiles.

mod entry;
mod error;
mod reads;
mod request;
mod routes;

use crate::head::NoteSigner;
use crate::kinds::{CanonicalEntry, EntryError};
use crate::limits;
use crate::metrics::Metrics;
use crate::work::Workers;
use pki::key::{KeyKind, PublicKey};
use std::sync::Arc;

/// The engine's head signer: a signed note whose origin and name are `host`.
pub fn head_signer(host: &str, signer: keys::Signer) -> Arc<dyn tlog::HeadSigner> {
    Arc::new(NoteSigner {
        origin: host.to_owned(),
        name: host.to_owned(),
        hint: note::hint(&log_id(host, signer.public_key())),
        signer,
        says_frozen: true,
    })
}

/// The 32-byte log ID: the checkpoint key ID of C2SP signed-note (spec B.7).
///
/// For ECDSA keys it is SHA-256(SPKI) and does not depend on `host`.
pub fn log_id(host: &str, key: &PublicKey) -> [u8; 32] {
    let spki = key.spki_der();
    match key.kind() {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => note::key_id_ecdsa(spki),
        KeyKind::Rsa { .. } => note::key_id_rsa(host, spki),
        KeyKind::Ed25519 => {
            // RFC 8410 section 4: the 32 bytes of the key end its SPKI.
            let raw = spki.last_chunk().expect("an Ed25519 SPKI has 44 bytes");
            note::key_id_ed25519(host, raw)
        }
    }
}

/// Configuration of the v2 API.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log's origin: its bare public DNS name, no port, no path.
    pub host: String,
    /// Bytes of a request body; [`limits::V2_MAX_BODY`] by default.
    pub max_body: usize,
}

impl Config {
    /// Makes a configuration with the default bound on bodies.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            max_body: limits::V2_MAX_BODY,
        }
    }
}

/// What the v2 API stands on.
pub struct Deps {
    /// The log, opened with [`head_signer`].
    pub log: tlog::Log,
    /// The log's own key; only its public half is used here.
    pub signer: keys::Signer,
    /// Where metrics go; may be shared with v1.
    pub registry: prometheus::Registry,
}

/// Builds the routes `/api/v2/log/entries`, and `/checkpoint` and `/tile/…` both at the root and
/// under `/api/v2`.
pub fn build(config: Config, deps: Deps) -> axum::Router {
    Shared::new(&deps.registry).build(config, deps.log, &deps.signer)
}

/// What all v2 logs of a process share: metrics, and the bound on verifications at once.
#[derive(Clone)]
pub struct Shared {
    metrics: Metrics,
    workers: Workers,
}

impl Shared {
    /// Registers the metrics, once for all shards.
    pub fn new(registry: &prometheus::Registry) -> Self {
        Self {
            metrics: Metrics::register(registry, "v2"),
            workers: Workers::new(),
        }
    }

    /// Builds the routes of one log, as [`build`] does. When it is frozen it answers writes with 405 and goes on reading.
    ///
    /// `log` was opened with [`head_signer`]; of the log's own key only the public half is used.
    pub fn build(&self, config: Config, log: tlog::Log, signer: &keys::Signer) -> axum::Router {
        routes::router(config, self, log, signer)
    }
}

/// Parses and verifies the body of `POST /api/v2/log/entries`.
///
/// Strict protojson: unknown and duplicate members are refused. One signature is checked.
pub fn parse_v2_entry(bytes: &[u8]) -> Result<CanonicalEntry, EntryError> {
    let body = entry::canonicalize(&request::Request::parse(bytes)?)?;
    Ok(CanonicalEntry {
        kind: "hashedrekord",
        version: "0.0.2",
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{Algorithm, Purpose, Signer};

    #[test]
    fn only_an_ecdsa_log_id_is_independent_of_the_host() {
        let key = |algorithm| {
            let signer = Signer::in_memory(Purpose::RekorV2, algorithm).unwrap();
            signer.public_key().clone()
        };
        let ecdsa = key(Algorithm::EcdsaP256);
        assert_eq!(log_id("a.example", &ecdsa), ecdsa.key_id());
        assert_eq!(log_id("b.example", &ecdsa), ecdsa.key_id());
        let ed25519 = key(Algorithm::Ed25519);
        assert_ne!(log_id("a.example", &ed25519), log_id("b.example", &ed25519));
        assert_ne!(log_id("a.example", &ed25519), ed25519.key_id());
    }

    #[test]
    fn the_public_v2_log_has_its_known_id() {
        let Some(folder) = testkit::vectors("trust") else {
            return;
        };
        let json = std::fs::read(folder.join("trusted_root.json")).unwrap();
        let root = formats::trust::TrustedRoot::parse(&json).unwrap();
        for log in &root.tlogs {
            let host = log.base_url.trim_start_matches("https://");
            let key = PublicKey::parse_spki(&log.public_key.raw_bytes.0).unwrap();
            assert_eq!(log_id(host, &key).as_slice(), log.log_id.key_id.0, "{host}");
        }
    }
}
