//! Latencies and their percentiles, exact: every sample is kept.

use std::time::Duration;

/// Nanoseconds, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    pub(crate) fn new(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        Self(nanoseconds)
    }

    /// The sample that `percent` of all do not exceed (nearest rank); zero without samples.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        let sample = self.0.get(rank.saturating_sub(1));
        Duration::from_nanos(sample.copied().unwrap_or_default())
    }
}

/// Nanoseconds of a duration, for [`Samples`].
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample() {
        let samples = Samples::new((1..=200).rev().collect());
        let at = |percent| samples.percentile(percent).as_nanos();
        assert_eq!((at(50.0), at(99.0), at(100.0)), (100, 198, 200));
        assert_eq!(Samples::default().percentile(99.0), Duration::ZERO);
    }
}
