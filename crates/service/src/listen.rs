//! The listener: binds an address, serves a router, finishes what is in hand.

use crate::path;
use crate::shutdown::Shutdown;
use axum::extract::Request;
use axum::{Router, ServiceExt};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or not allowed.
    #[error(
        "cannot listen on {address}: {source}; choose another address with --listen, or stop what holds this one"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Serving ended with an error.
    #[error("the listener failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// Binds `address`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Bind { address, source })
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `shutdown`, then finishes open requests.
///
/// Paths are cleaned before routing; every request has an `X-Request-Id`; a panic in a handler is
/// a 500 for that request alone. Only method, path, status and time are logged: never a header or a body.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), ListenError> {
    let router = router
        .layer(CatchPanicLayer::new())
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
                .on_response(DefaultOnResponse::new().level(Level::DEBUG)),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    let cleaned = MapRequestLayer::new(path::clean).layer(router);
    let service = ServiceExt::<Request>::into_make_service(cleaned);
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.wait())
        .await?;
    Ok(())
}
