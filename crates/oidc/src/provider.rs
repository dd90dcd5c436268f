//! One issuer's keys: discovered on first use, cached, refreshed by one request at a time.
//!
//! A token with an unknown key ID costs its sender nothing, so it may cause at most one request in
//! [`REFETCH_SECONDS`]; a failure is remembered for the same time. Keys age out after an hour, so a
//! withdrawn key stops working (upstream keeps it until the next unknown key).

use crate::error::TokenError;
use crate::fetch::Fetcher;
use crate::keyset::{self, Key};
use crate::limits::{KEY_SET_MAX_STALE_SECONDS, KEY_SET_TTL_SECONDS, REFETCH_SECONDS};
use clock::Clock;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// What an issuer published at one moment.
pub(crate) struct KeySet {
    pub(crate) keys: Vec<Key>,
    /// Discovery's list, cut down to what we accept.
    pub(crate) algorithms: Vec<(String, Algorithm)>,
    fetched_at: i64,
}

/// The keys of one issuer.
pub(crate) struct Provider {
    issuer: String,
    ca_cert: Option<String>,
    fetcher: Arc<Fetcher>,
    clock: Clock,
    current: RwLock<Option<Arc<KeySet>>>,
    /// Held while fetching: one request at a time.
    refresh: Mutex<Attempt>,
}

/// The last request.
#[derive(Default)]
struct Attempt {
    at: Option<i64>,
    failed: Option<TokenError>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

impl Provider {
    pub(crate) fn new(
        issuer: &str,
        ca_cert: Option<String>,
        fetcher: Arc<Fetcher>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            issuer: issuer.to_owned(),
            ca_cert,
            fetcher,
            clock,
            current: RwLock::new(None),
            refresh: Mutex::new(Attempt::default()),
        })
    }

    /// The keys at hand, fetched when there are none or they are too old.
    pub(crate) async fn keys(self: &Arc<Self>) -> Result<Arc<KeySet>, TokenError> {
        let Some(held) = self.held() else {
            return self.refreshed(None).await;
        };
        if self.age(&held) < KEY_SET_TTL_SECONDS {
            return Ok(held);
        }
        match self.refreshed(Some(held.clone())).await {
            Err(e) if self.age(&held) < KEY_SET_MAX_STALE_SECONDS => {
                tracing::warn!(error = %e, "old keys still serve, because the issuer cannot be reached");
                Ok(held)
            }
            fresh => fresh,
        }
    }

    /// Newer keys than `seen`, which had none for a token. `None` when it is too early to ask again.
    pub(crate) async fn newer(
        self: &Arc<Self>,
        seen: &Arc<KeySet>,
    ) -> Result<Option<Arc<KeySet>>, TokenError> {
        let fresh = self.refreshed(Some(seen.clone())).await?;
        Ok(Some(fresh).filter(|fresh| !Arc::ptr_eq(fresh, seen)))
    }

    /// Whether a fetch ever succeeded.
    pub(crate) fn is_known(&self) -> bool {
        self.held().is_some()
    }

    fn held(&self) -> Option<Arc<KeySet>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Seconds since the fetch. A clock set back makes keys old, not young.
    fn age(&self, set: &KeySet) -> i64 {
        match self.clock.unix_seconds() - set.fetched_at {
            age if age < 0 => KEY_SET_TTL_SECONDS,
            age => age,
        }
    }

    /// Fetches in a task of its own, so that a client that goes away does not break off what others
    /// wait for.
    async fn refreshed(
        self: &Arc<Self>,
        seen: Option<Arc<KeySet>>,
    ) -> Result<Arc<KeySet>, TokenError> {
        let this = self.clone();
        match tokio::spawn(async move { this.refresh(seen).await }).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable("the request was broken off")),
        }
    }

    async fn refresh(&self, seen: Option<Arc<KeySet>>) -> Result<Arc<KeySet>, TokenError> {
        let mut attempt = self.refresh.lock().await;
        // Somebody else fetched while this one waited for the lock.
        let held = self.held();
        if let Some(held) = &held
            && !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, held))
        {
            return Ok(held.clone());
        }
        let now = self.clock.unix_seconds();
        if attempt
            .at
            .is_some_and(|at| (0..REFETCH_SECONDS).contains(&(now - at)))
        {
            return match (&attempt.failed, held) {
                (Some(e), _) => Err(e.clone()),
                (None, Some(held)) => Ok(held),
                (None, None) => Err(self.unavailable("asked again too soon")),
            };
        }
        let result = self.fetch(now).await;
        attempt.at = Some(self.clock.unix_seconds());
        attempt.failed = result.as_ref().err().cloned();
        let set = Arc::new(
            result.inspect_err(|e| tracing::warn!(error = %e, "issuer keys not fetched"))?,
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(set)
    }

    /// OpenID Connect Discovery 1.0 section 4, then the key set it names.
    async fn fetch(&self, now: i64) -> Result<KeySet, TokenError> {
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let document = self
            .get(&format!("{base}/.well-known/openid-configuration"))
            .await?;
        let discovery: Discovery = serde_json::from_slice(&document)
            .map_err(|e| self.unavailable(&format!("discovery document: {e}")))?;
        // Section 4.3: identical, or another issuer's keys would serve.
        if discovery.issuer != self.issuer {
            let what = format!(
                "discovery document says it is {:?}; configure that text exactly",
                discovery.issuer
            );
            return Err(self.unavailable(&what));
        }
        // An https issuer must not hand its keys over plain http, not even on loopback.
        if self.issuer.starts_with("https://") && !discovery.jwks_uri.starts_with("https://") {
            return Err(self.unavailable("jwks_uri is not https"));
        }
        let algorithms = algorithms(&discovery.id_token_signing_alg_values_supported);
        let keys = keyset::parse(&self.get(&discovery.jwks_uri).await?)
            .map_err(|e| self.unavailable(e))?;
        Ok(KeySet {
            keys,
            algorithms,
            fetched_at: now,
        })
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, TokenError> {
        let fetched = self.fetcher.get(url, self.ca_cert.as_deref()).await;
        fetched.map_err(|e| self.unavailable(&e.to_string()))
    }

    fn unavailable(&self, detail: &str) -> TokenError {
        TokenError::IssuerUnavailable {
            issuer: self.issuer.clone(),
            detail: detail.to_owned(),
        }
    }
}

/// Discovery's algorithms that we accept too; RS256 when it lists none (go-oidc's rule).
fn algorithms(listed: &[String]) -> Vec<(String, Algorithm)> {
    let known = |name: &str| keyset::algorithm(name).map(|a| (name.to_owned(), a));
    let allowed: Vec<_> = listed.iter().filter_map(|name| known(name)).collect();
    if allowed.is_empty() {
        known("RS256").into_iter().collect()
    } else {
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_the_intersection_with_ours() {
        let names = |listed: &[&str]| -> Vec<String> {
            let listed: Vec<String> = listed.iter().map(|s| (*s).to_owned()).collect();
            algorithms(&listed)
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert_eq!(names(&["none", "HS256", "ES256"]), ["ES256"]);
        assert_eq!(names(&[]), ["RS256"]);
        assert_eq!(names(&["none", "HS256"]), ["RS256"]);
    }
}
