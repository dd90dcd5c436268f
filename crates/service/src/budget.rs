//! How much memory the bodies of all requests together may take.
//!
//! Each API bounds one body (32 MiB in the Rekor v1 API); this bounds their sum, so that many large bodies at once
//! cannot exhaust the process. A request reserves what its `Content-Length` says, or the largest body of any API when
//! it does not say, and holds that until it is answered.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{Method, StatusCode};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

impl Budget {
    /// Reserves memory for the request's body until the permit is dropped; the error is 503 with `Retry-After`. `None` for
    /// a method without a body.
    pub(crate) fn reserve(
        &self,
        request: &Request,
    ) -> Result<Option<OwnedSemaphorePermit>, Box<Response>> {
        let kib = kib(request);
        if kib == 0 {
            return Ok(None);
        }
        self.0
            .clone()
            .try_acquire_many_owned(kib)
            .map(Some)
            .map_err(|_| {
                tracing::warn!("too many large request bodies at once");
                let text = "too many large requests at once; retry in a second";
                let refusal = (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text);
                Box::new(refusal.into_response())
            })
    }
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
    use axum::body::Body;

    fn request(method: Method, length: Option<u64>) -> Request {
        let mut request = http::Request::builder().method(method);
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn large_bodies_in_hand_make_further_ones_wait_and_reads_go_on() {
        let budget = Budget::default();
        let unknown = request(Method::POST, None);
        let mut held: Vec<_> = (0..8).map(|_| budget.reserve(&unknown).unwrap()).collect();
        let small = request(Method::POST, Some(10));
        let refused = budget.reserve(&small).unwrap_err();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()[RETRY_AFTER], "1");
        assert!(
            budget
                .reserve(&request(Method::GET, None))
                .unwrap()
                .is_none()
        );
        held.pop();
        assert!(budget.reserve(&small).unwrap().is_some());
    }
}
