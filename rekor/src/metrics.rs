//! Prometheus metrics under Rekor's names, one set for each API.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use std::time::Instant;

/// Seconds. A durable answer takes from half a millisecond; clients give up after 5 to 90 s.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0,
];

/// Counters of one API. The label `api` tells v1 and v2 apart, so that both may share a registry.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Entries that were new to the log.
    pub(crate) new_entries: IntCounter,
    api_latency: HistogramVec,
    latency_by_api: HistogramVec,
    qps_by_api: IntCounterVec,
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
        Ok(Self {
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
        })
    }

    fn observe(&self, path: &str, method: &str, code: &str, seconds: f64) {
        self.api_latency
            .with_label_values(&[path, code])
            .observe(seconds);
        self.latency_by_api
            .with_label_values(&[path, method])
            .observe(seconds);
        self.qps_by_api
            .with_label_values(&[path, method, code])
            .inc();
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

/// Middleware: times a request and counts it under its route, never under its raw path.
pub(crate) async fn observe(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .trim_end_matches('/')
        .to_owned();
    let method = known_method(request.method());
    let start = Instant::now();
    let response = next.run(request).await;
    metrics.observe(
        &path,
        method,
        response.status().as_str(),
        start.elapsed().as_secs_f64(),
    );
    response
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
        v1.observe("/p", "GET", "200", 0.1);
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
    }

    #[test]
    fn registering_twice_is_no_panic() {
        let registry = Registry::new();
        Metrics::register(&registry, "v1");
        Metrics::register(&registry, "v1").new_entries.inc();
    }
}
