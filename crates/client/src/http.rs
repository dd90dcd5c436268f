//! One way to call a service: bounded in time, size and attempts.

use crate::error::{ServiceName, SignError};
use crate::limits;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Method, redirect};
use std::time::Duration;
use url::{Host, Url};

/// Calls services; cheap to share.
pub(crate) struct Transport {
    client: reqwest::Client,
}

/// One call. A body makes it a POST.
pub(crate) struct Call<'a> {
    pub(crate) service: ServiceName,
    pub(crate) url: Url,
    /// Content type and bytes.
    pub(crate) body: Option<(&'static str, &'a [u8])>,
    pub(crate) accept: &'static str,
    /// Bearer token.
    pub(crate) token: Option<&'a str>,
    /// Bytes that the answer may have.
    pub(crate) limit: usize,
}

/// What came back, of whatever status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
    retry_after: Option<String>,
}

impl Transport {
    /// Builds the HTTP client: the system's roots, no redirects (a token must not wander).
    pub(crate) fn new() -> Result<Self, SignError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("sigstead/", env!("CARGO_PKG_VERSION")))
            .timeout(limits::ATTEMPT_TIMEOUT)
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| SignError::HttpClient(causes(&error)))?;
        Ok(Self { client })
    }

    /// Sends until the answer is final: other than 429 or 503, or the attempts are used up.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, SignError> {
        warn_of_open_token(call);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let answer = self.attempt(call).await?;
            let Some(pause) = pause(attempt, answer.status, answer.retry_after.as_deref()) else {
                return Ok(answer);
            };
            tracing::debug!(service = %call.service, status = answer.status, ?pause, "asked to come again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, SignError> {
        let unreachable = |error: reqwest::Error| SignError::Unreachable {
            service: call.service,
            url: call.url.to_string(),
            reason: causes(&error),
        };
        let method = if call.body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = self
            .client
            .request(method, call.url.clone())
            .header(ACCEPT, call.accept);
        if let Some((content_type, body)) = call.body {
            request = request
                .header(CONTENT_TYPE, content_type)
                .body(body.to_vec());
        }
        if let Some(token) = call.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut answer = Answer {
            status: response.status().as_u16(),
            location: header(LOCATION),
            retry_after: header(RETRY_AFTER),
            body: Vec::new(),
        };
        // Chunk by chunk: a Content-Length may be absent or a lie.
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.body.len() + chunk.len() > call.limit {
                let (service, url) = (call.service, call.url.to_string());
                return Err(SignError::AnswerTooLarge {
                    service,
                    url,
                    limit: call.limit,
                });
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

impl Call<'_> {
    /// The error for an answer that is not a success.
    pub(crate) fn refused(&self, answer: &Answer) -> SignError {
        SignError::Refused {
            service: self.service,
            url: self.url.to_string(),
            status: answer.status,
            message: message(&answer.body),
            advice: advice(self.service, answer.status),
        }
    }

    /// The error for a success that cannot be read.
    pub(crate) fn unreadable(&self, reason: impl ToString) -> SignError {
        SignError::Answer {
            service: self.service,
            url: self.url.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Appends `path` to a base URL, with or without slash at its end, keeping a path prefix.
pub(crate) fn join(service: ServiceName, base: &str, path: &str) -> Result<Url, SignError> {
    let mut url = parse(service, base)?;
    let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    Ok(url)
}

/// Parses a URL that can be called.
pub(crate) fn parse(service: ServiceName, text: &str) -> Result<Url, SignError> {
    let usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // The text is repeated only up to a user name, which may be followed by a password.
    let shown = || {
        text.rsplit_once('@')
            .map_or(text, |(_, host)| host)
            .to_owned()
    };
    Url::parse(text)
        .ok()
        .filter(usable)
        .ok_or_else(|| SignError::Url {
            service,
            url: shown(),
        })
}

/// How long to wait before asking again; `None` when the answer stands.
///
/// Only 429 and 503 say that nothing was done. A Retry-After in seconds is obeyed up to
/// [`limits::LONGEST_PAUSE`], a longer one ends the attempts; a date is not read.
fn pause(attempt: u32, status: u16, retry_after: Option<&str>) -> Option<Duration> {
    if !matches!(status, 429 | 503) || attempt >= limits::ATTEMPTS {
        return None;
    }
    let wished = retry_after
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    let pause = wished.unwrap_or_else(|| limits::FIRST_PAUSE * 2u32.pow(attempt - 1));
    (pause <= limits::LONGEST_PAUSE).then_some(pause)
}

/// The `message` of the error bodies of Fulcio and Rekor, else the text itself, shortened and on one line.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    let text = match formats::json::parse::<ErrorBody>(body, body.len()) {
        Ok(error) => error.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    match one_line(&text) {
        text if text.is_empty() => "(no message)".to_owned(),
        text => text,
    }
}

/// Text of a server, fit for a terminal.
pub(crate) fn one_line(text: &str) -> String {
    let clean = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    clean.take(limits::MESSAGE_CHARS).collect()
}

fn advice(service: ServiceName, status: u16) -> &'static str {
    match (service, status) {
        (_, 300..=399) => "redirects are not followed: put the final URL into the signing config",
        (_, 404) => "check the URL in the signing config: this address has no such API",
        (_, 413) => "the request is larger than the service takes",
        (_, 429) => "the service is busy: try again in a while",
        (ServiceName::Ca, 400 | 401 | 403) => {
            "get a fresh token (they live for minutes), with the audience that the authority expects and from an issuer in its configuration"
        }
        (ServiceName::Log, 405) => "the log is frozen: point the signing config to its successor",
        (ServiceName::Log, 409) => {
            "the log has this entry already: sign again, which makes a new key"
        }
        (ServiceName::Log, 400 | 422) => {
            "check that the log accepts this kind of entry and API version"
        }
        (ServiceName::Tsa, 400 | 415) => {
            "check that tsaUrls holds an RFC 3161 endpoint that accepts SHA-256"
        }
        (_, 500..=599) => "try again; if it stays, the service's log has the cause",
        _ => "check the URL and API version in the signing config",
    }
}

fn warn_of_open_token(call: &Call<'_>) {
    if call.token.is_some() && call.url.scheme() == "http" && !is_loopback(&call.url) {
        tracing::warn!(
            host = call.url.host_str(),
            "the identity token travels unencrypted: use https"
        );
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An error with the chain of its causes, without the URL, which the caller names.
fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", limits::ATTEMPT_TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str) -> String {
        join(ServiceName::Ca, base, "api/v2/signingCert")
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_base_url_may_end_in_a_slash_and_have_a_prefix() {
        assert_eq!(
            joined("https://ca.example"),
            "https://ca.example/api/v2/signingCert"
        );
        assert_eq!(
            joined("https://ca.example/"),
            "https://ca.example/api/v2/signingCert"
        );
        assert_eq!(
            joined("https://ca.example:8443/pki//"),
            "https://ca.example:8443/pki/api/v2/signingCert"
        );
    }

    #[test]
    fn urls_that_cannot_be_called_are_refused_without_their_password() {
        for url in [
            "ca.example",
            "ftp://ca.example",
            "https://",
            "unix:/x",
            "https://ca.example/?a=b",
            "https://ca.example/#f",
        ] {
            assert!(
                matches!(join(ServiceName::Ca, url, "x"), Err(SignError::Url { .. })),
                "{url}"
            );
        }
        let error = join(ServiceName::Ca, "https://user:secret@ca.example", "x").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn only_429_and_503_are_asked_again_and_pauses_double() {
        let pauses: Vec<_> = (1..=4).map(|attempt| pause(attempt, 503, None)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [ms(500), ms(1000), ms(2000), None]);
        assert_eq!(pause(1, 429, None), ms(500));
        for status in [200, 201, 400, 404, 409, 500, 502, 504] {
            assert_eq!(pause(1, status, Some("1")), None, "{status}");
        }
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        assert_eq!(pause(1, 503, Some("3")), Some(Duration::from_secs(3)));
        assert_eq!(pause(1, 503, Some("20")), Some(Duration::from_secs(20)));
        assert_eq!(pause(1, 503, Some("21")), None);
        assert_eq!(
            pause(1, 429, Some("99999999999999999999")),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            pause(2, 429, Some("Wed, 21 Oct 2026 07:28:00 GMT")),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn the_servers_message_is_repeated_shortened_and_on_one_line() {
        assert_eq!(
            message(br#"{"code":3,"message":"bad\ntoken","details":[]}"#),
            "bad token"
        );
        assert_eq!(
            message(b"This log has been frozen.\n"),
            "This log has been frozen."
        );
        assert_eq!(message(b"\x1b[31mred"), " [31mred");
        assert_eq!(message(b""), "(no message)");
        assert_eq!(
            message("x".repeat(10_000).as_bytes()).len(),
            limits::MESSAGE_CHARS
        );
    }

    #[test]
    fn only_this_machine_may_get_a_token_unencrypted_without_a_warning() {
        let local = |url| is_loopback(&Url::parse(url).unwrap());
        assert!(
            local("http://127.0.0.1:1/") && local("http://localhost/") && local("http://[::1]/")
        );
        assert!(!local("http://ca.example/") && !local("http://10.0.0.1/"));
    }

    #[test]
    fn every_refusal_says_what_to_do_next() {
        for service in [ServiceName::Ca, ServiceName::Log, ServiceName::Tsa] {
            for status in [302, 400, 403, 404, 405, 409, 418, 422, 429, 500, 503] {
                assert!(!advice(service, status).is_empty());
            }
        }
    }
}
