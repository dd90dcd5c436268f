//! Prometheus metrics of a log's rounds.

use super::outcome::Outcome;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
use std::time::Duration;

/// Seconds. A witness on the same continent takes some tens of milliseconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Handles to the registered metrics. Witnesses are labels by their name in the policy, of which there are few.
#[derive(Clone)]
pub(super) struct Metrics {
    requests: IntCounterVec,
    latency: HistogramVec,
    rounds: IntCounter,
    without_quorum: IntCounter,
}

impl Metrics {
    pub(super) fn register(registry: &Registry, log: &str) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).const_label("log", log);
        let metrics = Self {
            requests: IntCounterVec::new(
                opts(
                    "cosign_requests_total",
                    "Witnesses asked for a cosignature, by witness and outcome",
                ),
                &["witness", "outcome"],
            )?,
            latency: HistogramVec::new(
                HistogramOpts::new(
                    "cosign_latency_seconds",
                    "Seconds until a witness's outcome was known, by witness",
                )
                .const_label("log", log)
                .buckets(BUCKETS.to_vec()),
                &["witness"],
            )?,
            rounds: IntCounter::with_opts(opts("cosign_rounds_total", "Checkpoints sent round"))?,
            without_quorum: IntCounter::with_opts(opts(
                "cosign_rounds_without_quorum_total",
                "Checkpoints that did not get the policy's quorum",
            ))?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.latency.clone()))?;
        registry.register(Box::new(metrics.rounds.clone()))?;
        registry.register(Box::new(metrics.without_quorum.clone()))?;
        Ok(metrics)
    }

    pub(super) fn asked(&self, witness: &str, outcome: &Outcome, took: Duration) {
        self.requests
            .with_label_values(&[witness, outcome.label()])
            .inc();
        self.latency
            .with_label_values(&[witness])
            .observe(took.as_secs_f64());
    }

    pub(super) fn round(&self, quorum_met: bool) {
        self.rounds.inc();
        if !quorum_met {
            self.without_quorum.inc();
        }
    }
}
