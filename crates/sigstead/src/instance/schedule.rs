//! When a key that is recorded goes into service: it is published first, and given time to reach the clients.

use super::generations::time_of;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A publication that comes later than this after the record, because a key or a server was away, moves the switch.
const PUNCTUAL: Duration = Duration::minutes(5);

/// The times of a rotation. They are part of the record, so any process goes on with it when its clock passes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// RFC 3339: when signing goes over, or went over.
    pub(crate) switch: String,
    /// Seconds that clients are given between publication and switch.
    pub(crate) propagation: i64,
    /// RFC 3339: when trusted root and TUF repository first named the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<String>,
}

impl Schedule {
    /// Goes over at `at`, or when the propagation time from `now` on is over. Times have no fractions.
    pub(crate) fn new(
        now: OffsetDateTime,
        at: Option<OffsetDateTime>,
        propagation: Duration,
    ) -> Result<Self> {
        Ok(Self {
            switch: text(at.unwrap_or(now + propagation))?,
            propagation: propagation.whole_seconds(),
            published: None,
        })
    }

    /// The time of the switch.
    pub(crate) fn switch(&self) -> Result<OffsetDateTime> {
        time_of(&self.switch)
    }

    /// Takes note of the publication. One that was late leaves clients their time all the same.
    pub(crate) fn publish(&mut self, recorded: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
        let earliest = now + Duration::seconds(self.propagation);
        if now - recorded > PUNCTUAL && self.switch()? < earliest {
            self.switch = text(earliest)?;
        }
        self.published = Some(text(now)?);
        Ok(())
    }

    /// Whether its time has come.
    pub(crate) fn is_due(&self, now: OffsetDateTime) -> Result<bool> {
        Ok(self.published.is_some() && self.switch()? <= now)
    }
}

fn text(time: OffsetDateTime) -> Result<String> {
    Ok(time.replace_nanosecond(0)?.format(&Rfc3339)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    #[test]
    fn nothing_is_due_before_it_is_published_and_its_time_has_come() {
        let mut schedule = Schedule::new(at(0), None, Duration::minutes(60)).unwrap();
        assert!(!schedule.is_due(at(100)).unwrap(), "never published");
        schedule.publish(at(0), at(1)).unwrap();
        assert_eq!(schedule.switch().unwrap(), at(60));
        assert!(!schedule.is_due(at(59)).unwrap());
        assert!(schedule.is_due(at(60)).unwrap());
    }

    #[test]
    fn a_late_publication_leaves_clients_their_time() {
        let mut schedule = Schedule::new(at(0), None, Duration::minutes(60)).unwrap();
        schedule.publish(at(0), at(30)).unwrap();
        assert_eq!(schedule.switch().unwrap(), at(90));
        let mut planned = Schedule::new(at(0), Some(at(200)), Duration::minutes(60)).unwrap();
        planned.publish(at(0), at(30)).unwrap();
        assert_eq!(planned.switch().unwrap(), at(200));
    }
}
