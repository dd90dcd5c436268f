//! Token in, principal out.

use crate::claims::Claims;
use crate::config::{Config, Issuer, Transport};
use crate::error::{TokenError, shown};
use crate::fetch::Fetcher;
use crate::limits::{WILDCARD_FETCHES_AT_ONCE, WILDCARD_PROVIDERS};
use crate::principal::Principal;
use crate::provider::{KeySet, Provider};
use crate::token::Token;
use clock::Clock;
use jsonwebtoken::Algorithm;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Verifies tokens of the configured issuers. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    clock: Clock,
    fetcher: Arc<Fetcher>,
    exact: HashMap<String, Arc<Provider>>,
    wildcard: Mutex<Recent>,
    wildcard_places: Arc<Semaphore>,
}

/// A verified token.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The configuration that it was verified with.
    pub issuer: Arc<Issuer>,
    /// Its claims.
    pub claims: Claims,
}

impl Verifier {
    /// Prepares verification. Nothing is fetched before the first token (an issuer that is down does
    /// not keep the authority from starting).
    pub fn new(config: Config, transport: Transport, clock: Clock) -> Self {
        let fetcher = Arc::new(Fetcher::new(transport.allow_http));
        let provider = |url: &String, issuer: &Arc<Issuer>| {
            let ca_cert = issuer.ca_cert.clone();
            Provider::new(url, ca_cert, fetcher.clone(), clock.clone(), None)
        };
        let exact = config
            .issuers
            .iter()
            .map(|(url, issuer)| (url.clone(), provider(url, issuer)))
            .collect();
        Self {
            inner: Arc::new(Inner {
                config,
                clock,
                fetcher,
                exact,
                wildcard: Mutex::default(),
                wildcard_places: Arc::new(Semaphore::new(WILDCARD_FETCHES_AT_ONCE)),
            }),
        }
    }

    /// The configuration, for the API's configuration endpoint.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Verifies a token and reads its principal.
    pub async fn principal(&self, token: &str) -> Result<Principal, TokenError> {
        let verified = self.verify(token).await?;
        Principal::from_claims(&verified.issuer, &verified.claims)
    }

    /// Verifies a token (spec 3.3): form, issuer, audience and times, then algorithm and signature.
    pub async fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        // 1. Exactly one signature in compact form; the issuer is read unverified, to select the rules.
        let token = Token::parse(token)?;
        let (issuer, provider) = self.select(token.issuer()?)?;
        // 2. What needs no key, so that an expired or misdirected token causes no request.
        token.check_claims(&issuer, self.inner.clock.unix_millis())?;
        // 3. The algorithm, among those of the issuer and ours.
        let set = provider.keys().await?;
        let algorithm = allowed(&token, &set)?;
        // 4. The signature; with a fresh key set when none of the keys at hand made it.
        if !signed_by(&set, &token, algorithm) {
            let newer = provider.newer(&set).await?;
            if !newer
                .as_ref()
                .is_some_and(|set| signed_by(set, &token, algorithm))
            {
                return Err(unverified(
                    newer.as_ref().unwrap_or(&set),
                    &token,
                    algorithm,
                ));
            }
        }
        Ok(Verified {
            issuer,
            claims: token.claims,
        })
    }

    /// Exact match first, then wildcards (spec 3.3, step 2).
    fn select(&self, iss: &str) -> Result<(Arc<Issuer>, Arc<Provider>), TokenError> {
        let inner = &*self.inner;
        if let (Some(issuer), Some(provider)) =
            (inner.config.issuers.get(iss), inner.exact.get(iss))
        {
            return Ok((issuer.clone(), provider.clone()));
        }
        let found = inner
            .config
            .wildcards
            .iter()
            .find(|(pattern, _)| pattern.matches(iss));
        let (_, issuer) = found.ok_or_else(|| TokenError::UnknownIssuer { issuer: shown(iss) })?;
        let mut recent = inner
            .wildcard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let provider = recent.get_or_insert(iss, || {
            Provider::new(
                iss,
                issuer.ca_cert.clone(),
                inner.fetcher.clone(),
                inner.clock.clone(),
                Some(inner.wildcard_places.clone()),
            )
        });
        Ok((issuer.clone(), provider))
    }
}

fn allowed(token: &Token<'_>, set: &KeySet) -> Result<Algorithm, TokenError> {
    let found = set
        .algorithms
        .iter()
        .find(|(name, _)| *name == token.header.alg);
    found
        .map(|(_, algorithm)| *algorithm)
        .ok_or_else(|| TokenError::Algorithm {
            alg: shown(&token.header.alg),
            issuer: token.issuer().unwrap_or_default().to_owned(),
            allowed: set
                .algorithms
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn signed_by(set: &KeySet, token: &Token<'_>, algorithm: Algorithm) -> bool {
    set.keys
        .iter()
        .filter(|key| key.fits(token.header.kid.as_deref(), algorithm))
        .any(|key| key.verifies(algorithm, token.signed, token.signature))
}

fn unverified(set: &KeySet, token: &Token<'_>, algorithm: Algorithm) -> TokenError {
    let issuer = token.issuer().unwrap_or_default().to_owned();
    if set
        .keys
        .iter()
        .any(|key| key.fits(token.header.kid.as_deref(), algorithm))
    {
        return TokenError::Signature { issuer };
    }
    let kid = token
        .header
        .kid
        .as_deref()
        .map_or_else(|| "(none)".to_owned(), shown);
    TokenError::UnknownKey {
        issuer,
        kid,
        alg: token.header.alg.clone(),
    }
}

/// The issuers that wildcards matched lately; at most [`WILDCARD_PROVIDERS`].
#[derive(Default)]
struct Recent {
    uses: u64,
    providers: HashMap<String, (u64, Arc<Provider>)>,
}

impl Recent {
    fn get_or_insert(&mut self, iss: &str, make: impl FnOnce() -> Arc<Provider>) -> Arc<Provider> {
        self.uses += 1;
        if let Some((used, provider)) = self.providers.get_mut(iss) {
            *used = self.uses;
            return provider.clone();
        }
        if self.providers.len() >= WILDCARD_PROVIDERS {
            // Issuers that never answered go first: invented names must not push out real ones.
            let oldest = self
                .providers
                .iter()
                .min_by_key(|(_, (used, p))| (p.is_known(), *used));
            if let Some(oldest) = oldest.map(|(iss, _)| iss.clone()) {
                self.providers.remove(&oldest);
            }
        }
        let provider = make();
        self.providers
            .insert(iss.to_owned(), (self.uses, provider.clone()));
        provider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_wildcard_issuers_is_bounded() {
        let (clock, _) = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let fetcher = Arc::new(Fetcher::new(false));
        let mut recent = Recent::default();
        for i in 0..WILDCARD_PROVIDERS + 50 {
            let iss = format!("https://i.example/{i}");
            recent.get_or_insert(&iss, || {
                Provider::new(&iss, None, fetcher.clone(), clock.clone(), None)
            });
        }
        assert_eq!(recent.providers.len(), WILDCARD_PROVIDERS);
        assert!(recent.providers.contains_key("https://i.example/149"));
        assert!(!recent.providers.contains_key("https://i.example/0"));
    }
}
