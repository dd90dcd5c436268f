//! Errors in text: the status, a line feed, the reason.

use crate::CtError;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tlog::ReadError;

/// Seconds after which a throttled client may come again; a full pool empties within one.
const RETRY_AFTER: &str = "1";

/// A status and its reason.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    reason: String,
}

impl ApiError {
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            reason: reason.into(),
        }
    }

    pub(super) fn not_found(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            reason: reason.into(),
        }
    }

    pub(super) fn method_not_allowed() -> Self {
        let reason = "add-chain and add-pre-chain take POST, everything else GET".into();
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            reason,
        }
    }
}

impl From<CtError> for ApiError {
    fn from(error: CtError) -> Self {
        let status = match &error {
            CtError::Chain(_) => StatusCode::BAD_REQUEST,
            CtError::Busy => StatusCode::TOO_MANY_REQUESTS,
            // As Rekor v2 answers for a frozen shard.
            CtError::Frozen => StatusCode::METHOD_NOT_ALLOWED,
            CtError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            CtError::Read(ReadError::OutOfRange { .. }) => StatusCode::NOT_FOUND,
            CtError::Unavailable(_) | CtError::Read(ReadError::Store(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            CtError::Key(_)
            | CtError::KeyKind(_)
            | CtError::Clock
            | CtError::Damaged { .. }
            | CtError::Checkpoint { .. }
            | CtError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if !status.is_server_error() {
            return Self {
                status,
                reason: error.to_string(),
            };
        }
        tracing::error!(%error, "the CT log could not answer");
        // What is wrong inside is for the operator's log, not for the caller.
        let reason = match status {
            StatusCode::SERVICE_UNAVAILABLE => "the log's store is not available; retry later",
            _ => "the log could not answer; its operator finds the reason in the server's log",
        };
        Self {
            status,
            reason: reason.into(),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        CtError::from(error).into()
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        Self {
            status: rejection.status(),
            reason: rejection.body_text(),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut response = (self.status, format!("{title}\n{}\n", self.reason)).into_response();
        if matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            response.headers_mut().insert(
                header::RETRY_AFTER,
                header::HeaderValue::from_static(RETRY_AFTER),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_asks_to_come_again() {
        let response = ApiError::from(CtError::Busy).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
    }

    #[test]
    fn inner_faults_are_not_told_to_callers() {
        let error = ApiError::from(CtError::Key("slot 3 is locked".into()));
        assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.reason.contains("slot"));
    }
}
