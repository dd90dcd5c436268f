//! The error body that gRPC-gateway APIs (Fulcio, Rekor v2) speak: `{"code","message","details":[]}`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Seconds after which what is not available may be.
const RETRY_AFTER: &str = "1";

/// gRPC status codes used by the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The client went away.
    Cancelled = 1,
    /// An error without a better name.
    Unknown = 2,
    /// The request is wrong; retrying it unchanged cannot help.
    InvalidArgument = 3,
    /// The work took longer than allowed.
    DeadlineExceeded = 4,
    /// No such thing.
    NotFound = 5,
    /// An equivalent thing is stored already.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A limit is reached; retry later.
    ResourceExhausted = 8,
    /// No such operation.
    Unimplemented = 12,
    /// The server failed.
    Internal = 13,
    /// The server cannot answer now; retry later.
    Unavailable = 14,
}

impl Code {
    /// Maps to HTTP as grpc-gateway does.
    pub fn status(self) -> StatusCode {
        match self {
            Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unknown | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error on its way to a client of a gateway API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayError {
    /// The gRPC code, which decides the HTTP status.
    pub code: Code,
    /// What went wrong and what to do about it; never a secret.
    pub message: String,
}

impl GatewayError {
    /// Makes an error with a message for the client.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "code": self.code as i32,
            "message": self.message,
            "details": [],
        });
        let mut response = (self.code.status(), axum::Json(body)).into_response();
        if self.code == Code::Unavailable {
            let wait = HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn the_body_has_code_message_and_empty_details() {
        let response = GatewayError::new(Code::InvalidArgument, "no key").into_response();
        assert_eq!(response.status(), 400);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": 3, "message": "no key", "details": []})
        );
    }

    #[test]
    fn what_is_not_available_says_when_to_come_back() {
        let response = GatewayError::new(Code::Unavailable, "away").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = GatewayError::new(Code::Internal, "broken").into_response();
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn duplicates_are_conflicts_and_pushback_is_unavailable() {
        assert_eq!(Code::AlreadyExists.status(), 409);
        assert_eq!(Code::Unavailable.status(), 503);
        assert_eq!(Code::Unimplemented.status(), 501);
    }
}
