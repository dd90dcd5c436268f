//! OIDC: issuer configuration (Fulcio's YAML or JSON, unchanged), discovery, key sets, token checks, claims to principal; development issuer.
#![allow(clippy::todo, missing_docs)]
pub mod dev {
    //! The development issuer of `sigstead up`: loopback only, RS256.
    use serde_json::{Map, Value};
    /// Kinds of issuer it plays, each under its own path: `/oidc` (email), `/oidc/github`, `/oidc/gitlab`, `/oidc/uri`.
    #[derive(Clone)]
    pub struct DevIssuer { /* base url, signer, clock */ inner: std::sync::Arc<()> }
    impl DevIssuer {
        /// `base` is the instance's URL, e.g. `http://127.0.0.1:8080`; issuer URLs are `<base>/oidc…`.
        pub fn new(base: &str, signer: keys::Signer, clock: clock::Clock) -> Self { todo!() }
        /// `<base>/oidc`
        pub fn email_issuer(&self) -> String { todo!() }
        /// A token for an e-mail address (email_verified true, sub = e-mail, aud sigstore, iat, exp).
        pub async fn email_token(&self, email: &str) -> Result<String, DevIssuerError> { todo!() }
        /// A token from a claims file: `iss` chosen from its claims (GitHub, GitLab, e-mail, else uri) unless given as one of ours; iat, exp, aud filled in when absent.
        pub async fn token(&self, claims: Map<String, Value>) -> Result<String, DevIssuerError> { todo!() }
        /// Discovery documents and key set (no way to obtain a token over HTTP).
        pub fn router(&self) -> axum::Router { todo!() }
        /// The issuer configuration (Fulcio format, YAML) that makes our CA accept these issuers.
        pub fn fulcio_config_yaml(&self) -> String { todo!() }
    }
    #[derive(Debug, thiserror::Error)]
    pub enum DevIssuerError { #[error("TODO")] Todo }
}
