//! The two routes. C2SP tlog-witness.

use super::{Refusal, Witness};
use crate::limits::MAX_REQUEST_BYTES;
use crate::request::{SIZE_MEDIA_TYPE, encode_size};
use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use merkle::proof::ProofError;
use std::time::Instant;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn router(witness: Witness, prefix: &str) -> Router {
    let routes = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(witness);
    match prefix {
        "" => routes,
        prefix => Router::new().nest(prefix, routes),
    }
}

async fn add_checkpoint(
    State(witness): State<Witness>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let start = Instant::now();
    let response = match body {
        Ok(body) => match witness.add_checkpoint(&body).await {
            Ok(line) => ([(CONTENT_TYPE, TEXT)], format!("{line}\n")).into_response(),
            Err(refusal) => refusal.into_response(),
        },
        Err(rejection) => rejection.into_response(),
    };
    let metrics = &witness.inner.metrics;
    metrics.observe(response.status().as_str(), start.elapsed().as_secs_f64());
    response
}

/// The monitoring half: what was cosigned last, by the SHA-256 of the origin.
async fn checkpoint(State(witness): State<Witness>, Path(origin): Path<String>) -> Response {
    // One spelling of each address: lower-case hexadecimal digits.
    let hash = match hex::decode(&origin).map(<[u8; 32]>::try_from) {
        Ok(Ok(hash)) if hex::encode(hash) == origin => hash,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match witness.inner.store.note(&hash).await {
        Ok(Some(note)) => {
            let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")];
            (headers, note).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => Refusal::Store(error).into_response(),
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::OldAboveSize { .. } | Self::TooLarge { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownOrigin => StatusCode::NOT_FOUND,
            Self::Untrusted(_) => StatusCode::FORBIDDEN,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::EmptyRoot { .. } | Self::ProofFromZero | Self::Inconsistent { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Clock | Self::Store(_) | Self::Key(_) | Self::Note(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Two signed roots of one size are a fork, and with our own failures for a person to look at. A proof that
    /// does not verify may be anybody's: checkpoints are public.
    fn log(&self) {
        match self {
            Self::EmptyRoot { .. }
            | Self::Inconsistent {
                problem: ProofError::Fork { .. },
                ..
            } => tracing::error!(reason = %self, "a log has forked"),
            Self::Inconsistent { .. } => tracing::warn!(reason = %self, "checkpoint refused"),
            Self::Clock | Self::Store(_) | Self::Key(_) | Self::Note(_) => {
                tracing::error!(error = %self, "no cosignature");
            }
            _ => tracing::debug!(reason = %self, "checkpoint refused"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        match self {
            Self::Conflict { size } => {
                (status, [(CONTENT_TYPE, SIZE_MEDIA_TYPE)], encode_size(size)).into_response()
            }
            // Paths and a backend's details stay in our own log.
            _ if status.is_server_error() => {
                (status, "no cosignature: see the log\n").into_response()
            }
            refusal => (status, format!("{refusal}\n")).into_response(),
        }
    }
}
