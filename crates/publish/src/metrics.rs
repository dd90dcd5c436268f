//! Prometheus metrics of one publisher.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, Opts, Registry};

/// What a publisher counts. The label `log` tells the publishers of one process apart.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Entries of the newest checkpoint on the target.
    pub(crate) size: IntGauge,
    /// Entries of the log that the target does not have yet.
    pub(crate) lag: IntGauge,
    /// Tries that failed.
    pub(crate) failures: IntCounter,
}

impl Metrics {
    /// Makes the metrics `sigstead_publish_size`, `sigstead_publish_lag` and `sigstead_publish_failures_total` for the
    /// log of this name, and registers them.
    ///
    /// # Errors
    /// When the registry has a publisher of this name already.
    pub fn register(registry: &Registry, log: &str) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).const_label("log", log);
        let metrics = Self {
            size: IntGauge::with_opts(opts(
                "sigstead_publish_size",
                "Entries of the newest checkpoint on the target for static reading",
            ))?,
            lag: IntGauge::with_opts(opts(
                "sigstead_publish_lag",
                "Entries that the target for static reading does not have yet",
            ))?,
            failures: IntCounter::with_opts(opts(
                "sigstead_publish_failures_total",
                "Tries to publish that failed",
            ))?,
        };
        let collectors: [Box<dyn Collector>; 3] = [
            Box::new(metrics.size.clone()),
            Box::new(metrics.lag.clone()),
            Box::new(metrics.failures.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    /// Takes note of a published size and the log's.
    pub(crate) fn at(&self, published: u64, size: u64) {
        let gauge = |entries: u64| i64::try_from(entries).unwrap_or(i64::MAX);
        self.size.set(gauge(published));
        self.lag.set(gauge(size.saturating_sub(published)));
    }
}
