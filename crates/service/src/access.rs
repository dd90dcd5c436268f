//! One line and one count a request: method, path, status, time, bytes. Never a header, a query or a body.

use axum::body::HttpBody;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, Method};
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
    /// When a name is not one that Prometheus takes.
    pub fn new(log: bool) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("http_requests_total", "Requests that were answered");
        Ok(Self {
            log,
            requests: Some(IntCounterVec::new(opts, &["code", "method"])?),
        })
    }

    /// Shows the count in a registry.
    ///
    /// # Errors
    /// When the registry has that name already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        match &self.requests {
            Some(requests) => registry.register(Box::new(requests.clone())),
            None => Ok(()),
        }
    }

    /// Before the answer: what will be told of the request, which is gone then. Nothing is kept when nothing is told.
    pub(crate) fn begin(&self, request: &Request, id: &HeaderValue) -> Noted {
        Noted {
            start: Instant::now(),
            method: request.method().clone(),
            line: self.log.then(|| (path(request), text(id))),
        }
    }

    /// Behind the answer.
    pub(crate) fn end(&self, noted: Noted, response: &Response) {
        let status = response.status().as_u16();
        let method = &noted.method;
        if let Some(requests) = &self.requests {
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
        if let Some((path, id)) = noted.line {
            let ms = noted.start.elapsed().as_secs_f64() * 1000.0;
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
    }
}

/// What is told of a request under way.
pub(crate) struct Noted {
    start: Instant,
    method: Method,
    /// Path and ID.
    line: Option<(String, String)>,
}

fn path(request: &Request) -> String {
    let path = request.uri().path();
    // A URI is ASCII.
    path.get(..MAX_PATH).unwrap_or(path).to_owned()
}

fn text(id: &HeaderValue) -> String {
    let id = id.to_str().unwrap_or_default();
    id.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
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

    #[test]
    fn a_line_has_no_query_no_header_and_no_body() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(lines.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let registry = Registry::new();
        let access = Access::new(true).unwrap();
        access.register(&registry).unwrap();
        let request = http::Request::get("/a/7?token=hidden")
            .header("authorization", "Bearer hidden")
            .body(Body::from("hidden"))
            .unwrap();
        let noted = access.begin(&request, &HeaderValue::from_static("r1"));
        access.end(noted, &Response::new(Body::from("four")));
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
