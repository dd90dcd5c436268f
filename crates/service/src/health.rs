//! `/healthz`, `/readyz` and `/metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::StatusCode;
use prometheus::{Encoder, Registry, TextEncoder};
use std::sync::Arc;

/// Asks one role whether it can answer; an error says why not.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The named checks that make a process ready.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Vec<(String, Check)>>,
}

impl Readiness {
    /// Collects the checks of all roles.
    pub fn new(checks: Vec<(String, Check)>) -> Self {
        Self {
            checks: Arc::new(checks),
        }
    }

    /// Runs every check; gives the failures as (role, reason).
    pub async fn failures(&self) -> Vec<(String, String)> {
        let mut failures = Vec::new();
        for (role, check) in self.checks.iter() {
            if let Err(reason) = check().await {
                failures.push((role.clone(), reason));
            }
        }
        failures
    }
}

/// `GET /healthz` (the process lives) and `GET /readyz` (every role answers; 503 with the reasons otherwise).
pub fn router(readiness: Readiness) -> Router {
    Router::new()
        .route(
            "/healthz",
            get(|| async { Json(serde_json::json!({"status": "SERVING"})) }),
        )
        .route("/readyz", get(ready))
        .with_state(readiness)
}

/// `GET /metrics` in Prometheus text form, for the admin listener.
pub fn metrics_router(registry: Registry) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(registry)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let failures = readiness.failures().await;
    let status = if failures.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let roles: serde_json::Map<String, serde_json::Value> = failures
        .into_iter()
        .map(|(role, reason)| (role, reason.into()))
        .collect();
    (
        status,
        Json(serde_json::json!({"ready": status.is_success(), "failures": roles})),
    )
        .into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => (
            [(http::header::CONTENT_TYPE, prometheus::TEXT_FORMAT)],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn get_path(router: Router, path: &str) -> (StatusCode, String) {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn one_role_that_cannot_answer_makes_the_process_not_ready_and_is_named() {
        let good: Check = Arc::new(|| Box::pin(async { Ok(()) }));
        let bad: Check = Arc::new(|| Box::pin(async { Err("disk full".to_owned()) }));
        let readiness = Readiness::new(vec![("ca".into(), good.clone()), ("log".into(), bad)]);
        let (status, body) = get_path(router(readiness), "/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("log") && body.contains("disk full"), "{body}");
        let (status, _) =
            get_path(router(Readiness::new(vec![("ca".into(), good)])), "/readyz").await;
        assert_eq!(status, 200);
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let registry = Registry::new();
        let counter = prometheus::IntCounter::new("things_total", "things").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let (status, body) = get_path(metrics_router(registry), "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.contains("things_total 1"), "{body}");
    }
}
