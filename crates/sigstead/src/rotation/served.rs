//! What clients reach of the Rekor logs, while shards are added; and the routes of logs that come while a process serves.
//!
//! The v1 API has all shards under one URL. Each v2 shard has a URL of its own: the first one the instance's, the others a
//! path below it (`/shards/2`) or a host of their own. Clients demand that the checkpoint's origin is the host of that
//! URL, and leave its path alone when they write; so both forms work, and only the second one gives monitors an origin
//! for each shard.

use crate::instance::{Kind, PublicHalf, Shard};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::uri::{Authority, PathAndQuery};
use keys::Signer;
use std::sync::{Arc, PoisonError, RwLock};
use tlog::Log;
use tower::ServiceExt;

/// The served shards; clones share them.
#[derive(Clone)]
pub(crate) struct Served {
    v1: rekor::v1::Shards,
    v2: rekor::v2::Shared,
    later: Later,
}

/// The routes of logs behind the first; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<RwLock<Arc<[Route]>>>);

/// A v2 shard behind the first, or a CT log behind the first.
#[derive(Clone)]
struct Route {
    name: String,
    place: Place,
    router: Router,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Below this path of the instance's URL.
    Prefix(String),
    /// The endpoints of a CT log below this path of the instance's URL.
    Ct(String),
    /// On the Rekor v2 paths of this host.
    Host(String),
}

impl Served {
    /// Serves the first shards. Answers the routes of both APIs under the instance's URL as well.
    pub(crate) fn begin(
        public: &PublicHalf,
        v1: (Log, Signer),
        v2: (Log, Signer),
        registry: &prometheus::Registry,
    ) -> Result<(Self, Router)> {
        let first = public.shards_of(Kind::RekorV1)?;
        let first = first.first().context("a log has a first shard")?;
        let served = Self {
            v1: rekor::v1::Shards::new(first.tree_id(), v1.0, v1.1),
            v2: rekor::v2::Shared::new(registry),
            later: Later::default(),
        };
        let max_body = rekor::limits::V1_MAX_BODY;
        let router = rekor::v1::build_sharded(served.v1.clone(), max_body, registry);
        let first = public.shards_of(Kind::RekorV2)?;
        let first = first.first().context("a log has a first shard")?;
        let config = rekor::v2::Config::new(&first.host);
        let router = router.merge(served.v2.build(config, v2.0, &v2.1));
        Ok((served, router))
    }

    /// Serves a shard; one that is served already stays as it is.
    pub(crate) fn add(&self, shard: &Shard, log: Log, signer: Signer) {
        match shard.kind {
            Kind::RekorV1 => self.v1.add(shard.tree_id(), log, signer),
            Kind::RekorV2 if shard.number == 1 => {}
            Kind::RekorV2 => self.add_v2(shard, log, &signer),
        }
    }

    /// The routes of the v2 shards behind the first.
    pub(crate) fn later(&self) -> &Later {
        &self.later
    }

    fn add_v2(&self, shard: &Shard, log: Log, signer: &Signer) {
        let place = match shard.has_own_host {
            true => Place::Host(shard.host.clone()),
            false => Place::Prefix(shard.prefix()),
        };
        let config = rekor::v2::Config::new(&shard.host);
        let router = || self.v2.build(config, log, signer);
        self.later.add(shard.name(), place, router);
    }
}

impl Later {
    /// Serves a log; one that is served already stays as it is.
    pub(super) fn add(&self, name: String, place: Place, router: impl FnOnce() -> Router) {
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if routes.iter().any(|route| route.name == name) {
            return;
        }
        let added = Route {
            name,
            place,
            router: router(),
        };
        *routes = routes.iter().cloned().chain([added]).collect();
    }

    fn routes(&self) -> Arc<[Route]> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Middleware: sends a request for a log behind the first to that log, with the path as its own API has it.
pub(crate) async fn dispatch(
    State(later): State<Arc<[Later]>>,
    mut request: Request,
    next: Next,
) -> Response {
    for routes in later.iter().map(Later::routes) {
        for route in routes.iter() {
            let Some(uri) = route.place.claims(&request) else {
                continue;
            };
            *request.uri_mut() = uri;
            return route.router.clone().oneshot(request).await.into_response();
        }
    }
    next.run(request).await
}

impl Place {
    /// The request's URI as the shard's router wants it; `None` when it is for somebody else.
    fn claims(&self, request: &Request) -> Option<Uri> {
        let uri = request.uri();
        match self {
            Self::Prefix(prefix) => {
                let rest = uri.path().strip_prefix(prefix.as_str())?;
                is_v2(rest).then(|| with_path(uri, rest))?
            }
            Self::Ct(prefix) => {
                let rest = uri.path().strip_prefix(prefix.as_str())?;
                rest.starts_with("/ct/v1/").then(|| with_path(uri, rest))?
            }
            Self::Host(host) => {
                let same = host_of(request)?.eq_ignore_ascii_case(host);
                (same && is_v2(uri.path())).then(|| uri.clone())
            }
        }
    }
}

/// The paths of Rekor's v2 API alone; the CA has others below `/api/v2`.
fn is_v2(path: &str) -> bool {
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    path == "/checkpoint"
        || ["/tile/", "/log/"]
            .iter()
            .any(|start| path.starts_with(start))
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// The host that the client named, without port: HTTP/2 has it in the URI, HTTP/1.1 in a header.
fn host_of(request: &Request) -> Option<String> {
    let named = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let header = request.headers().get(http::header::HOST)?;
            Authority::try_from(header.as_bytes()).ok()?
        }
    };
    let host = named.host().trim_start_matches('[').trim_end_matches(']');
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(uri: &str, host: &str) -> Request {
        http::Request::get(uri)
            .header("host", host)
            .body(Body::empty())
            .unwrap()
    }

    #[test]
    fn a_prefix_claims_its_own_paths_and_takes_itself_off() {
        let place = Place::Prefix("/shards/2".into());
        let claimed = |uri: &str| {
            let uri = place.claims(&request(uri, "a.example"))?;
            Some(uri.to_string())
        };
        assert_eq!(claimed("/shards/2/checkpoint").unwrap(), "/checkpoint");
        assert_eq!(
            claimed("/shards/2/api/v2/log/entries?a=b").unwrap(),
            "/api/v2/log/entries?a=b"
        );
        assert_eq!(claimed("/shards/2/tile/0/000").unwrap(), "/tile/0/000");
        for other in [
            "/shards/22/checkpoint",
            "/shards/2",
            "/shards/2/api/v2/signingCert",
            "/shards/2/healthz",
            "/checkpoint",
        ] {
            assert_eq!(claimed(other), None, "{other}");
        }
    }

    #[test]
    fn a_later_ct_log_claims_its_endpoints() {
        let place = Place::Ct("/ctlog-2".into());
        let claimed = |uri: &str| {
            let uri = place.claims(&request(uri, "a.example"))?;
            Some(uri.to_string())
        };
        assert_eq!(claimed("/ctlog-2/ct/v1/get-sth").unwrap(), "/ct/v1/get-sth");
        for other in [
            "/ctlog/ct/v1/get-sth",
            "/ctlog-22/ct/v1/get-sth",
            "/ctlog-2/x",
        ] {
            assert_eq!(claimed(other), None, "{other}");
        }
    }

    #[test]
    fn a_host_claims_the_v2_api_whatever_the_port() {
        let place = Place::Host("log2.example.com".into());
        for host in ["log2.example.com", "LOG2.example.com:8443"] {
            let uri = place.claims(&request("/api/v2/log/entries", host));
            assert_eq!(uri.unwrap().path(), "/api/v2/log/entries");
            let ca = request("/api/v2/signingCert", host);
            assert_eq!(place.claims(&ca), None);
        }
        assert_eq!(place.claims(&request("/checkpoint", "example.com")), None);
        let mut two = request("/checkpoint", "example.com");
        *two.uri_mut() = "http://log2.example.com/checkpoint".parse().unwrap();
        assert!(
            place.claims(&two).is_some(),
            "HTTP/2 has the host in the URI"
        );
    }
}
