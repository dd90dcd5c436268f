//! The routes.

use crate::error::{ApiError, ErrorBody};
use crate::openapi::document;
use crate::page;
use crate::running::Verifier;
use crate::wire::{
    BatchAnswer, BatchRequest, CheckAnswer, CheckRequest, ImageAnswer, ImageRequest,
    PoliciesAnswer, RootsAnswer, SuggestAnswer, SuggestRequest, Upload, VerifyAnswer,
    VerifyRequest,
};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Serialize;
use std::time::Instant;

/// Every path with its method and handler: what is served, and what the OpenAPI document has to name.
pub(crate) fn routes() -> Vec<(&'static str, &'static str, MethodRouter<Verifier>)> {
    vec![
        ("/api/v1/verify", "post", post(verify)),
        ("/api/v1/verify/batch", "post", post(verify_batch)),
        ("/api/v1/verify/image", "post", post(verify_image)),
        ("/api/v1/policies/check", "post", post(policies_check)),
        ("/api/v1/policies/suggest", "post", post(policies_suggest)),
        ("/api/v1/trusted-roots", "get", get(trusted_roots)),
        ("/api/v1/policies", "get", get(policies)),
        ("/api/v1/openapi.json", "get", get(openapi_json)),
        ("/ui/verifier", "get", get(page::html)),
        ("/ui/verifier.js", "get", get(page::script)),
    ]
}

pub(crate) fn router(verifier: Verifier) -> Router {
    let add = |router: Router<Verifier>, (path, _, handler)| router.route(path, handler);
    let router = routes().into_iter().fold(Router::new(), add);
    router
        .route_layer(from_fn_with_state(verifier.clone(), observe))
        .with_state(verifier)
}

/// Measures each request under the path of its route.
async fn observe(
    State(verifier): State<Verifier>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    let (code, seconds) = (response.status(), start.elapsed().as_secs_f64());
    let metrics = &verifier.inner.metrics;
    metrics.observe(path.as_str(), code.as_str(), seconds);
    response
}

fn answer<T: Serialize>(result: Result<T, ApiError>) -> Response {
    match result {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Verifies one bundle.
///
/// Not verified is status 200 with `verified: false`: look at that member, not at the status.
#[utoipa::path(
    post,
    path = "/api/v1/verify",
    tag = "verify",
    request_body(content((VerifyRequest = "application/json"), (Upload = "multipart/form-data"))),
    responses(
        (status = 200, description = "A verdict, positive or negative", body = VerifyAnswer),
        (status = 400, description = "A part of the request cannot be read", body = ErrorBody),
        (status = 413, description = "A part of the request is too large", body = ErrorBody),
        (status = 415, description = "The body is neither JSON nor a form", body = ErrorBody),
        (status = 503, description = "Every core has enough to do; see Retry-After", body = ErrorBody),
    )
)]
pub(crate) async fn verify(State(verifier): State<Verifier>, request: Request) -> Response {
    answer(verifier.verify(request).await)
}

/// Verifies several bundles; each has its own outcome.
#[utoipa::path(
    post,
    path = "/api/v1/verify/batch",
    tag = "verify",
    request_body = BatchRequest,
    responses(
        (status = 200, description = "Outcomes in the order of the questions", body = BatchAnswer),
        (status = 400, description = "The batch cannot be read", body = ErrorBody),
        (status = 413, description = "The batch is too large", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 503, description = "Every core has enough to do; see Retry-After", body = ErrorBody),
    )
)]
pub(crate) async fn verify_batch(State(verifier): State<Verifier>, request: Request) -> Response {
    answer(verifier.batch(request).await)
}

/// Verifies an image in a registry that the operator allows.
#[utoipa::path(
    post,
    path = "/api/v1/verify/image",
    tag = "verify",
    request_body = ImageRequest,
    responses(
        (status = 200, description = "A verdict, positive or negative", body = ImageAnswer),
        (status = 400, description = "A part of the request, or the image, cannot be read", body = ErrorBody),
        (status = 403, description = "The registry is not allowed", body = ErrorBody),
        (status = 413, description = "The request or the image's signatures are too large", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 502, description = "The registry cannot be read", body = ErrorBody),
        (status = 503, description = "There is enough to do; see Retry-After", body = ErrorBody),
    )
)]
pub(crate) async fn verify_image(State(verifier): State<Verifier>, request: Request) -> Response {
    answer(verifier.image(request).await)
}

/// Says what is wrong with a policy, or weak in it.
#[utoipa::path(
    post,
    path = "/api/v1/policies/check",
    tag = "policies",
    request_body = CheckRequest,
    responses(
        (status = 200, description = "Faults and weaknesses", body = CheckAnswer),
        (status = 400, description = "The request cannot be read", body = ErrorBody),
        (status = 413, description = "The policy is too large", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 503, description = "Every core has enough to do; see Retry-After", body = ErrorBody),
    )
)]
pub(crate) async fn policies_check(State(verifier): State<Verifier>, request: Request) -> Response {
    answer(verifier.check_policy(request).await)
}

/// Writes the narrowest policy that a bundle satisfies.
#[utoipa::path(
    post,
    path = "/api/v1/policies/suggest",
    tag = "policies",
    request_body = SuggestRequest,
    responses(
        (status = 200, description = "A policy, or why there is none", body = SuggestAnswer),
        (status = 400, description = "A part of the request cannot be read", body = ErrorBody),
        (status = 413, description = "The request is too large", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 503, description = "Every core has enough to do; see Retry-After", body = ErrorBody),
    )
)]
pub(crate) async fn policies_suggest(
    State(verifier): State<Verifier>,
    request: Request,
) -> Response {
    answer(verifier.suggest_policy(request).await)
}

/// Lists the trusted roots to ask by.
#[utoipa::path(
    get,
    path = "/api/v1/trusted-roots",
    tag = "trust",
    responses((status = 200, description = "The roots, in the order of their names", body = RootsAnswer))
)]
pub(crate) async fn trusted_roots(State(verifier): State<Verifier>) -> Json<RootsAnswer> {
    Json(verifier.trusted_roots())
}

/// Lists the policies to ask by.
#[utoipa::path(
    get,
    path = "/api/v1/policies",
    tag = "policies",
    responses((status = 200, description = "The policies, in the order of their names", body = PoliciesAnswer))
)]
pub(crate) async fn policies(State(verifier): State<Verifier>) -> Json<PoliciesAnswer> {
    Json(verifier.policies())
}

/// Describes this API.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub(crate) async fn openapi_json() -> Response {
    document().into_response()
}
