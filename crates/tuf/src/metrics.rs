//! Prometheus metrics of a repository.

use crate::Status;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};

/// What a process shows of the repository.
#[derive(Clone, Debug)]
pub struct Metrics {
    expires: IntGaugeVec,
    version: IntGaugeVec,
    failures: IntCounter,
}

impl Metrics {
    /// Makes `sigstead_tuf_expires_seconds` (Unix time of the end of life; alert on the difference to `time()`) and
    /// `sigstead_tuf_version`, each with the label `role`, and `sigstead_tuf_failures_total`, and registers them.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["role"]);
        let metrics = Self {
            expires: gauge(
                "sigstead_tuf_expires_seconds",
                "Unix time at which clients begin to refuse this TUF role",
            )?,
            version: gauge("sigstead_tuf_version", "Version of this TUF role")?,
            failures: IntCounter::new(
                "sigstead_tuf_failures_total",
                "Times that the TUF repository could not be kept fresh",
            )?,
        };
        let collectors: [Box<dyn Collector>; 3] = [
            Box::new(metrics.expires.clone()),
            Box::new(metrics.version.clone()),
            Box::new(metrics.failures.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(crate) fn show(&self, status: &Status) {
        for role in &status.roles {
            let labels = [role.role.as_str()];
            self.expires
                .with_label_values(&labels)
                .set(role.expires_unix);
            let version = i64::try_from(role.version).unwrap_or(i64::MAX);
            self.version.with_label_values(&labels).set(version);
        }
    }

    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}
