//! Signing flows against Fulcio, Rekor v1 or v2 and a timestamp authority. The private key lives in memory only.
#![allow(clippy::todo, missing_docs)]
use formats::{bundle::Bundle, trust::{SigningConfig, TrustedRoot}};
pub struct Signing<'a> { pub config: &'a SigningConfig, /** when given, the new bundle is verified before it is returned */ pub trusted_root: Option<&'a TrustedRoot>, pub token: &'a str, /** 1 or 2; None = what the signing config selects */ pub rekor_version: Option<u32>, pub clock: clock::Clock }
/// What to sign.
pub enum Content<'a> { /** SHA-256 of a file (message signature, hashedrekord) */ Digest([u8; 32]), /** in-toto statement JSON (DSSE) */ Statement(&'a [u8]) }
/// Certificate → signature → timestamp → log entry → bundle v0.3.
pub async fn sign(signing: Signing<'_>, content: Content<'_>) -> Result<Bundle, SignError> { todo!() }
/// The e-mail or subject and issuer in a token, unverified, for messages and proof of possession.
pub fn token_identity(token: &str) -> Result<(String, String), SignError> { todo!() }
#[derive(Debug, thiserror::Error)]
pub enum SignError { #[error("TODO")] Todo }
