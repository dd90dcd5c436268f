//! Until when a request must be answered: every request has the same time, and one that streams may ask for more.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// From the end of a request's head to its answer, the body's arrival included; Fulcio's is 60 seconds. An upload that makes
/// progress gets more, see [`Deadline`].
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(60);

/// When a request ends without an answer. It is among the request's extensions.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<Mutex<Instant>>);

impl Deadline {
    /// Moves the end to `time` from now, never to an earlier moment. Ask for it only when the caller made progress, else a
    /// slow caller holds a connection for ever.
    pub fn extend(&self, time: Duration) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *end = (*end).max(Instant::now() + time);
    }

    fn after(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now() + time)))
    }

    fn end(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers 408 when `answer` does not answer the request by its deadline, which begins `time` from now.
pub(crate) async fn enforce<F>(
    time: Duration,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let deadline = Deadline::after(time);
    request.extensions_mut().insert(deadline.clone());
    let mut answer = pin!(answer(request));
    loop {
        let end = deadline.end();
        tokio::select! {
            // An answer that is there at once, as most reads are, starts no timer.
            biased;
            answer = &mut answer => return answer,
            () = tokio::time::sleep_until(end) => if deadline.end() <= end {
                return StatusCode::REQUEST_TIMEOUT.into_response();
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Extension;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    const TIME: Duration = Duration::from_millis(600);

    async fn status(path: &str) -> u16 {
        let slow = |Extension(_): Extension<Deadline>| tokio::time::sleep(TIME * 3);
        let moving = |Extension(deadline): Extension<Deadline>| async move {
            for _ in 0..8 {
                tokio::time::sleep(TIME / 4).await;
                deadline.extend(TIME);
            }
        };
        let router = Router::new()
            .route("/slow", get(slow))
            .route("/moving", get(moving));
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let answer = |request| async { router.oneshot(request).await.unwrap() };
        enforce(TIME, request, answer).await.status().as_u16()
    }

    #[tokio::test]
    async fn who_makes_no_progress_is_ended_and_who_does_is_not() {
        assert_eq!(status("/slow").await, 408);
        assert_eq!(status("/moving").await, 200);
    }
}
