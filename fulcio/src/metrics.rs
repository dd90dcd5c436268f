//! Metrics under Fulcio's names, so that its dashboards work unchanged.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, Registry};

/// Handles to the registered metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Certificates issued.
    pub(crate) new_certs: IntCounter,
    /// Seconds a call took, by `code` and lower-case `method`.
    pub(crate) latency: HistogramVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new_certs = IntCounter::new("fulcio_new_certs", "Certificates issued")?;
        let latency = HistogramVec::new(
            HistogramOpts::new("fulcio_api_latency", "Seconds that API calls took"),
            &["code", "method"],
        )?;
        registry.register(Box::new(new_certs.clone()))?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self { new_certs, latency })
    }
}
