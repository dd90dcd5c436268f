//! OIDC: issuer configuration (Fulcio's YAML or JSON, unchanged), discovery, key sets, token checks,
//! claims to principal; development issuer.
//!
//! ```text
//! Config::load ─► Verifier::new ─► Verifier::principal(token) ─► Principal::embed ─► Identity
//!  (all problems     (nothing is       (TokenError: what is          (EmbedError)      (SAN, extensions)
//!   at once)          fetched yet)      wrong with the token)
//! ```

mod builtin;
pub mod claims;
pub mod config;
pub mod dev;
mod discovery;
pub mod error;
mod fetch;
pub mod gourl;
mod keyset;
pub mod limits;
pub mod pattern;
pub mod principal;
mod provider;
pub mod spiffe;
pub mod template;
mod token;
mod verifier;

pub use config::{Config, Transport};
pub use error::{ConfigError, EmbedError, Problem, TokenError};
pub use principal::{Identity, Principal};
pub use verifier::{Verified, Verifier};

/// Reads a discovery document of `issuer` and gives its `jwks_uri`; for fuzzing.
#[doc(hidden)]
pub fn parse_discovery(issuer: &str, document: &[u8]) -> Option<String> {
    discovery::parse(issuer, document).ok().map(|d| d.jwks_uri)
}

/// Reads a key set and counts the keys that can verify tokens; for fuzzing.
#[doc(hidden)]
pub fn parse_key_set(document: &[u8]) -> Option<usize> {
    keyset::parse(document).ok().map(|keys| keys.len())
}
