//! Authorization at a registry: what it asks for, and what it is shown.
//!
//! `oci-client` knows basic authentication and tokens for name and password. Identity tokens (what `docker login`
//! stores for single sign-on) are exchanged here, by the OAuth 2 form of the token specification.

use super::wire::{Front, Wire};
use crate::access::{Access, Secret};
use crate::{OciError, limits};
use http_auth::parser::ChallengeParser;
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryToken, RegistryTokenType};
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::HeaderValue;
use std::time::Instant;
use tokio::sync::Mutex;
use url::Url;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Pull,
    /// Includes pulling.
    Push,
}

impl From<Operation> for RegistryOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Pull => Self::Pull,
            Operation::Push => Self::Push,
        }
    }
}

/// A header's value, marked as sensitive so that it is in no log.
#[derive(Clone)]
pub(crate) struct Authorization(HeaderValue);

impl Authorization {
    fn new(scheme: &str, secret: &str) -> Option<Self> {
        let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Shows a registry what it asks for.
pub(crate) struct Authority {
    reference: Reference,
    secret: Secret,
    challenge: Option<Challenge>,
    /// With the time of each: see [`limits::IDENTITY_TOKEN_REFRESH`].
    known: Mutex<[Option<(Authorization, Instant)>; 2]>,
}

/// What a registry asks for.
enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Authority {
    /// Looks up credentials only for a registry that asks for some.
    pub(crate) async fn new(
        reference: &Reference,
        access: &Access,
        front: &Front,
    ) -> Result<Self, OciError> {
        let challenge = match &front.challenge {
            None => None,
            Some(text) => {
                Some(
                    challenge(text, front.plain).map_err(|reason| OciError::Answer {
                        registry: reference.resolve_registry().to_owned(),
                        reason,
                    })?,
                )
            }
        };
        let secret = match challenge {
            None => Secret::Nothing,
            Some(_) => access.credentials.secret(reference).await?,
        };
        Ok(Self {
            reference: reference.clone(),
            secret,
            challenge,
            known: Mutex::new([None, None]),
        })
    }

    /// Gives the header for an operation, and makes `client` use the same.
    pub(crate) async fn authorize(
        &self,
        client: &Client,
        wire: &Wire,
        operation: Operation,
    ) -> Result<Option<Authorization>, OciError> {
        let Some(challenge) = &self.challenge else {
            return Ok(None);
        };
        let mut known = self.known.lock().await;
        let place = &mut known[usize::from(operation == Operation::Push)];
        let is_old = |since: Instant| {
            matches!(self.secret, Secret::Identity(_))
                && since.elapsed() > limits::IDENTITY_TOKEN_REFRESH
        };
        if place.as_ref().is_none_or(|(_, since)| is_old(*since)) {
            let fresh = self.obtain(challenge, client, wire, operation).await?;
            *place = fresh.map(|shown| (shown, Instant::now()));
        }
        Ok(place.as_ref().map(|(shown, _)| shown.clone()))
    }

    /// Forgets a header that the registry no longer accepts.
    pub(crate) async fn forget(&self, operation: Operation) {
        self.known.lock().await[usize::from(operation == Operation::Push)] = None;
    }

    async fn obtain(
        &self,
        challenge: &Challenge,
        client: &Client,
        wire: &Wire,
        operation: Operation,
    ) -> Result<Option<Authorization>, OciError> {
        let refused = |reason: String| OciError::Unauthorized {
            registry: wire.registry().to_owned(),
            action: "the credentials".to_owned(),
            reason,
        };
        let unusable = || refused("they do not fit into a header".to_owned());
        let auth = match (&self.secret, challenge) {
            (Secret::Identity(token), Challenge::Bearer { realm, service }) => {
                let token = self
                    .exchange(wire, realm, service.as_deref(), token, operation)
                    .await?;
                let shown = Authorization::new("Bearer", &token).ok_or_else(unusable)?;
                let registry = self.reference.resolve_registry();
                client
                    .store_auth_if_needed(registry, &RegistryAuth::Anonymous)
                    .await;
                let token = RegistryTokenType::Bearer(RegistryToken::Token { token });
                client
                    .tokens
                    .insert(&self.reference, operation.into(), token)
                    .await;
                return Ok(Some(shown));
            }
            (Secret::Identity(_), Challenge::Basic) => {
                return Err(refused(
                    "it asks for a password, but an identity token is stored".to_owned(),
                ));
            }
            (Secret::Nothing, _) => RegistryAuth::Anonymous,
            (Secret::Token(token), _) => RegistryAuth::Bearer(token.clone()),
            (Secret::Password { username, password }, _) => {
                RegistryAuth::Basic(username.clone(), password.clone())
            }
        };
        let token = client
            .auth(&self.reference, &auth, operation.into())
            .await
            .map_err(|error| refused(super::wire::shortened(&error.to_string())))?;
        match (token, &self.secret) {
            // Checked here because oci-client takes for granted that a token fits into a header.
            (Some(token), _) => Authorization::new("Bearer", &token)
                .map(Some)
                .ok_or_else(unusable),
            (None, Secret::Password { username, password }) => {
                let pair = formats::b64::encode(format!("{username}:{password}").as_bytes());
                Authorization::new("Basic", &pair)
                    .map(Some)
                    .ok_or_else(unusable)
            }
            (None, _) => Ok(None),
        }
    }

    /// Exchanges an identity token for an access token (distribution, "OAuth2 token authentication").
    async fn exchange(
        &self,
        wire: &Wire,
        realm: &Url,
        service: Option<&str>,
        identity: &str,
        operation: Operation,
    ) -> Result<String, OciError> {
        let actions = match operation {
            Operation::Pull => "pull",
            Operation::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.reference.repository());
        let form = [
            ("grant_type", "refresh_token"),
            ("service", service.unwrap_or_default()),
            ("client_id", "sigstead"),
            ("scope", &scope),
            ("refresh_token", identity),
        ];
        let answer = wire.post_form(realm.clone(), &form).await?;
        if answer.status != 200 {
            return Err(wire.refused(&answer, "the identity token".to_owned()));
        }
        let token: Exchanged = serde_json::from_slice(&answer.body).map_err(|_| {
            wire.answer_error("its authorization service gave no access token".to_owned())
        })?;
        Ok(token.access_token)
    }
}

#[derive(serde::Deserialize)]
struct Exchanged {
    #[serde(alias = "token")]
    access_token: String,
}

/// Reads `WWW-Authenticate`. A realm in plain text is for registries that are themselves: credentials go there.
fn challenge(header: &str, plain: bool) -> Result<Challenge, String> {
    let mut basic = false;
    for one in ChallengeParser::new(header) {
        let one = one.map_err(|_| "its WWW-Authenticate cannot be read".to_owned())?;
        if one.scheme.eq_ignore_ascii_case("basic") {
            basic = true;
        }
        if !one.scheme.eq_ignore_ascii_case("bearer") {
            continue;
        }
        let value = |name: &str| {
            one.params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_unescaped())
        };
        let realm = value("realm").and_then(|text| Url::parse(&text).ok());
        let Some(realm) = realm else {
            return Err("its authorization service has no URL".to_owned());
        };
        if realm.scheme() != "https" && !plain {
            return Err(
                "it sends credentials to an authorization service over plain HTTP".to_owned(),
            );
        }
        let service = value("service");
        return Ok(Challenge::Bearer { realm, service });
    }
    if basic {
        Ok(Challenge::Basic)
    } else {
        Err("it asks for a kind of authorization other than Basic and Bearer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorization_service_is_asked_over_https() {
        let header = r#"Bearer realm="http://auth.example/token",service="r",scope="a""#;
        assert!(challenge(header, false).is_err());
        let Ok(Challenge::Bearer { realm, service }) = challenge(header, true) else {
            panic!("not a bearer challenge");
        };
        assert_eq!(realm.as_str(), "http://auth.example/token");
        assert_eq!(service.as_deref(), Some("r"));
    }

    #[test]
    fn basic_is_known_and_others_are_not() {
        assert!(matches!(
            challenge(r#"Basic realm="x""#, false),
            Ok(Challenge::Basic)
        ));
        assert!(challenge("Negotiate", false).is_err());
        assert!(challenge("\u{7f}", false).is_err());
    }

    #[test]
    fn a_token_that_is_no_header_is_refused_here() {
        assert!(Authorization::new("Bearer", "a\nb").is_none());
        assert!(Authorization::new("Bearer", "abc").is_some());
    }
}
