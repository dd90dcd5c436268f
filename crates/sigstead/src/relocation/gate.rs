//! The router that clients reach, which may be exchanged: requests wait meanwhile, and those in hand are finished before.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout;
use tower::ServiceExt;

/// How long a request waits for the exchange: less than the minute after which a listener gives a request up.
const HOLD: Duration = Duration::from_secs(45);
/// How often a moment without requests is looked for.
const POLL: Duration = Duration::from_millis(2);

/// Leads to the router in force.
#[derive(Clone)]
pub(super) struct Gate(Arc<RwLock<Router>>);

/// Nobody is on the way to the router. Requests go on when it is dropped.
pub(super) struct Closed(OwnedRwLockWriteGuard<Router>);

impl Gate {
    pub(super) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// What the listener serves.
    pub(super) fn router(&self) -> Router {
        Router::new().fallback(forward).with_state(self.clone())
    }

    fn try_close(&self) -> Option<Closed> {
        self.0.clone().try_write_owned().ok().map(Closed)
    }
}

/// Waits for the requests in hand at all gates; those that come later wait for the exchange. `None` when they take too long.
///
/// At first for a moment without any, and nobody waits: a request in hand may ask this very process for the keys of its
/// development issuer, and must not wait for itself.
pub(super) async fn close_all(gates: &[Gate], patience: Duration) -> Option<Vec<Closed>> {
    let idle = async {
        loop {
            if let Some(closed) = gates.iter().map(Gate::try_close).collect() {
                return closed;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    if let Ok(closed) = timeout(patience / 2, idle).await {
        return Some(closed);
    }
    let in_turn = async {
        let mut closed = Vec::new();
        for gate in gates {
            closed.push(Closed(gate.0.clone().write_owned().await));
        }
        closed
    };
    timeout(patience / 2, in_turn).await.ok()
}

impl Closed {
    /// Takes the router out of service, so that nothing keeps what it stands on.
    pub(super) fn clear(&mut self) {
        *self.0 = Router::new();
    }

    /// Opens the gate to this router.
    pub(super) fn open(mut self, router: Router) {
        *self.0 = router;
    }
}

async fn forward(State(gate): State<Gate>, request: Request) -> Response {
    let Ok(router) = timeout(HOLD, gate.0.clone().read_owned()).await else {
        let wait = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, wait).into_response();
    };
    // Held until the answer is made: an entry in hand is committed where its log is.
    let answered: Result<Response, Infallible> = router.clone().oneshot(request).await;
    drop(router);
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;

    fn router(answer: &'static str) -> Router {
        Router::new().route("/", get(move || async move { answer }))
    }

    async fn close(gate: &Gate, millis: u64) -> Option<Closed> {
        let closed = close_all(std::slice::from_ref(gate), Duration::from_millis(millis)).await?;
        closed.into_iter().next()
    }

    async fn ask(router: Router) -> String {
        let request = http::Request::get("/").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 100)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn requests_wait_for_the_exchange() {
        let gate = Gate::new(router("old"));
        assert_eq!(ask(gate.router()).await, "old");
        let closed = close(&gate, 1000).await.unwrap();
        let waiting = tokio::spawn(ask(gate.router()));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        closed.open(router("new"));
        assert_eq!(waiting.await.unwrap(), "new");
    }

    #[tokio::test]
    async fn a_request_in_hand_is_finished_first() {
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let wait = Arc::new(tokio::sync::Mutex::new(Some(wait)));
        let slow = Router::new().route(
            "/",
            get(move || async move {
                if let Some(wait) = wait.lock().await.take() {
                    let _ = wait.await;
                }
                "slow"
            }),
        );
        let gate = Gate::new(slow);
        let asked = tokio::spawn(ask(gate.router()));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(close(&gate, 20).await.is_none());
        go.send(()).unwrap();
        assert_eq!(asked.await.unwrap(), "slow");
        assert!(close(&gate, 1000).await.is_some());
    }
}
