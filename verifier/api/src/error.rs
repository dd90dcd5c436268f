//! What a caller is told when there is no verdict.

use crate::limits;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request got no verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The kind, for programs: `unreadable`, `too-large`, `not-allowed`, `busy` …
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The part of the request that is meant, e.g. `bundle` or `identity.certificateIdentity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    pub cure: String,
}

/// A refusal with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorBody,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let body = ErrorBody {
            code,
            message: message.into(),
            field: None,
            cure: cure.into(),
        };
        Self { status, body }
    }

    /// 400: a part of the request cannot be read.
    pub(crate) fn unreadable(
        field: impl Into<String>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable", message, cure).at(field)
    }

    /// 413: a part of the request is larger than its limit.
    pub(crate) fn too_large(field: impl Into<String>, limit: impl std::fmt::Display) -> Self {
        let message = format!("it has more than {limit} bytes");
        let cure = "send large artifacts as multipart/form-data, or their digest";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message, cure).at(field)
    }

    /// 503: every core has enough to do.
    pub(crate) fn busy() -> Self {
        let message = "too many verifications at once";
        let cure = "retry after the seconds that Retry-After says";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message, cure)
    }

    /// 500: a mistake of ours, for our own log.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "no verdict: see the log of the service",
            "report the X-Request-Id of this answer to the operator",
        )
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.body.field = Some(field.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let wait = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

/// Repeats outside text: bounded, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let printable = text.chars().map(|c| match c.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    });
    let mut quoted: String = printable.take(limits::QUOTED_CHARS).collect();
    if text.chars().count() > limits::QUOTED_CHARS {
        quoted.push('…');
    }
    quoted
}
