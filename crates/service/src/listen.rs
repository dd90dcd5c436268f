//! The listener: binds an address, serves a router, finishes what is in hand.

use crate::access::Access;
use crate::answer::Answering;
use crate::shutdown::Shutdown;
use crate::tls::Tls;
use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once: at some 10 KiB each no burden on memory. Where the limit of descriptors is lower, accepting
/// pauses.
const MAX_CONNECTIONS: usize = 8192;
/// Requests at once on one HTTP/2 connection; the default of most servers.
const MAX_STREAMS: u32 = 128;
/// From the first byte of a connection, or the end of an answer, to the end of the next request's head. It is the
/// idle time of a kept connection as well; Fulcio's is 30 seconds.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// What open requests get to finish after a signal; service managers kill after 30 to 90 seconds.
const FINISH_TIME: Duration = Duration::from_secs(20);
/// For the handshake of TLS: two round trips, and a signature on each side.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// After a failed accept, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
}

/// Binds `address`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Bind { address, source })
}

/// Takes a socket that is bound and listening, from a service manager.
///
/// # Errors
/// When the operating system refuses.
pub fn adopt(listener: std::net::TcpListener) -> std::io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// What a listener does besides serving.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Speak TLS; without it plain HTTP.
    pub tls: Option<Tls>,
    /// What is told of requests.
    pub access: Access,
}

/// Serves plain HTTP and tells nothing of requests, see [`serve_with`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), ListenError> {
    serve_with(listener, Options::default(), router, shutdown).await
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge, or ALPN) until `shutdown`, then finishes open requests.
///
/// Paths are cleaned before routing; every request has an `X-Request-Id`; a panic in a handler is
/// a 500 for that request alone. Only what [`crate::access`] names is logged: never a header or a body.
/// Time, connections and memory are bounded by the constants of this module, of [`crate::deadline`] and of [`crate::budget`].
pub async fn serve_with(
    listener: TcpListener,
    options: Options,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), ListenError> {
    let answering = Arc::new(Answering::new(router, options.access));
    let open = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut asked = pin!(shutdown.clone().wait());
    loop {
        // A full house does not accept: the operating system's queue holds the callers meanwhile.
        let accepted = async {
            (
                places.clone().acquire_owned().await,
                listener.accept().await,
            )
        };
        let (place, stream) = tokio::select! {
            () = &mut asked => break,
            accepted = accepted => accepted,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a caller that hung up: neither is a reason to stop serving.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and awaited: a delay for filling packets would only add latency.
        let _ = stream.set_nodelay(true);
        let (answering, watcher) = (answering.clone(), open.watcher());
        let tls = options.tls.clone();
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            match tls {
                None => converse(stream, answering, watcher).await,
                Some(tls) => {
                    if let Some(stream) = handshake(&tls, stream, shutdown).await {
                        converse(stream, answering, watcher).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH_TIME, open.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not finish in time and were cut");
    }
    Ok(())
}

/// Serves one connection to its end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answering: Arc<Answering>,
    watcher: Watcher,
) {
    let service = service_fn(move |request| {
        let answering = answering.clone();
        async move { Ok::<_, Infallible>(answering.answer(request).await) }
    });
    let connection = builder()
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    // Broken connections are the callers' business.
    let _ = watcher.watch(connection).await;
}

/// Agrees on TLS; `None` when the caller cannot, takes too long, or the process is to stop.
async fn handshake(
    tls: &Tls,
    stream: TcpStream,
    shutdown: Shutdown,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let agreed = tokio::time::timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream));
    tokio::select! {
        agreed = agreed => match agreed {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a caller did not agree on TLS");
                None
            }
            Err(_) => None,
        },
        () = shutdown.wait() => None,
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(HEADER_TIME)
        .keep_alive_timeout(HEADER_TIME);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn start(
        router: Router,
    ) -> (
        SocketAddr,
        crate::shutdown::Trigger,
        tokio::task::JoinHandle<Result<(), ListenError>>,
    ) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = crate::shutdown::pair();
        (
            address,
            trigger,
            tokio::spawn(serve(listener, router, shutdown)),
        )
    }

    #[tokio::test]
    async fn a_request_in_hand_is_finished_before_the_listener_ends() {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            "done"
        };
        let (address, trigger, serving) = start(Router::new().route("/slow", get(slow))).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /slow/ HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        trigger.shut_down();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
            "{answer}"
        );
        assert!(answer.contains("x-request-id"), "{answer}");
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let (address, trigger, serving) = start(Router::new()).await;
        let _idle = TcpStream::connect(address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        trigger.shut_down();
        tokio::time::timeout(Duration::from_secs(5), serving)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_a_500_for_that_request_alone() {
        let bad = || async { panic!("a bug") as () };
        let (address, _trigger, _serving) = start(
            Router::new()
                .route("/bad", get(bad))
                .route("/", get(|| async {})),
        )
        .await;
        for (path, status) in [("/bad", "500"), ("/", "200")] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
    }
}
