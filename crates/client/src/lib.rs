//! Signing flows against Fulcio, Rekor v1 or v2 and a timestamp authority. The private key lives in
//! memory only, for one signature.
//!
//! ```text
//! token ─► Fulcio ─► certificate ─┐
//! ephemeral key ───► signature ───┼─► TSA ─► timestamp ─► Rekor ─► entry ─► bundle v0.3
//! ```

mod error;
mod flow;
mod fulcio;
mod http;
mod limits;
mod rekor;
mod statement;
mod token;
mod tsa;

pub use error::{ServiceName, SignError, TimestampProblem, TokenProblem};
pub use statement::statement;

use formats::bundle::Bundle;
use formats::trust::{SigningConfig, TrustedRoot};

/// With what to sign, and as whom.
pub struct Signing<'a> {
    /// The services to use.
    pub config: &'a SigningConfig,
    /// When given, the new bundle is verified against it before it is returned.
    pub trusted_root: Option<&'a TrustedRoot>,
    /// OIDC identity token, a compact JWS. Sent to the CA only, never logged.
    pub token: &'a str,
    /// 1 or 2; `None` takes what the signing config selects.
    pub rekor_version: Option<u32>,
    /// Decides which services are valid now.
    pub clock: clock::Clock,
}

/// What to sign.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// SHA-256 of a file (message signature, logged as hashedrekord).
    Digest([u8; 32]),
    /// in-toto statement JSON (DSSE; logged as dsse on v1, as hashedrekord over the PAE on v2).
    Statement(&'a [u8]),
}

/// Signs: certificate, signature, timestamps, log entries, in this order; gives a bundle v0.3.
///
/// Every service is asked again a few times when it says 429 or 503. Nothing needs undoing after an
/// error: running again makes a new key and a new entry.
pub async fn sign(signing: Signing<'_>, content: Content<'_>) -> Result<Bundle, SignError> {
    flow::sign(&signing, content).await
}

/// Reads the e-mail address (if verified, else the subject) and the issuer in a token, **unverified**:
/// for messages, and for the proof of possession that the CA checks itself.
pub fn token_identity(token: &str) -> Result<(String, String), SignError> {
    let claims = token::Claims::read(token)?;
    Ok((claims.name, claims.issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs_send<T: Send>(_: &T) {}

    #[test]
    fn signing_may_be_spawned_on_any_thread() {
        fn spawnable(signing: Signing<'_>) {
            needs_send(&sign(signing, Content::Digest([0; 32])));
        }
        let _ = spawnable;
    }

    #[tokio::test]
    async fn a_bad_token_fails_before_any_service_is_asked() {
        let config = SigningConfig {
            media_type: formats::trust::SIGNING_CONFIG.to_owned(),
            ca_urls: vec![],
            oidc_urls: vec![],
            rekor_tlog_urls: vec![],
            rekor_tlog_config: None,
            tsa_urls: vec![],
            tsa_config: None,
        };
        let signing = Signing {
            config: &config,
            trusted_root: None,
            token: "not.a.token!",
            rekor_version: None,
            clock: clock::Clock::system(),
        };
        let error = sign(signing, Content::Digest([0; 32])).await.unwrap_err();
        assert!(
            matches!(error, SignError::Token(TokenProblem::Encoding)),
            "{error}"
        );
    }
}
