//! Metrics under Fulcio's names, so that its dashboards work unchanged.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntGauge, Opts, Registry};

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
        let version = env!("CARGO_PKG_VERSION");
        let opts = Opts::new("fulcio_build_info", "The version that runs");
        let build_info = IntGauge::with_opts(opts.const_label("version", version))?;
        build_info.set(1);
        registry.register(Box::new(build_info))?;
        Ok(Self { new_certs, latency })
    }
}
