//! Error bodies of the v1 API: `{"code": …, "message": …}` (spec A.2).

use crate::json::JsonError;
use crate::kinds::EntryError;
use crate::v1::id::{EntryId, EntryName, NameError};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use tlog::{AppendError, ReadError, StoreError};

/// Codes of go-openapi's validators; they stand in the body while the status is 422.
pub(crate) mod validation {
    pub(crate) const TYPE: u16 = 601;
    pub(crate) const REQUIRED: u16 = 602;
    pub(crate) const PATTERN: u16 = 605;
    pub(crate) const MINIMUM: u16 = 609;
    pub(crate) const MAX_ITEMS: u16 = 611;
    pub(crate) const MIN_ITEMS: u16 = 612;
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// The `code` member; usually the status.
    code: u16,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
    /// 404 of the entry routes has neither body nor content type.
    bare: bool,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: status.as_u16(),
            message: message.into(),
            header: None,
            bare: false,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn validation(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
    }

    /// No such entry.
    pub(crate) fn no_entry() -> Self {
        Self {
            bare: true,
            ..Self::new(StatusCode::NOT_FOUND, "")
        }
    }

    pub(crate) fn too_large(max: usize) -> Self {
        let message = format!("Request Entity Too Large. Limit set to {max}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The log has this entry already; clients find it by the Location.
    pub(crate) fn duplicate(id: &EntryId, location: HeaderValue) -> Self {
        let message =
            format!("an equivalent entry already exists in the transparency log with UUID {id}");
        let header = Some((header::LOCATION, location));
        Self {
            header,
            ..Self::new(StatusCode::CONFLICT, message)
        }
    }

    /// A fault of ours: the facts go to the log, the client learns what it needs.
    pub(crate) fn internal(message: &'static str, fault: &dyn std::fmt::Display) -> Self {
        tracing::error!(%fault, "{message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Busy or going down: a retry is safe, entries are deduplicated.
    fn retry_later(message: impl Into<String>) -> Self {
        let header = Some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        Self {
            header,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// How a refused entry of `POST entries` is answered.
    pub(crate) fn of_entry(error: &EntryError) -> Self {
        match error {
            // Upstream answers malformed JSON on this route with 500 (spec A.2).
            EntryError::Json(error) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            EntryError::UnknownKind(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            other => Self::of_query_entry(other),
        }
    }

    /// How a refused entry inside a query is answered.
    pub(crate) fn of_query_entry(error: &EntryError) -> Self {
        match error {
            EntryError::EmptyBody | EntryError::Required(_) => {
                Self::validation(validation::REQUIRED, error.to_string())
            }
            EntryError::NotText(_) => Self::validation(validation::TYPE, error.to_string()),
            EntryError::NotVersion(_) => Self::validation(validation::PATTERN, error.to_string()),
            EntryError::Json(_) | EntryError::UnknownKind(_) => Self::of_query_body(error),
            other => Self::bad_request(format!("error processing entry: {other}")),
        }
    }

    /// A query body that does not parse.
    pub(crate) fn of_query_body(error: &dyn std::fmt::Display) -> Self {
        Self::bad_request(format!(
            "parsing query body from \"\" failed, because {error}"
        ))
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        Self::of_query_body(&error)
    }
}

impl From<NameError> for ApiError {
    /// How a bad `{entryUUID}` in a path is answered.
    fn from(error: NameError) -> Self {
        match error {
            NameError::Pattern => {
                let message = format!("entryUUID in path should match '{}'", EntryName::PATTERN);
                Self::validation(validation::PATTERN, message)
            }
            NameError::TreeTooLarge(_) => Self::bad_request(format!("validation error: {error}")),
            NameError::TreeZero => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            // Frozen without a shard behind it: this process has not learned of the rotation yet.
            AppendError::PoolFull | AppendError::Closed | AppendError::Frozen => {
                Self::retry_later(error.to_string())
            }
            AppendError::TooLarge { .. } => {
                Self::bad_request(format!("error processing entry: {error}"))
            }
            // The log has said why where it happened; deduplication makes the retry safe.
            AppendError::Unavailable(_) => {
                Self::retry_later("the transparency log is not available; retry")
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange { .. } => Self::no_entry(),
            ReadError::Store(StoreError::Unavailable(why)) => {
                tracing::warn!(%why, "a read was refused");
                Self::retry_later("the transparency log is not available; retry")
            }
            other => Self::internal(
                "unexpected error communicating with transparency log",
                &other,
            ),
        }
    }
}

impl From<crate::work::Unfinished> for ApiError {
    fn from(error: crate::work::Unfinished) -> Self {
        Self::internal("error verifying entry", &error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = if self.bare {
            self.status.into_response()
        } else {
            json_response(
                self.status,
                &json!({"code": self.code, "message": self.message}),
            )
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A JSON body with the line feed at its end that Go's encoder writes.
pub(crate) fn json_response(status: StatusCode, body: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => json_text(status, text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An answer whose JSON is written already.
pub(crate) fn json_text(status: StatusCode, mut text: Vec<u8>) -> Response {
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
