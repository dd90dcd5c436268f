//! One line and one count a request: method, path, status, time, bytes. Never a header, a query or a body.

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{IntCounterVec, Opts, Registry};
use std::time::Instant;

/// Of a path in a line, in bytes. Identifiers in paths have at most 150.
const MAX_PATH: usize = 256;

/// What is told of requests. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Log a line, target `access`, level info.
    pub log: bool,
    /// Count `http_requests_total`.
    pub requests: Option<IntCounterVec>,
}

impl Access {
    /// Logs if asked, and counts in `http_requests_total{code,method}`, the name of Fulcio's dashboards.
    ///
    /// # Errors
    /// When the registry has that name already.
    pub fn new(log: bool, registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("http_requests_total", "Requests that were answered");
        let requests = IntCounterVec::new(opts, &["code", "method"])?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            log,
            requests: Some(requests),
        })
    }
}

/// Middleware; inside of what gives a request its ID.
pub(crate) async fn note(State(access): State<Access>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let line = access.log.then(|| (path(&request), id(&request)));
    let response = next.run(request).await;
    let status = response.status().as_u16();
    if let Some(requests) = &access.requests {
        let method = match method.as_str() {
            "GET" => "get",
            "POST" => "post",
            "HEAD" => "head",
            "OPTIONS" => "options",
            // A caller must not make series.
            _ => "other",
        };
        requests
            .with_label_values(&[status.to_string().as_str(), method])
            .inc();
    }
    if let Some((path, id)) = line {
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        // A stream has no size before it ends.
        let bytes = response.body().size_hint().exact();
        tracing::info!(
            target: "access",
            %method,
            path,
            status,
            ms = format_args!("{ms:.1}"),
            bytes,
            id,
        );
    }
    response
}

fn path(request: &Request) -> String {
    let path = request.uri().path();
    // A URI is ASCII.
    path.get(..MAX_PATH).unwrap_or(path).to_owned()
}

fn id(request: &Request) -> String {
    let id = request.headers().get("x-request-id");
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    id.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tower::ServiceExt;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn a_line_has_no_query_no_header_and_no_body() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(lines.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let registry = Registry::new();
        let access = Access::new(true, &registry).unwrap();
        let router = Router::new()
            .route("/a/{id}", get(|| async { "four" }))
            .layer(from_fn_with_state(access, note));
        let request = http::Request::get("/a/7?token=hidden")
            .header("authorization", "Bearer hidden")
            .header("x-request-id", "r1")
            .body(Body::from("hidden"))
            .unwrap();
        let status = router.oneshot(request).await.unwrap().status();
        assert_eq!(status, 200);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["target"], "access");
        let fields = &line["fields"];
        assert_eq!(
            (&fields["method"], &fields["path"], &fields["status"]),
            (&"GET".into(), &"/a/7".into(), &200.into())
        );
        assert_eq!((&fields["bytes"], &fields["id"]), (&4.into(), &"r1".into()));
        assert!(!text.contains("hidden"), "{text}");
        let counted = prometheus::TextEncoder::new().encode_to_string(&registry.gather());
        let counted = counted.unwrap();
        assert!(
            counted.contains("http_requests_total{code=\"200\",method=\"get\"} 1"),
            "{counted}"
        );
    }
}
