//! The two routes and their error bodies (spec/clients.md d.1).

use crate::Switch;
use crate::limits::MAX_BODY_BYTES;
use crate::request::{Request, RequestError, parse_json_request, parse_request};
use crate::token::{Template, TokenError};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use clock::Clock;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use keys::Signer;
use time::OffsetDateTime;

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";
const JSON: &str = "application/json";
const PEM_CHAIN: &str = "application/pem-certificate-chain";

/// Everything a request needs; checked by [`crate::build`].
pub(crate) struct Authority {
    pub(crate) signer: Signer,
    pub(crate) template: Template,
    pub(crate) chain_pem: Bytes,
    pub(crate) valid_from: OffsetDateTime,
    pub(crate) valid_until: OffsetDateTime,
    pub(crate) clock: Clock,
}

pub(crate) fn router(current: Switch) -> Router {
    Router::new()
        .route("/api/v1/timestamp", post(timestamp))
        .route("/api/v1/timestamp/certchain", get(certchain))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(current)
}

async fn timestamp(
    State(current): State<Switch>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let parse = parser_for(&headers)?;
    let request = parse(&body?)?;
    // One key from here on: a token's certificate and its signature belong together.
    let reply = current.now().grant(&request).await?;
    let headers = [(CONTENT_TYPE, REPLY), (CACHE_CONTROL, "no-store")];
    Ok((headers, reply).into_response())
}

async fn certchain(State(current): State<Switch>) -> Response {
    // An hour, so that a rotated chain is noticed the same day.
    let headers = [(CONTENT_TYPE, PEM_CHAIN), (CACHE_CONTROL, "max-age=3600")];
    (headers, current.now().chain_pem.clone()).into_response()
}

impl Authority {
    async fn grant(&self, request: &Request) -> Result<Vec<u8>, ApiError> {
        let now = self.clock.now();
        // A token from outside its certificate's life verifies nowhere: better none.
        if now < self.valid_from || now > self.valid_until {
            return Err(ApiError::OutOfValidity {
                from: self.valid_from,
                until: self.valid_until,
            });
        }
        let mut serial = [0; 20];
        getrandom::fill(&mut serial).map_err(|_| ApiError::Randomness)?;
        let reply = self.template.grant(request, now, serial, &self.signer);
        Ok(reply.await?)
    }
}

type Parser = fn(&[u8]) -> Result<Request, RequestError>;

/// Chooses by media type; parameters such as a charset do not matter.
fn parser_for(headers: &HeaderMap) -> Result<Parser, ApiError> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(QUERY) {
        return Ok(parse_request);
    }
    if media_type.eq_ignore_ascii_case(JSON) {
        return Ok(parse_json_request);
    }
    Err(ApiError::MediaType)
}

/// Why there is no timestamp.
#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("unsupported media type: send {QUERY} or {JSON}")]
    MediaType,
    #[error("timestamp request is too large: at most {MAX_BODY_BYTES} bytes are accepted")]
    TooLarge,
    #[error("the request body could not be read")]
    Body,
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(
        "the timestamp certificate chain is valid from {from} until {until} only: renew it, or set the server's clock"
    )]
    OutOfValidity {
        from: OffsetDateTime,
        until: OffsetDateTime,
    },
    #[error("Error generating timestamp response: no random bytes")]
    Randomness,
    #[error("Error generating timestamp response")]
    Token(#[from] TokenError),
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::TooLarge;
        }
        Self::Body
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            // Not an RFC 3161 rejection with status 200: sigstore-js would put it into a bundle unread.
            Self::Body | Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::OutOfValidity { .. } | Self::Randomness | Self::Token(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// A person should look at the server's own failures; the details of a backend stay in its log.
    fn log(&self) {
        match self {
            Self::Token(error) => tracing::error!(%error, "no timestamp"),
            Self::OutOfValidity { .. } | Self::Randomness => {
                tracing::error!(error = %self, "no timestamp");
            }
            _ => tracing::debug!(error = %self, "timestamp refused"),
        }
    }
}

/// The reference server's error body.
#[derive(serde::Serialize)]
struct ErrorBody {
    code: u16,
    message: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let body = ErrorBody {
            code: status.as_u16(),
            message: self.to_string(),
        };
        (status, Json(body)).into_response()
    }
}
