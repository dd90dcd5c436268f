//! CORS as Fulcio's gateway does it (spec 1.8), with `Authorization` allowed beside.

use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE, HeaderName, ORIGIN,
};
use http::{Method, StatusCode};
use tower_http::cors::{Any, CorsLayer};

pub(super) fn layer() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::HEAD])
        .vary([ORIGIN])
        // Differs: upstream does not allow Authorization, so its browser clients put tokens in bodies.
        .allow_headers([
            ACCEPT,
            CONTENT_TYPE,
            HeaderName::from_static("x-requested-with"),
            AUTHORIZATION,
        ])
}

/// A preflight is answered with 204, as rs/cors does; the layer says 200.
pub(super) async fn no_content(request: axum::extract::Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if preflight
        && response.status() == StatusCode::OK
        && response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
