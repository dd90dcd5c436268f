//! How long what is signed lives, and when it is signed anew.
//!
//! | Role | Life | Why |
//! |---|---|---|
//! | root | 365 days | Its keys may be in safes: once a year is what people manage. Half of it is left when it is renewed |
//! | targets | 365 days | The same; it changes only with the instance's keys |
//! | snapshot | 30 days | Signed by a program; it says only which targets are current, and timestamp says which snapshot is |
//! | timestamp | 7 days | How long somebody between client and server can show an old state. An outage may last 3.5 days |
//!
//! Everything is signed anew when less than half of its life is left, and warned about below a quarter: a warning means
//! that nobody here could sign. For root and targets that is three months ahead.

use time::{Duration, OffsetDateTime};
use tough::schema::RoleType;

/// How far the clocks of two signing processes may be apart.
pub const SKEW: Duration = Duration::hours(1);

/// The life of a role's signature.
pub fn of(role: RoleType) -> Duration {
    match role {
        RoleType::Root | RoleType::Targets | RoleType::DelegatedTargets => Duration::days(365),
        RoleType::Snapshot => Duration::days(30),
        RoleType::Timestamp => Duration::days(7),
    }
}

/// Whether less than half of a life is left.
pub fn is_due(role: RoleType, expires: OffsetDateTime, now: OffsetDateTime) -> bool {
    expires - now < of(role) / 2
}

/// Whether less than a quarter of a life is left: what should have been renewed was not.
pub fn is_late(role: RoleType, expires: OffsetDateTime, now: OffsetDateTime) -> bool {
    expires - now < of(role) / 4
}

/// The end of a life that begins now. Whole seconds: python-tuf refuses fractions.
pub(crate) fn end(role: RoleType, now: OffsetDateTime) -> jiff::Timestamp {
    to_jiff(now + of(role))
}

pub(crate) fn to_jiff(at: OffsetDateTime) -> jiff::Timestamp {
    // Both types end at year 9999.
    jiff::Timestamp::from_second(at.unix_timestamp()).unwrap_or(jiff::Timestamp::MAX)
}

pub(crate) fn from_jiff(at: jiff::Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_before_the_warning_for_every_role() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for role in [
            RoleType::Root,
            RoleType::Targets,
            RoleType::Snapshot,
            RoleType::Timestamp,
        ] {
            assert!(!is_due(role, now + of(role) / 2, now));
            let third = now + of(role) / 3;
            assert!(is_due(role, third, now) && !is_late(role, third, now));
            assert!(is_late(role, now + of(role) / 5, now));
        }
    }

    #[test]
    fn an_end_of_life_has_no_fractions() {
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_790_000_000_123_456_789).unwrap();
        assert_eq!(
            end(RoleType::Timestamp, now).to_string(),
            "2026-09-28T14:13:20Z"
        );
    }
}
