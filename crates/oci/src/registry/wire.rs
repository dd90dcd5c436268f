//! Requests to a registry: bounded in time, size and attempts, and never in plain text unless allowed.

use super::auth::Authorization;
use crate::access::Access;
use crate::{OciError, limits};
use oci_client::Reference;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, redirect};
use std::time::Duration;
use url::{Host, Url};

/// Names us to registries.
const USER_AGENT: &str = concat!("sigstead/", env!("CARGO_PKG_VERSION"));

/// One registry's HTTP client.
pub(crate) struct Wire {
    http: reqwest::Client,
    registry: String,
}

/// How a registry presents itself.
pub(crate) struct Front {
    /// Scheme, host and port.
    pub(crate) base: Url,
    /// Whether it is plain HTTP.
    pub(crate) plain: bool,
    /// What it asks for, if it does.
    pub(crate) challenge: Option<String>,
}

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    /// Content type and bytes.
    pub(crate) body: Option<(String, Vec<u8>)>,
    /// Bytes that the answer may have.
    pub(crate) limit: usize,
    /// For messages.
    pub(crate) what: String,
}

/// What came back, of whatever status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Wire {
    /// Finds the scheme: HTTPS wherever it is answered. Plain HTTP is tried after it on loopback, where nobody else
    /// listens, or when it is allowed.
    pub(crate) async fn open(
        reference: &Reference,
        access: &Access,
    ) -> Result<(Self, Front), OciError> {
        let registry = reference.resolve_registry().to_owned();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .read_timeout(limits::READ_TIMEOUT)
            .redirect(redirect::Policy::custom(follow));
        if let Some(pem) = &access.ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| OciError::RegistryCa(causes(&error)))?;
            if certificates.is_empty() {
                return Err(OciError::RegistryCa("it holds none".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder
            .build()
            .map_err(|error| OciError::HttpClient(causes(&error)))?;
        let wire = Self { http, registry };
        let front = wire.knock(access).await?;
        Ok((wire, front))
    }

    async fn knock(&self, access: &Access) -> Result<Front, OciError> {
        let reason = match self.knock_over("https").await? {
            Ok(front) => return Ok(front),
            Err(reason) => reason,
        };
        let may_be_plain = access.allow_http || is_loopback(&self.registry);
        if may_be_plain && let Ok(front) = self.knock_over("http").await? {
            return Ok(front);
        }
        Err(OciError::Unreachable {
            registry: self.registry.clone(),
            reason,
        })
    }

    /// Asks for the base of the API, without credentials: an answer of any status counts.
    async fn knock_over(&self, scheme: &str) -> Result<Result<Front, String>, OciError> {
        let base = Url::parse(&format!("{scheme}://{}/", self.registry))
            .map_err(|error| self.answer_error(error.to_string()))?;
        let url = base
            .join("/v2/")
            .map_err(|error| self.answer_error(error.to_string()))?;
        Ok(match self.http.get(url).send().await {
            Ok(answer) => Ok(Front {
                plain: scheme == "http",
                challenge: answer
                    .headers()
                    .get(WWW_AUTHENTICATE)
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned),
                base,
            }),
            Err(error) => Err(causes(&error)),
        })
    }

    /// Host and port.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// Sends until the answer is final: other than 429 or 503, or the attempts are used up.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        shown: Option<&Authorization>,
    ) -> Result<Answer, OciError> {
        let mut pause = limits::FIRST_PAUSE;
        for _ in 1..limits::ATTEMPTS {
            let answer = self.attempt(request, shown).await?;
            if !matches!(answer.status, 429 | 503) {
                return Ok(answer);
            }
            let asked = answer
                .header(RETRY_AFTER.as_str())
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs);
            tokio::time::sleep(asked.unwrap_or(pause).min(limits::CONNECT_TIMEOUT)).await;
            pause *= 2;
        }
        self.attempt(request, shown).await
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        shown: Option<&Authorization>,
    ) -> Result<Answer, OciError> {
        let mut sent = self
            .http
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, request.accept);
        if let Some(shown) = shown {
            sent = sent.header(AUTHORIZATION, shown.header());
        }
        if let Some((content_type, body)) = &request.body {
            sent = sent.header(CONTENT_TYPE, content_type).body(body.clone());
        }
        let answer = sent
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        // A refusal's text is cut, a content is not.
        if answer.status().is_success() {
            self.read(answer, request.limit, &request.what).await
        } else {
            let limit = limits::REFUSAL_BYTES;
            let status = answer.status().as_u16();
            let headers = answer.headers().clone();
            Ok(self
                .read(answer, limit, &request.what)
                .await
                .unwrap_or(Answer {
                    status,
                    headers,
                    body: Vec::new(),
                }))
        }
    }

    /// Reads chunk by chunk: a Content-Length may be absent or a lie.
    pub(crate) async fn read(
        &self,
        mut answer: reqwest::Response,
        limit: usize,
        what: &str,
    ) -> Result<Answer, OciError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if body.len() + chunk.len() > limit {
                return Err(OciError::TooLarge {
                    what: what.to_owned(),
                    limit: u64::try_from(limit).unwrap_or(u64::MAX),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body,
        })
    }

    /// A form, posted to an authorization service.
    pub(crate) async fn post_form(
        &self,
        url: Url,
        form: &[(&str, &str)],
    ) -> Result<Answer, OciError> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let sent = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let answer = sent
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.read(
            answer,
            limits::REFUSAL_BYTES,
            "the authorization service's answer",
        )
        .await
    }

    /// The error for an answer that is not a success.
    pub(crate) fn refused(&self, answer: &Answer, action: String) -> OciError {
        let registry = self.registry.clone();
        let message = message(&answer.body);
        match answer.status {
            401 | 403 => OciError::Unauthorized {
                registry,
                action,
                reason: message,
            },
            status => OciError::Refused {
                registry,
                action,
                status,
                message,
            },
        }
    }

    pub(crate) fn answer_error(&self, reason: String) -> OciError {
        OciError::Answer {
            registry: self.registry.clone(),
            reason,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> OciError {
        OciError::Unreachable {
            registry: self.registry.clone(),
            reason: causes(error),
        }
    }
}

/// The client that moves blobs and gets tokens, with the same trust as ours.
pub(crate) fn client(
    reference: &Reference,
    access: &Access,
    plain: bool,
) -> Result<oci_client::Client, OciError> {
    let protocol = if plain {
        ClientProtocol::HttpsExcept(vec![reference.resolve_registry().to_owned()])
    } else {
        ClientProtocol::Https
    };
    let blocks = match &access.ca_pem {
        Some(pem) => {
            pem::parse_many(pem).map_err(|error| OciError::RegistryCa(error.to_string()))?
        }
        None => Vec::new(),
    };
    let extra_root_certificates = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| Certificate {
            encoding: CertificateEncoding::Der,
            data: block.into_contents(),
        })
        .collect();
    let config = ClientConfig {
        protocol,
        extra_root_certificates,
        connect_timeout: Some(limits::CONNECT_TIMEOUT),
        read_timeout: Some(limits::READ_TIMEOUT),
        user_agent: USER_AGENT,
        ..ClientConfig::default()
    };
    oci_client::Client::try_from(config).map_err(|error| OciError::HttpClient(error.to_string()))
}

/// Follows a few redirections, and none from HTTPS to plain text. `reqwest` drops credentials at another host.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let falls_back = attempt
        .previous()
        .last()
        .is_some_and(|from| from.scheme() == "https" && attempt.url().scheme() != "https");
    if falls_back {
        attempt.error("redirected from https to http")
    } else if attempt.previous().len() > 5 {
        attempt.error("redirected too often")
    } else {
        attempt.follow()
    }
}

/// Whether a registry's host can be nobody but this machine.
fn is_loopback(registry: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{registry}/")) else {
        return false;
    };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The registry's own words, from its error envelope if it has one.
fn message(body: &[u8]) -> String {
    let envelope: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let first = envelope
        .as_ref()
        .and_then(|json| json.get("errors")?.get(0));
    let text = |name: &str| first.and_then(|error| error.get(name)?.as_str());
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => shortened(&format!("{code}: {message}")),
        (Some(code), None) => shortened(code),
        _ => {
            let text = shortened(&String::from_utf8_lossy(body));
            if text.is_empty() {
                "no reason given".to_owned()
            } else {
                text
            }
        }
    }
}

/// One line of bounded length, without control characters.
pub(crate) fn shortened(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limits::MESSAGE_CHARS)
        .collect()
}

/// An error with its causes: reqwest's own text names none.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    shortened(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_alone() {
        for yes in [
            "127.0.0.1:5000",
            "127.8.9.1",
            "localhost:5000",
            "[::1]:5000",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "localhost.example.com",
            "127.0.0.1.example.com",
            "registry.example.com:5000",
            "10.0.0.1:5000",
            "0.0.0.0:5000",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_registrys_words() {
        let json = br#"{"errors":[{"code":"DENIED","message":"no\npush","detail":null}]}"#;
        assert_eq!(message(json), "DENIED: no push");
        assert_eq!(message(b"<html>\x1b[31mno"), "<html> [31mno");
        assert_eq!(message(b""), "no reason given");
        assert_eq!(message(&[b'x'; 5000]).len(), limits::MESSAGE_CHARS);
    }
}
