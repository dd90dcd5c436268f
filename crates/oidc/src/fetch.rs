//! Bounded HTTP for discovery documents and key sets.

use crate::config::check::is_loopback;
use crate::limits::{DOCUMENT_BYTES, FETCH_TIMEOUT, REDIRECTS};
use reqwest::{Client, ClientBuilder, Url, redirect};
use std::sync::OnceLock;

/// Why a document could not be read. For the operator, not for clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{url} is not an https URL")]
    Scheme { url: String },
    #[error("no HTTP client: {0}")]
    Client(String),
    #[error("GET {url}: {cause}")]
    Transport { url: String, cause: String },
    #[error("GET {url}: status {status}")]
    Status { url: String, status: u16 },
    #[error("GET {url}: more than {max} bytes")]
    TooLong { url: String, max: usize },
}

/// Makes requests for one configuration.
pub(crate) struct Fetcher {
    allow_http: bool,
    /// Plain http (loopback, tests). Apart, so that it needs neither system certificates nor proxies.
    plain: OnceLock<Result<Client, FetchError>>,
    /// https with the system's certificates.
    tls: OnceLock<Result<Client, FetchError>>,
}

impl Fetcher {
    pub(crate) fn new(allow_http: bool) -> Self {
        Self {
            allow_http,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// GETs a document of at most [`DOCUMENT_BYTES`] within [`FETCH_TIMEOUT`]. Redirects stay on the host.
    pub(crate) async fn get(
        &self,
        url: &str,
        ca_cert: Option<&str>,
    ) -> Result<Vec<u8>, FetchError> {
        let client = self.client(url, ca_cert)?;
        let transport = |e: reqwest::Error| FetchError::Transport {
            url: url.to_owned(),
            cause: causes(&e),
        };
        let mut response = client.get(url).send().await.map_err(transport)?;
        if response.status() != http::StatusCode::OK {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status: response.status().as_u16(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > DOCUMENT_BYTES {
                return Err(FetchError::TooLong {
                    url: url.to_owned(),
                    max: DOCUMENT_BYTES,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn client(&self, url: &str, ca_cert: Option<&str>) -> Result<Client, FetchError> {
        let refused = || FetchError::Scheme {
            url: url.to_owned(),
        };
        let parsed = Url::parse(url).map_err(|_| refused())?;
        let host = parsed
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']']);
        match parsed.scheme() {
            "http" if self.allow_http || is_loopback(host) => self
                .plain
                .get_or_init(|| build(base().tls_certs_only([]).no_proxy()))
                .clone(),
            // An issuer with its own CA gets its own client: that CA is trusted for nobody else.
            // Built per request, which happens a few times an hour.
            "https" => match ca_cert {
                Some(pem) => {
                    let certs = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                        .map_err(client_error)?;
                    build(base().tls_certs_merge(certs).https_only(true))
                }
                None => self
                    .tls
                    .get_or_init(|| build(base().https_only(true)))
                    .clone(),
            },
            _ => Err(refused()),
        }
    }
}

fn base() -> ClientBuilder {
    Client::builder()
        .timeout(FETCH_TIMEOUT)
        .redirect(redirect::Policy::custom(same_host))
        .user_agent(concat!("sigstead/", env!("CARGO_PKG_VERSION")))
        // Keys are fetched hourly: an open connection between would be of no use.
        .pool_max_idle_per_host(0)
}

fn build(builder: ClientBuilder) -> Result<Client, FetchError> {
    builder.build().map_err(client_error)
}

fn client_error(e: reqwest::Error) -> FetchError {
    FetchError::Client(causes(&e))
}

/// A redirect to another host would let an issuer's open redirect choose our keys.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt
        .previous()
        .last()
        .is_some_and(|from| from.origin() == attempt.url().origin());
    if !same {
        return attempt.error("redirect to another host is not followed");
    }
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

/// The innermost cause, which says what to mend ("connection refused"); reqwest's own text does not.
fn causes(e: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = e;
    while let Some(inner) = source.source() {
        source = inner;
    }
    if e.is_timeout() {
        format!("no answer within {} s", FETCH_TIMEOUT.as_secs())
    } else {
        source.to_string()
    }
}
