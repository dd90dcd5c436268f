//! REST routes with Fulcio's paths, bodies and errors (spec section 1).

mod body;
mod cors;
mod error;
mod json;
mod v1;
mod v2;
pub(crate) mod wire;

use crate::issue::{Ca, Issued, Request};
use axum::Router;
use axum::extract::State;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
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
        .layer(map_response(retry_after))
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

/// What is at a limit now has room again within a second.
async fn retry_after(mut response: Response) -> Response {
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, second);
    }
    response
}

/// Observes latency by code and method.
async fn measure(State(ca): State<Ca>, request: axum::extract::Request, next: Next) -> Response {
    let method = known_method(request.method());
    let start = std::time::Instant::now();
    let response = next.run(request).await.into_response();
    let status = response.status();
    let labels = [status.as_str(), method];
    ca.metrics
        .latency
        .with_label_values(&labels)
        .observe(start.elapsed().as_secs_f64());
    response
}

/// Methods are a client's words; only those that routes have become labels.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "OPTIONS" => "options",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_meets_a_limit_is_told_when_to_come_again() {
        let busy = error::to_gateway(&crate::issue::IssueError::Busy).into_response();
        let answer = retry_after(busy).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        let other = retry_after(StatusCode::OK.into_response()).await;
        assert!(other.headers().is_empty());
    }
}
