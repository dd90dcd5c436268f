//! How much memory the bodies of all requests together may take.
//!
//! Each API bounds one body (32 MiB in the Rekor v1 API); this bounds their sum, so that many large bodies at once
//! cannot exhaust the process. A request reserves what its `Content-Length` says, or the largest body of any API when
//! it does not say, and holds that until it is answered.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{Method, StatusCode};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The sum of all bodies in hand, in KiB: 256 MiB. Typical bodies have 2 KiB, so it holds 100,000 of them.
const TOTAL_KIB: usize = 256 * 1024;
/// What a body of unknown length reserves: the largest that any API takes, 32 MiB.
const UNKNOWN_KIB: u32 = 32 * 1024;

/// Shared by all connections of a process.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_KIB)))
    }
}

/// Reserves memory for the request's body, or answers 503 with `Retry-After`.
pub async fn reserve(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let Ok(_held) = budget.0.clone().try_acquire_many_owned(kib(&request)) else {
        tracing::warn!("too many large request bodies at once");
        let text = "too many large requests at once; retry in a second";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text).into_response();
    };
    next.run(request).await
}

fn kib(request: &Request) -> u32 {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return 0;
    }
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        // A longer body is refused by every API once it has read its own limit.
        Some(bytes) => u32::try_from(bytes.div_ceil(1024))
            .unwrap_or(u32::MAX)
            .min(UNKNOWN_KIB),
        None => UNKNOWN_KIB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;
    use tower::ServiceExt;

    fn router(budget: Budget) -> Router {
        let slow = || async { std::future::pending::<()>().await };
        Router::new()
            .route("/slow", post(slow))
            .route("/", post(|| async {}).get(|| async {}))
            .layer(axum::middleware::from_fn_with_state(budget, reserve))
    }

    fn request(method: Method, path: &str, length: Option<u64>) -> Request {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        request.body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn large_bodies_in_hand_make_further_ones_wait_and_reads_go_on() {
        let router = router(Budget::default());
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut call = Box::pin(router.clone().oneshot(request(Method::POST, "/slow", None)));
            // Polled once: the reservation is made, the handler never answers.
            assert!(futures::poll!(&mut call).is_pending());
            held.push(call);
        }
        let refused = router
            .clone()
            .oneshot(request(Method::POST, "/", Some(10)))
            .await
            .unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()[RETRY_AFTER], "1");
        let read = router
            .clone()
            .oneshot(request(Method::GET, "/", None))
            .await
            .unwrap();
        assert_eq!(read.status(), 200);
        held.pop();
        let taken = router
            .oneshot(request(Method::POST, "/", Some(10)))
            .await
            .unwrap();
        assert_eq!(taken.status(), 200);
    }
}
