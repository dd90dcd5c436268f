//! What `serve` needs to know of a role.

use axum::Router;
use futures::future::BoxFuture;
use service::health::{self, Check, Readiness};
use std::net::SocketAddr;

/// A role that is ready to be served on its own address.
pub(super) struct Service {
    pub(super) role: &'static str,
    pub(super) listen: SocketAddr,
    /// Where its routes begin.
    pub(super) path: String,
    /// What its operator wants to see at start.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) router: Router,
    pub(super) check: Check,
    /// Called when the listener has ended.
    pub(super) close: BoxFuture<'static, ()>,
}

impl Service {
    /// The routes with `/healthz` and `/readyz`.
    pub(super) fn full_router(&self) -> Router {
        let checks = vec![(self.role.to_owned(), self.check.clone())];
        let health = health::router(Readiness::new(checks));
        self.router.clone().merge(health)
    }

    /// The lines of the first screen.
    pub(super) fn screen(&self, address: SocketAddr) -> String {
        let mut text = format!("{} on http://{address}{}\n", self.role, self.path);
        for (name, value) in &self.facts {
            text += &format!("  {name:<14}{value}\n");
        }
        text
    }
}
