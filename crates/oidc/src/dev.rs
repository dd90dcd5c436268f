//! The development issuer of `sigstead up`: loopback only, RS256.
//!
//! It plays four issuers under one base URL, each at its own path, with one key: `/oidc` (email),
//! `/oidc/github`, `/oidc/gitlab`, `/oidc/uri`. Tokens are made in the process; over HTTP there are
//! only the discovery documents and the key set, so reaching the port gives nobody an identity.

use crate::builtin;
use axum::Json;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Clock;
use der::asn1::UintRef;
use der::{Decode, Sequence};
use pki::key::{KeyKind, PublicKey};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Validity of a token: as long as a certificate.
const TOKEN_SECONDS: i64 = 600;
/// The audience that Sigstore clients ask for.
const AUDIENCE: &str = "sigstore";

/// Which of the four issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Email,
    Github,
    Gitlab,
    Uri,
}

const ROLES: [Role; 4] = [Role::Email, Role::Github, Role::Gitlab, Role::Uri];

impl Role {
    fn path(self) -> &'static str {
        match self {
            Self::Email => "/oidc",
            Self::Github => "/oidc/github",
            Self::Gitlab => "/oidc/gitlab",
            Self::Uri => "/oidc/uri",
        }
    }
}

/// A source of identity tokens for development and tests. Cheap to clone.
#[derive(Clone)]
pub struct DevIssuer {
    inner: Arc<Inner>,
}

struct Inner {
    base: String,
    signer: keys::Signer,
    clock: Clock,
}

/// Why the development issuer makes no token.
#[derive(Debug, thiserror::Error)]
pub enum DevIssuerError {
    /// The signer holds something other than an RSA key.
    #[error("the development issuer signs RS256 and needs an RSA key, this one is {kind:?}")]
    NotRsa {
        /// What it holds.
        kind: KeyKind,
    },
    /// No claim that could be the subject.
    #[error("the claims have no `sub` (and no `email` or `repository` to make one from); add it")]
    SubjectMissing,
    /// The key failed.
    #[error("the development issuer's key: {0}")]
    Sign(#[from] keys::KeyError),
}

impl DevIssuer {
    /// Makes an issuer. `base` is the instance's URL, e.g. `http://127.0.0.1:8080`; issuer URLs are
    /// `<base>/oidc…`.
    pub fn new(base: &str, signer: keys::Signer, clock: Clock) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self {
            inner: Arc::new(Inner {
                base,
                signer,
                clock,
            }),
        }
    }

    /// `<base>/oidc`
    pub fn email_issuer(&self) -> String {
        self.url(Role::Email)
    }

    /// The same for an issuer with this base that runs elsewhere.
    pub fn email_issuer_of(base: &str) -> String {
        format!("{}{}", base.trim_end_matches('/'), Role::Email.path())
    }

    /// Makes a token for an e-mail address (`email_verified` true, `sub` the address, audience
    /// `sigstore`, valid for ten minutes).
    pub async fn email_token(&self, email: &str) -> Result<String, DevIssuerError> {
        let claims = json!({"iss": self.email_issuer(), "sub": email, "email": email, "email_verified": true});
        self.token(claims.as_object().cloned().unwrap_or_default())
            .await
    }

    /// Makes a token from a claims file.
    ///
    /// `iss` is kept when it is one of ours; otherwise it is chosen from the claims: GitHub
    /// (`job_workflow_ref`), GitLab (`ci_config_ref_uri`), e-mail (`email`), else uri. `sub`, `iat`,
    /// `exp` and `aud` are filled in when absent.
    pub async fn token(&self, mut claims: Map<String, Value>) -> Result<String, DevIssuerError> {
        let role = self.role(&claims);
        claims.insert("iss".to_owned(), self.url(role).into());
        if !claims.contains_key("sub") {
            claims.insert(
                "sub".to_owned(),
                default_subject(&claims)
                    .ok_or(DevIssuerError::SubjectMissing)?
                    .into(),
            );
        }
        let now = self.inner.clock.unix_seconds();
        for (claim, value) in [
            ("iat", json!(now)),
            ("exp", json!(now + TOKEN_SECONDS)),
            ("aud", json!(AUDIENCE)),
        ] {
            claims.entry(claim).or_insert(value);
        }
        if role == Role::Email {
            claims.entry("email_verified").or_insert(json!(true));
        }
        self.sign(&claims).await
    }

    /// Serves discovery documents and the key set (no way to obtain a token over HTTP).
    pub fn router(&self) -> axum::Router {
        let mut router = axum::Router::new();
        for role in ROLES {
            let document = self.discovery(role);
            let path = format!("{}/.well-known/openid-configuration", role.path());
            router = router.route(
                &path,
                get(move || std::future::ready(Json(document.clone()))),
            );
        }
        let keys = self.key_set();
        router.route(
            "/oidc/keys",
            get(move || std::future::ready(Json(keys.clone()))),
        )
    }

    /// Writes the issuer configuration (Fulcio format, YAML) that makes our CA accept these issuers.
    pub fn fulcio_config_yaml(&self) -> String {
        let issuer = |role: Role, more: Value| {
            let mut issuer = json!({"issuer-url": self.url(role), "client-id": AUDIENCE});
            if let (Some(issuer), Value::Object(more)) = (issuer.as_object_mut(), more) {
                issuer.extend(more);
            }
            issuer
        };
        let ci = |name: &str| json!({"type": "ci-provider", "ci-provider": name});
        let config = json!({
            "oidc-issuers": {
                self.url(Role::Email): issuer(Role::Email, json!({"type": "email"})),
                self.url(Role::Github): issuer(Role::Github, ci("github-workflow")),
                self.url(Role::Gitlab): issuer(Role::Gitlab, ci("gitlab-pipeline")),
                self.url(Role::Uri): issuer(Role::Uri, json!({"type": "uri", "subject-domain": self.origin()})),
            },
            "ci-issuer-metadata": {
                "github-workflow": builtin::as_metadata("github-workflow", "https://github.com"),
                "gitlab-pipeline": builtin::as_metadata("gitlab-pipeline", "https://gitlab.com"),
            },
        });
        // A JSON document is a YAML document; this form is only nicer to read.
        serde_yaml_ng::to_string(&config).unwrap_or_else(|_| config.to_string())
    }

    fn url(&self, role: Role) -> String {
        format!("{}{}", self.inner.base, role.path())
    }

    /// Scheme and host of the base URL.
    fn origin(&self) -> &str {
        let base = &self.inner.base;
        let host = base.find("://").map_or(0, |i| i + 3);
        let end = base[host..].find('/').map_or(base.len(), |i| host + i);
        &base[..end]
    }

    fn role(&self, claims: &Map<String, Value>) -> Role {
        let given = claims.get("iss").and_then(Value::as_str);
        let ours = ROLES
            .into_iter()
            .find(|role| given == Some(self.url(*role).as_str()));
        ours.unwrap_or_else(|| {
            let has = |claim: &str| claims.contains_key(claim);
            match () {
                () if has("job_workflow_ref") => Role::Github,
                () if has("ci_config_ref_uri") => Role::Gitlab,
                () if has("email") => Role::Email,
                () => Role::Uri,
            }
        })
    }

    fn kid(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.inner.signer.public_key().key_id())
    }

    async fn sign(&self, claims: &Map<String, Value>) -> Result<String, DevIssuerError> {
        let kind = self.inner.signer.public_key().kind();
        if !matches!(kind, KeyKind::Rsa { .. }) {
            return Err(DevIssuerError::NotRsa { kind });
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid()});
        let signed = format!("{}.{}", part(&header), part(&Value::Object(claims.clone())));
        // RFC 7518 section 3.3; an RSA signer's scheme is PKCS#1 v1.5 with SHA-256.
        let signature = self.inner.signer.sign(signed.as_bytes()).await?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn discovery(&self, role: Role) -> Value {
        json!({
            "issuer": self.url(role),
            "jwks_uri": format!("{}/oidc/keys", self.inner.base),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    fn key_set(&self) -> Value {
        let key = rsa_numbers(self.inner.signer.public_key()).map(|(n, e)| {
            json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(), "n": n, "e": e})
        });
        json!({"keys": key.into_iter().collect::<Vec<_>>()})
    }
}

impl std::fmt::Debug for DevIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevIssuer")
            .field("base", &self.inner.base)
            .finish_non_exhaustive()
    }
}

fn default_subject(claims: &Map<String, Value>) -> Option<String> {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    // The forms that GitHub and GitLab use.
    match (text("repository"), text("project_path"), text("email")) {
        (Some(repository), _, _) => Some(format!(
            "repo:{repository}:ref:{}",
            text("ref").unwrap_or_default()
        )),
        (_, Some(project), _) => {
            let (kind, name) = (
                text("ref_type").unwrap_or("branch"),
                text("ref").unwrap_or_default(),
            );
            Some(format!("project_path:{project}:ref_type:{kind}:ref:{name}"))
        }
        (_, _, email) => email.map(str::to_owned),
    }
}

/// RSAPublicKey (RFC 8017 appendix A.1.1).
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// Modulus and exponent, base64url without leading zeros (RFC 7518 section 6.3.1).
fn rsa_numbers(key: &PublicKey) -> Option<(String, String)> {
    let spki = spki::SubjectPublicKeyInfoRef::from_der(key.spki_der()).ok()?;
    let rsa = RsaPublicKey::from_der(spki.subject_public_key.as_bytes()?).ok()?;
    Some((
        URL_SAFE_NO_PAD.encode(rsa.modulus.as_bytes()),
        URL_SAFE_NO_PAD.encode(rsa.exponent.as_bytes()),
    ))
}
