//! Prometheus metrics of the trusted roots.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// Handles to the registered metrics.
pub(crate) struct Metrics {
    loads: IntCounterVec,
    stale: IntGaugeVec,
    loaded: IntGaugeVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let loads = IntCounterVec::new(
            Opts::new(
                "verifier_trusted_root_loads_total",
                "Times that a trusted root was read or refreshed, by root and outcome",
            ),
            &["root", "outcome"],
        )?;
        let stale = IntGaugeVec::new(
            Opts::new(
                "verifier_trusted_root_stale",
                "1 while the last good trusted root answers because a newer one could not be had",
            ),
            &["root"],
        )?;
        let loaded = IntGaugeVec::new(
            Opts::new(
                "verifier_trusted_root_loaded_seconds",
                "When the trusted root that answers was read, in Unix seconds",
            ),
            &["root"],
        )?;
        registry.register(Box::new(loads.clone()))?;
        registry.register(Box::new(stale.clone()))?;
        registry.register(Box::new(loaded.clone()))?;
        Ok(Self {
            loads,
            stale,
            loaded,
        })
    }

    pub(crate) fn good(&self, root: &str, at: i64) {
        self.loads.with_label_values(&[root, "good"]).inc();
        self.stale.with_label_values(&[root]).set(0);
        self.loaded.with_label_values(&[root]).set(at);
    }

    pub(crate) fn failed(&self, root: &str) {
        self.loads.with_label_values(&[root, "failed"]).inc();
        self.stale.with_label_values(&[root]).set(1);
    }
}
