//! Prometheus metrics of a witness.

use prometheus::{HistogramOpts, HistogramVec, Registry};

/// Seconds. A synced commit takes from half a millisecond; logs give up after about one second.
const BUCKETS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

/// Handles to the registered metrics.
pub(super) struct Metrics {
    latency: HistogramVec,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let latency = HistogramVec::new(
            HistogramOpts::new(
                "witness_add_checkpoint_seconds",
                "Seconds that add-checkpoint requests took, by status",
            )
            .buckets(BUCKETS.to_vec()),
            &["code"],
        )?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self { latency })
    }

    pub(super) fn observe(&self, code: &str, seconds: f64) {
        self.latency.with_label_values(&[code]).observe(seconds);
    }
}
