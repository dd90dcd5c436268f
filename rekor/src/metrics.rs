//! Prometheus metrics under Rekor's names, one set for each API.

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::StatusCode;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use std::collections::HashMap;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

/// Seconds. A durable answer takes from half a millisecond; clients give up after 5 to 90 s.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0,
];

/// Counters of one API. The label `api` tells v1 and v2 apart, so that both may share a registry.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Counters>);

/// See [`Metrics`].
pub(crate) struct Counters {
    /// Entries that were new to the log.
    pub(crate) new_entries: IntCounter,
    api_latency: HistogramVec,
    latency_by_api: HistogramVec,
    qps_by_api: IntCounterVec,
    /// What each route counts, by method and status, so that a request looks for it once.
    kept: RwLock<HashMap<Kind, HashMap<String, Counts>>>,
}

impl Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

/// Method and status.
type Kind = (&'static str, u16);

#[derive(Clone)]
struct Counts {
    latency: Histogram,
    by_api: Histogram,
    qps: IntCounter,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub(crate) fn register(registry: &Registry, api: &'static str) -> Self {
        let metrics = Self::new(api).expect("metric and label names are valid constants");
        let build = build_info(api);
        let collectors: [Option<Box<dyn Collector>>; 5] = [
            Some(Box::new(metrics.new_entries.clone())),
            Some(Box::new(metrics.api_latency.clone())),
            Some(Box::new(metrics.latency_by_api.clone())),
            Some(Box::new(metrics.qps_by_api.clone())),
            build.map(|gauge| Box::new(gauge) as Box<dyn Collector>),
        ];
        for collector in collectors.into_iter().flatten() {
            // A second router of the same API on one registry counts, but is not exported.
            if let Err(error) = registry.register(collector) {
                tracing::warn!(api, %error, "metrics are registered already");
            }
        }
        metrics
    }

    fn new(api: &'static str) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).const_label("api", api);
        let histogram = |name: &str, help: &str| {
            HistogramOpts::new(name, help)
                .const_label("api", api)
                .buckets(BUCKETS.to_vec())
        };
        Ok(Self(Arc::new(Counters {
            new_entries: IntCounter::with_opts(opts(
                "rekor_new_entries",
                "The total number of new log entries",
            ))?,
            api_latency: HistogramVec::new(
                histogram(
                    "rekor_api_latency",
                    "API latency in seconds by path and status",
                ),
                &["path", "code"],
            )?,
            latency_by_api: HistogramVec::new(
                histogram(
                    "rekor_latency_by_api",
                    "API latency in seconds by path and method",
                ),
                &["path", "method"],
            )?,
            qps_by_api: IntCounterVec::new(
                opts(
                    "rekor_qps_by_api",
                    "API requests by path, method and status",
                ),
                &["path", "method", "code"],
            )?,
            kept: RwLock::default(),
        })))
    }

    fn observe(&self, path: &str, method: &'static str, code: StatusCode, seconds: f64) {
        let kind = (method, code.as_u16());
        if let Some(counts) = self.read().get(&kind).and_then(|routes| routes.get(path)) {
            return counts.observe(seconds);
        }
        let counts = Counts {
            latency: self.api_latency.with_label_values(&[path, code.as_str()]),
            by_api: self.latency_by_api.with_label_values(&[path, method]),
            qps: self
                .qps_by_api
                .with_label_values(&[path, method, code.as_str()]),
        };
        counts.observe(seconds);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // As many as there are routes, methods and statuses: none of them is a client's word.
        kept.entry(kind)
            .or_default()
            .insert(path.to_owned(), counts);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Kind, HashMap<String, Counts>>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn observe(&self, seconds: f64) {
        self.latency.observe(seconds);
        self.by_api.observe(seconds);
        self.qps.inc();
    }
}

fn build_info(api: &'static str) -> Option<IntGauge> {
    let opts = Opts::new("rekor_build_info", "The version that runs")
        .const_label("api", api)
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let gauge = IntGauge::with_opts(opts).ok()?;
    gauge.set(1);
    Some(gauge)
}

/// Layer: times a request and counts it under its route, never under its raw path.
#[derive(Clone)]
pub(crate) struct Observing(pub(crate) Metrics);

impl<S> Layer<S> for Observing {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        let metrics = self.0.clone();
        Observed { inner, metrics }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Future: Send + 'static>,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let metrics = self.metrics.clone();
        let path = request.extensions().get::<MatchedPath>().cloned();
        let method = known_method(request.method());
        let start = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            let path = path.as_ref().map_or("unmatched", MatchedPath::as_str);
            metrics.observe(
                path.trim_end_matches('/'),
                method,
                response.status(),
                start.elapsed().as_secs_f64(),
            );
            Ok(response)
        })
    }
}

/// Methods are a client's words; only those that routes have become labels.
fn known_method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_apis_share_a_registry() {
        let registry = Registry::new();
        let v1 = Metrics::register(&registry, "v1");
        let v2 = Metrics::register(&registry, "v2");
        v1.new_entries.inc();
        v2.new_entries.inc_by(2);
        v1.observe("/p", "GET", StatusCode::OK, 0.1);
        v1.observe("/p", "GET", StatusCode::OK, 0.1);
        let families = registry.gather();
        let entries = families
            .iter()
            .find(|f| f.name() == "rekor_new_entries")
            .unwrap();
        let total: f64 = entries
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value())
            .sum();
        assert!((total - 3.0).abs() < f64::EPSILON);
        let requests = families.iter().find(|f| f.name() == "rekor_qps_by_api");
        let counted = requests.unwrap().get_metric()[0].get_counter().get_value();
        assert!((counted - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn registering_twice_is_no_panic() {
        let registry = Registry::new();
        Metrics::register(&registry, "v1");
        Metrics::register(&registry, "v1").new_entries.inc();
    }
}
