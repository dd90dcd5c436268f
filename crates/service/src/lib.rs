//! Service chassis: listener, limits, telemetry, error bodies, readiness, shutdown.
#![allow(clippy::todo, missing_docs)]
pub mod error {
    //! The error body that gRPC-gateway APIs (Fulcio, Rekor v2) speak: {"code","message","details":[]}.
    use axum::response::{IntoResponse, Response};
    use http::StatusCode;
    /// gRPC codes used here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Code { Cancelled = 1, Unknown = 2, InvalidArgument = 3, DeadlineExceeded = 4, NotFound = 5, AlreadyExists = 6, PermissionDenied = 7, ResourceExhausted = 8, Unimplemented = 12, Internal = 13, Unavailable = 14 }
    impl Code {
        /// grpc-gateway's mapping: 3→400, 5→404, 6→409, 8→429, 12→501, 14→503, 4→504 …
        pub fn status(self) -> StatusCode { match self { Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST), Code::InvalidArgument => StatusCode::BAD_REQUEST, Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT, Code::NotFound => StatusCode::NOT_FOUND, Code::AlreadyExists => StatusCode::CONFLICT, Code::PermissionDenied => StatusCode::FORBIDDEN, Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS, Code::Unimplemented => StatusCode::NOT_IMPLEMENTED, Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE, Code::Unknown | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR } }
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GatewayError { pub code: Code, pub message: String }
    impl GatewayError { pub fn new(code: Code, message: impl Into<String>) -> Self { Self { code, message: message.into() } } }
    impl IntoResponse for GatewayError {
        fn into_response(self) -> Response {
            (self.code.status(), axum::Json(serde_json::json!({"code": self.code as i32, "message": self.message, "details": []}))).into_response()
        }
    }
}
