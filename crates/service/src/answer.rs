//! From a request to its answer: what every request of every service meets on its way to the router and back.
//!
//! One function and not a stack of layers: each layer of a router costs several allocations a request, together as much
//! as the rest of an answer from memory.

use crate::access::Access;
use crate::budget::Budget;
use crate::deadline::{self, REQUEST_TIME};
use crate::path;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tower::ServiceExt;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span};

/// Names a request in logs of ours and of others; a client's own is kept.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers the requests of one listener.
pub(crate) struct Answering {
    router: Router,
    budget: Budget,
    access: Access,
    ids: Ids,
}

impl Answering {
    pub(crate) fn new(router: Router, access: Access) -> Self {
        Self {
            router,
            budget: Budget::default(),
            access,
            ids: Ids::new(),
        }
    }

    /// Cleans the path, names the request, bounds its time and memory, and survives a panic of its handler.
    pub(crate) async fn answer(&self, request: http::Request<Incoming>) -> Response {
        let mut request = path::clean(request.map(Body::new));
        let id = match request.headers().get(REQUEST_ID) {
            Some(id) => id.clone(),
            None => {
                let id = self.ids.next();
                request.headers_mut().insert(REQUEST_ID, id.clone());
                id
            }
        };
        let noted = self.access.begin(&request, &id);
        let mut response = match tracing::enabled!(Level::DEBUG) {
            true => {
                let span = span(&request);
                let response = self.timed(request).instrument(span.clone()).await;
                span.record("http.response.status_code", response.status().as_u16());
                response
            }
            false => self.timed(request).await,
        };
        self.access.end(noted, &response);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    async fn timed(&self, request: Request) -> Response {
        let (start, method, uri) = (
            Instant::now(),
            request.method().clone(),
            request.uri().clone(),
        );
        let response = self.bounded(request).await;
        let (status, time) = (response.status().as_u16(), start.elapsed());
        if response.status().is_server_error() {
            let path = uri.path();
            tracing::error!(%method, path, status, ?time, "a request failed");
        } else {
            tracing::debug!(status, ?time, "answered");
        }
        response
    }

    async fn bounded(&self, request: Request) -> Response {
        let _held = match self.budget.reserve(&request) {
            Ok(held) => held,
            Err(refusal) => return *refusal,
        };
        let router = self.router.clone();
        deadline::enforce(REQUEST_TIME, request, |request| async {
            // What a handler shares with others is behind locks that survive a panic, or has none.
            let answer = AssertUnwindSafe(router.oneshot(request)).catch_unwind();
            match answer.await {
                Ok(Ok(response)) => response,
                Err(panic) => panicked(&*panic),
            }
        })
        .await
    }
}

/// Never a header, a body or a query, which may hold a token.
fn span(request: &Request) -> Span {
    let span = tracing::debug_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = Empty,
    );
    #[cfg(feature = "otel")]
    crate::traces::adopt(&span, request);
    span
}

/// A panic in a handler is a 500 for that request alone.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "a handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}

/// Numbers that no other request has: 64 bits of the process and a count. They are no secret, so a system call a request for
/// random ones would be wasted.
struct Ids {
    process: u64,
    next: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        Self {
            // Its keys are random.
            process: RandomState::new().hash_one(()),
            next: AtomicU64::new(0),
        }
    }

    fn next(&self) -> HeaderValue {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 32];
        let bytes = self.process.to_be_bytes().into_iter();
        let bytes = bytes.chain(count.to_be_bytes());
        for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *digits = [digit(byte >> 4), digit(byte & 15)];
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

fn digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_one_name() {
        let (ids, others) = (Ids::new(), Ids::new());
        let (first, second) = (ids.next(), ids.next());
        assert_eq!(first.len(), 32);
        assert!(
            first
                .to_str()
                .unwrap()
                .chars()
                .all(|c| c.is_ascii_hexdigit())
        );
        assert!(first.to_str().unwrap().ends_with("0000000000000000"));
        assert!(second.to_str().unwrap().ends_with("0000000000000001"));
        assert_ne!(first, others.next());
    }
}
