//! Errors of the v2 API, in the shape of grpc-gateway: `{"code","message","details"}` (spec B.5).

use crate::kinds::EntryError;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use service::error::{Code, GatewayError};
use tlog::{AppendError, ReadError, StoreError};

/// An error and the headers that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    error: GatewayError,
    header: Option<(HeaderName, HeaderValue)>,
    /// Spec B.5: 405 with a line of text alone; no gRPC code has that status.
    frozen: bool,
}

/// What a frozen log says to a write.
const FROZEN: &str = "This log has been frozen, please switch to the latest log.\n";

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            error: GatewayError::new(code, message),
            header: None,
            frozen: false,
        }
    }

    /// The log never takes an entry again.
    fn frozen() -> Self {
        Self {
            frozen: true,
            ..Self::new(Code::Unimplemented, FROZEN)
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "Not Found")
    }

    /// The log has this entry already.
    pub(crate) fn duplicate(index: u64) -> Self {
        let message = format!(
            "an equivalent entry already exists in the transparency log with index {index}"
        );
        let header = (
            HeaderName::from_static("x-log-index"),
            HeaderValue::from(index),
        );
        Self {
            header: Some(header),
            ..Self::new(Code::AlreadyExists, message)
        }
    }

    /// A fault of ours: the facts go to the log, the client learns what it needs.
    pub(crate) fn internal(message: &'static str, fault: &dyn std::fmt::Display) -> Self {
        tracing::error!(%fault, "{message}");
        Self::new(Code::Unknown, message)
    }

    fn retry_later(message: &'static str) -> Self {
        let header = Some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        Self {
            header,
            ..Self::new(Code::Unavailable, message)
        }
    }
}

impl From<EntryError> for ApiError {
    fn from(error: EntryError) -> Self {
        let message = match &error {
            // What protojson refuses has not become a request.
            EntryError::Json(error) => format!("proto: {error}"),
            EntryError::NotHashedRekord => error.to_string(),
            other => format!("invalid hashedrekord request: {other}"),
        };
        Self::new(Code::InvalidArgument, message)
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::PoolFull => Self::retry_later("reached max pushback; retry"),
            AppendError::Closed => Self::retry_later("the server is shutting down; retry"),
            AppendError::Frozen => Self::frozen(),
            AppendError::TooLarge { have, max } => EntryError::EntryTooLarge { have, max }.into(),
            // The log has said why where it happened; deduplication makes the retry safe.
            AppendError::Unavailable(_) => Self::retry_later("the log is not available; retry"),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange { .. } => Self::not_found(),
            ReadError::Store(StoreError::Unavailable(why)) => {
                tracing::warn!(%why, "a read was refused");
                Self::retry_later("the log is not available; retry")
            }
            other => Self::internal("failed to read the log", &other),
        }
    }
}

impl From<crate::work::Unfinished> for ApiError {
    fn from(error: crate::work::Unfinished) -> Self {
        Self::internal("failed to verify entry", &error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match self.frozen {
            true => (StatusCode::METHOD_NOT_ALLOWED, self.error.message).into_response(),
            false => self.error.into_response(),
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
