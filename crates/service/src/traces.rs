//! Traces to an OpenTelemetry collector: OTLP over HTTP with protobuf. With the feature `otel`.
//!
//! One span a request, with method, path and status, and what the roles put into it at level info. A caller's
//! `traceparent` (W3C Trace Context) is its parent. Never headers, queries or bodies.

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// What of a process becomes spans, whatever its log shows.
const FILTER: &str = "service=debug,sigstead=info";
/// For one delivery; what fails is lost, because a collector that is away must cost nothing.
const TIME: Duration = Duration::from_secs(10);
/// Of a collector's answer, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The collector's address does not work.
    #[error("traces: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// There is no HTTP client.
    #[error("traces: {0}")]
    Client(#[from] reqwest::Error),
}

/// Delivers spans in the background; the last ones when it is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to deliver to the collector at this base URL, `/v1/traces` below it. To be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is no URL.
    pub fn begin(endpoint: &str, service: &'static str) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder().timeout(TIME).build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client {
                client,
                runtime: Handle::current(),
            })
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()?;
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name(service).build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(provider))
    }

    /// What turns spans of `tracing` into theirs.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("sigstead"))
            .with_filter(EnvFilter::new(FILTER))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.0.shutdown();
    }
}

/// Makes a request's span the child of the caller's.
pub(crate) fn adopt<B>(span: &tracing::Span, request: &Request<B>) {
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    let headers = opentelemetry_http::HeaderExtractor(request.headers());
    let parent = opentelemetry::global::get_text_map_propagator(|from| from.extract(&headers));
    // A span that is not recorded has no parent.
    let _ = span.set_parent(parent);
}

/// The exporter runs on a thread of its own, the client on the runtime.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut request = reqwest::Request::try_from(request)?;
            *request.timeout_mut() = Some(TIME);
            let answer = client.execute(request).await?;
            let status = answer.status();
            let is_small = answer
                .content_length()
                .is_some_and(|size| size <= MAX_ANSWER);
            let body = match is_small {
                true => answer.bytes().await?,
                false => Bytes::new(),
            };
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok::<_, HttpError>(response)
        });
        sent.await?
    }
}
