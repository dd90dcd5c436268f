//! The one clock of a process.
//!
//! Certificates, SCTs, entries and timestamps must agree on the time, so every service takes a
//! [`Clock`] instead of asking the system. A test holds the other end of a manual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use time::OffsetDateTime;

/// A cheap handle to a source of time in UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// Reads the operating system's clock.
    pub fn system() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// Makes a clock that stands at `start` until its [`Hand`] is moved.
    pub fn manual(start: OffsetDateTime) -> (Self, Hand) {
        let millis = Arc::new(AtomicI64::new(unix_millis(start)));
        let hand = Hand(millis.clone());
        let clock = Self(Arc::new(move || from_millis(millis.load(Ordering::SeqCst))));
        (clock, hand)
    }

    /// The time now, UTC.
    pub fn now(&self) -> OffsetDateTime {
        (self.0)()
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> i64 {
        unix_millis(self.now())
    }

    /// Whole seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> i64 {
        self.now().unix_timestamp()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hand(Arc<AtomicI64>);

impl Hand {
    /// Moves the clock by `seconds`, backwards when negative.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, to: OffsetDateTime) {
        self.0.store(unix_millis(to), Ordering::SeqCst);
    }
}

fn unix_millis(t: OffsetDateTime) -> i64 {
    i64::try_from(t.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn from_millis(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hand) = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.unix_seconds(), 0);
        hand.advance(600);
        assert_eq!(clock.unix_seconds(), 600);
        hand.advance(-3600);
        assert_eq!(clock.unix_millis(), -3_000_000);
    }
}
