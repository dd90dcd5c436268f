//! A role that is ready to be served, and several of them on one address.

use crate::cli::Role;
use crate::rotation::{Later, dispatch};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::{StatusCode, Uri};
use service::error::{Code, GatewayError};
use service::health::{self, Check, Readiness};
use std::sync::Arc;

/// A role that is ready to be served.
pub(crate) struct Part {
    pub(crate) role: Role,
    /// Where its routes begin.
    pub(crate) path: String,
    /// What its operator wants to see at start.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) router: Router,
    /// Its logs behind the first one, which come while it serves.
    pub(crate) later: Option<Later>,
    /// What makes it ready.
    pub(crate) checks: Vec<(String, Check)>,
    /// Called when the listeners have ended.
    pub(crate) close: BoxFuture<'static, ()>,
}

impl Part {
    /// A role without state of its own.
    pub(crate) fn new(role: Role, router: Router, checks: Vec<(String, Check)>) -> Self {
        Self {
            role,
            path: String::new(),
            facts: Vec::new(),
            router,
            later: None,
            checks,
            close: Box::pin(async {}),
        }
    }

    /// The lines of the first screen.
    pub(crate) fn screen(&self, base: &str) -> String {
        let mut text = format!("{} on {base}{}\n", self.role.name(), self.path);
        for (name, value) in &self.facts {
            text += &format!("  {name:<14}{value}\n");
        }
        text
    }
}

/// The routes of roles that share an address, with `/healthz` and `/readyz`.
pub(crate) fn router<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Router {
    let (mut routes, mut checks) = (Router::new(), Vec::new());
    let mut later = Vec::new();
    for part in parts {
        routes = routes.merge(part.router.clone());
        checks.extend(part.checks.iter().cloned());
        later.extend(part.later.clone());
    }
    let routes = routes
        .merge(health::router(Readiness::new(checks)))
        .fallback(unknown_path);
    match later.is_empty() {
        true => routes,
        false => routes.layer(from_fn_with_state(Arc::<[Later]>::from(later), dispatch)),
    }
}

/// Answers for a path that no role has, in the form that its API's clients read.
async fn unknown_path(uri: Uri) -> Response {
    if uri.path().starts_with("/api/v1/log") {
        let body = serde_json::json!({"code": 404, "message": format!("path {} was not found", uri.path())});
        return (StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    }
    GatewayError::new(Code::NotFound, "Not Found").into_response()
}
