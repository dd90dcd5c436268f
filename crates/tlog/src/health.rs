//! Whether a log can append, told from its own work: nothing is ever written to find out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a failed append counts. A process that is not ready gets no submissions, so nothing could ever succeed again
/// if this did not end: afterwards it is tried with the next submission.
const FAILURE_COUNTS: Duration = Duration::from_secs(15);
/// How long the head that others may change can go unread; one slow answer of the database is not worth an alarm.
const HEAD_PATIENCE: Duration = Duration::from_secs(3);

/// Why a log cannot append now, as far as it knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// The newest append was refused because of the store, the guard or the key.
    #[error("the last append failed and none succeeded since: {0}")]
    Append(String),
    /// The store does not tell the newest head.
    #[error("the newest head cannot be read: {0}")]
    Head(String),
}

/// What appends and looks at the head came to.
pub(crate) struct Health(Mutex<Seen>);

struct Seen {
    failed: Option<(Instant, String)>,
    head_read: Instant,
}

impl Health {
    /// Begins well: the log was just opened.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Seen {
            failed: None,
            head_read: Instant::now(),
        }))
    }

    /// A batch was committed and answered.
    pub(crate) fn appended(&self) {
        self.seen().failed = None;
    }

    /// Submissions were refused with this reason.
    pub(crate) fn refused(&self, why: &str) {
        self.seen().failed = Some((Instant::now(), why.to_owned()));
    }

    /// The store told its newest head.
    pub(crate) fn head_read(&self) {
        self.seen().head_read = Instant::now();
    }

    pub(crate) fn check_appends(&self) -> Result<(), Unwell> {
        match &self.seen().failed {
            Some((since, why)) if since.elapsed() < FAILURE_COUNTS => {
                Err(Unwell::Append(why.clone()))
            }
            _ => Ok(()),
        }
    }

    /// For a log whose head is read all the time.
    pub(crate) fn check_head(&self) -> Result<(), Unwell> {
        let age = self.seen().head_read.elapsed();
        match age < HEAD_PATIENCE {
            true => Ok(()),
            false => Err(Unwell::Head(format!("for {} seconds", age.as_secs()))),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_append_counts_until_one_succeeds() {
        let health = Health::new();
        assert_eq!(health.check_appends(), Ok(()));
        health.refused("disk full");
        assert_eq!(
            health.check_appends(),
            Err(Unwell::Append("disk full".into()))
        );
        health.appended();
        assert_eq!(health.check_appends(), Ok(()));
    }

    #[test]
    fn a_refused_append_is_forgotten_when_nothing_is_tried() {
        let health = Health::new();
        let long_ago = Instant::now().checked_sub(FAILURE_COUNTS).unwrap();
        health.seen().failed = Some((long_ago, "disk full".into()));
        assert_eq!(health.check_appends(), Ok(()));
    }

    #[test]
    fn a_head_that_is_not_read_counts_after_a_while() {
        let health = Health::new();
        assert_eq!(health.check_head(), Ok(()));
        health.seen().head_read = Instant::now().checked_sub(HEAD_PATIENCE).unwrap();
        assert!(matches!(health.check_head(), Err(Unwell::Head(_))));
        health.head_read();
        assert_eq!(health.check_head(), Ok(()));
    }
}
