//! Prometheus metrics of the verifier.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Seconds. A kept answer takes a tenth of a millisecond, a verification about one, an upload as long as it takes.
const BUCKETS: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// Handles to the registered metrics.
pub(crate) struct Metrics {
    latency: HistogramVec,
    verdicts: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let latency = HistogramVec::new(
            HistogramOpts::new(
                "verifier_request_seconds",
                "Seconds that requests took, by operation and status",
            )
            .buckets(BUCKETS.to_vec()),
            &["operation", "code"],
        )?;
        let verdicts = IntCounterVec::new(
            Opts::new(
                "verifier_verdicts_total",
                "Verdicts given, by what they say and whether an earlier one was repeated",
            ),
            &["verified", "cached"],
        )?;
        registry.register(Box::new(latency.clone()))?;
        registry.register(Box::new(verdicts.clone()))?;
        Ok(Self { latency, verdicts })
    }

    pub(crate) fn observe(&self, operation: &str, code: &str, seconds: f64) {
        self.latency
            .with_label_values(&[operation, code])
            .observe(seconds);
    }

    pub(crate) fn verdict(&self, verified: bool, cached: bool) {
        let word = |value| if value { "true" } else { "false" };
        self.verdicts
            .with_label_values(&[word(verified), word(cached)])
            .inc();
    }
}
