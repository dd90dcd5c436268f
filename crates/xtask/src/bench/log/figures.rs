//! What was measured, by name; several runs of each.

use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// Adds one run of a measurement.
    pub(super) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// Adds all runs of others.
    pub(super) fn merge(&mut self, others: Self) {
        for (name, runs) in others.0 {
            self.0.entry(name).or_default().extend(runs);
        }
    }

    /// The median of the runs; `None` for what was not measured.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        let mut runs = self.0.get(name)?.clone();
        runs.sort_unstable_by(f64::total_cmp);
        runs.get(runs.len() / 2).copied()
    }

    /// The median over runs of the quotient of two measurements of the same run.
    pub(super) fn share(&self, ours: &str, limit: &str) -> Option<f64> {
        let mut quotients = Figures::default();
        for (ours, limit) in self.0.get(ours)?.iter().zip(self.0.get(limit)?) {
            quotients.add("", ours / limit);
        }
        quotients.median("")
    }

    /// The newest run of a measurement.
    pub(super) fn last(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.last().copied()
    }
}

/// Microseconds of a duration.
pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_compares_within_a_run() {
        let mut figures = Figures::default();
        // The clock halves in the second run; the share stays.
        for (limit, ours) in [(100.0, 80.0), (50.0, 40.0), (100.0, 80.0)] {
            figures.add("limit", limit);
            figures.add("ours", ours);
        }
        assert_eq!(figures.share("ours", "limit"), Some(0.8));
        assert_eq!(figures.median("ours"), Some(80.0));
        assert_eq!(figures.last("limit"), Some(100.0));
        assert_eq!(figures.share("ours", "absent"), None);
    }
}
