//! REST routes with Fulcio's paths, bodies and errors (spec section 1).

mod cors;
mod error;
mod v1;
mod v2;
mod wire;

use crate::issue::{Ca, Issued, Request};
use crate::limits::BODY_BYTES;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use service::error::{Code, GatewayError};

/// All routes.
pub(crate) fn router(ca: Ca) -> Router {
    // grpc-gateway answers a wrong method with 501, not 405.
    let only = |route: MethodRouter<Ca>| route.fallback(method_not_allowed);
    Router::new()
        .route("/api/v2/signingCert", only(post(v2::signing_cert)))
        .route("/api/v2/trustBundle", only(get(v2::trust_bundle)))
        .route("/api/v2/configuration", only(get(v2::configuration)))
        .route("/api/v1/signingCert", only(post(v1::signing_cert)))
        .route("/api/v1/rootCert", only(get(v1::root_cert)))
        .layer(from_fn_with_state(ca.clone(), measure))
        .layer(cors::layer())
        .layer(from_fn(cors::no_content))
        .with_state(ca)
}

async fn method_not_allowed() -> GatewayError {
    GatewayError::new(Code::Unimplemented, "Method Not Allowed")
}

/// Issues, and logs a refusal once: what the client did wrong as a warning, our failures as errors.
async fn issue(ca: &Ca, request: &Request) -> Result<Issued, GatewayError> {
    ca.issue(request).await.map_err(|reason| {
        let answer = error::to_gateway(&reason);
        if answer.code.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%reason, "certificate not issued");
        } else {
            tracing::warn!(%reason, "certificate not issued");
        }
        answer
    })
}

/// Reads a body of at most [`BODY_BYTES`].
async fn read_body(body: Body) -> Result<Bytes, GatewayError> {
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        // Fulcio answers 400 with these words, not 413.
        Err(e) if e.is::<LengthLimitError>() => Err(GatewayError::new(
            Code::InvalidArgument,
            "http: request body too large",
        )),
        Err(_) => Err(GatewayError::new(
            Code::InvalidArgument,
            "the request body could not be read",
        )),
    }
}

/// Observes latency by code and method.
async fn measure(State(ca): State<Ca>, request: axum::extract::Request, next: Next) -> Response {
    let method = request.method().as_str().to_ascii_lowercase();
    let start = std::time::Instant::now();
    let response = next.run(request).await.into_response();
    let status = response.status();
    let labels = [status.as_str(), &method];
    ca.metrics
        .latency
        .with_label_values(&labels)
        .observe(start.elapsed().as_secs_f64());
    response
}
