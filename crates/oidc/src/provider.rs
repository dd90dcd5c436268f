//! One issuer's keys: discovered on first use, cached, refreshed by one request at a time.
//!
//! A token with an unknown key ID costs its sender nothing, so it may cause at most one request in
//! [`REFETCH_SECONDS`]; a failure is remembered for the same time. Keys age out after an hour: the first
//! token after that is still checked with them, and starts the fetch that ends a withdrawn key (upstream
//! keeps it until the next unknown key). So an issuer that hangs delays nobody whose keys are at hand.

use crate::discovery;
use crate::error::TokenError;
use crate::fetch::Fetcher;
use crate::keyset::{self, Key};
use crate::limits::{KEY_SET_MAX_STALE_SECONDS, KEY_SET_TTL_SECONDS, REFETCH_SECONDS};
use clock::Clock;
use jsonwebtoken::Algorithm;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// What an issuer published at one moment.
pub(crate) struct KeySet {
    pub(crate) keys: Vec<Key>,
    /// Discovery's list, cut down to what we accept.
    pub(crate) algorithms: Vec<(&'static str, Algorithm)>,
    fetched_at: i64,
}

/// The keys of one issuer.
pub(crate) struct Provider {
    issuer: String,
    ca_cert: Option<String>,
    fetcher: Arc<Fetcher>,
    clock: Clock,
    /// For an issuer of a wildcard, whose name a sender of tokens may have invented: places that all such
    /// issuers share. A configured issuer needs none, as there are only so many.
    places: Option<Arc<Semaphore>>,
    current: RwLock<Option<Arc<KeySet>>>,
    /// Held while fetching: one request at a time.
    refresh: Arc<Mutex<Attempt>>,
}

/// The last request.
#[derive(Default)]
struct Attempt {
    at: Option<i64>,
    failed: Option<TokenError>,
}

impl Provider {
    pub(crate) fn new(
        issuer: &str,
        ca_cert: Option<String>,
        fetcher: Arc<Fetcher>,
        clock: Clock,
        places: Option<Arc<Semaphore>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            issuer: issuer.to_owned(),
            ca_cert,
            fetcher,
            clock,
            places,
            current: RwLock::new(None),
            refresh: Arc::default(),
        })
    }

    /// The keys at hand, fetched when there are none or they are too old. Between those ages they serve
    /// while newer ones are on their way.
    pub(crate) async fn keys(self: &Arc<Self>) -> Result<Arc<KeySet>, TokenError> {
        let Some(held) = self.held() else {
            return self.refreshed(None).await;
        };
        match self.age(&held) {
            ..KEY_SET_TTL_SECONDS => Ok(held),
            KEY_SET_TTL_SECONDS..KEY_SET_MAX_STALE_SECONDS => {
                self.refresh_behind(&held);
                Ok(held)
            }
            KEY_SET_MAX_STALE_SECONDS.. => self.refreshed(Some(held)).await,
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
        let task = tokio::spawn(async move {
            let mut attempt = this.refresh.lock().await;
            this.refresh(&mut attempt, seen).await
        });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable("the request was broken off")),
        }
    }

    /// Fetches while nobody waits, unless somebody fetches already.
    fn refresh_behind(self: &Arc<Self>, held: &Arc<KeySet>) {
        let Ok(mut attempt) = self.refresh.clone().try_lock_owned() else {
            return;
        };
        let (this, seen) = (self.clone(), held.clone());
        // A failure is logged where it is noticed.
        tokio::spawn(async move { this.refresh(&mut attempt, Some(seen)).await });
    }

    async fn refresh(
        &self,
        attempt: &mut Attempt,
        seen: Option<Arc<KeySet>>,
    ) -> Result<Arc<KeySet>, TokenError> {
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
        // Without a place nothing was asked, so that is not remembered as an attempt.
        let _place = self.place()?;
        let result = self.fetch(now).await;
        attempt.at = Some(self.clock.unix_seconds());
        attempt.failed = result.as_ref().err().cloned();
        let set = Arc::new(
            result.inspect_err(|e| tracing::warn!(error = %e, "issuer keys not fetched"))?,
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(set)
    }

    fn place(&self) -> Result<Option<SemaphorePermit<'_>>, TokenError> {
        let Some(places) = &self.places else {
            return Ok(None);
        };
        match places.try_acquire() {
            Ok(place) => Ok(Some(place)),
            Err(_) => Err(TokenError::TooManyIssuers {
                issuer: self.issuer.clone(),
            }),
        }
    }

    /// OpenID Connect Discovery 1.0 section 4, then the key set it names.
    async fn fetch(&self, now: i64) -> Result<KeySet, TokenError> {
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let document = self
            .get(&format!("{base}/.well-known/openid-configuration"))
            .await?;
        let discovery =
            discovery::parse(&self.issuer, &document).map_err(|e| self.unavailable(&e))?;
        let keys = keyset::parse(&self.get(&discovery.jwks_uri).await?)
            .map_err(|e| self.unavailable(e))?;
        Ok(KeySet {
            keys,
            algorithms: discovery.algorithms,
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
