//! The time in a token.

use der::{Any, Tag, Tagged};
use time::{Date, Month, OffsetDateTime, Time};

/// GeneralizedTime `YYYYMMDDHHMMSS[.f…]Z` (RFC 3161 section 2.4.2): UTC, fraction without trailing zero.
pub(super) fn parse_gen_time(value: &Any) -> Option<OffsetDateTime> {
    if value.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(value.value()).ok()?.strip_suffix('Z')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if seconds.len() != 14
        || !seconds
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
        || !(1..=9).contains(&fraction.len())
    {
        return None;
    }
    let two = |from: usize| seconds.get(from..from + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(
        seconds.get(..4)?.parse().ok()?,
        Month::try_from(two(4)?).ok()?,
        two(6)?,
    )
    .ok()?;
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    Some(
        date.with_time(Time::from_hms_nano(two(8)?, two(10)?, two(12)?, nanos).ok()?)
            .assume_utc(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::show;

    fn gen_time(text: &str) -> Option<OffsetDateTime> {
        parse_gen_time(&Any::new(Tag::GeneralizedTime, text.as_bytes()).expect("short"))
    }

    #[test]
    fn gen_time_may_have_a_fraction() {
        assert_eq!(
            gen_time("20250515120000Z").map(show).as_deref(),
            Some("2025-05-15T12:00:00Z")
        );
        assert_eq!(
            gen_time("20250515120000.25Z").map(show).as_deref(),
            Some("2025-05-15T12:00:00.25Z")
        );
    }

    #[test]
    fn gen_time_is_utc_and_complete() {
        for bad in [
            "20250515120000",
            "20250515120000+0100",
            "202505151200Z",
            "20251315120000Z",
            "20250515120060Z",
            "2025051512000Z",
            "20250515120000.Z",
            "",
            "Z",
            "2025051512000éZ",
        ] {
            assert_eq!(gen_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn another_type_is_no_time() {
        assert_eq!(
            parse_gen_time(&Any::new(Tag::UtcTime, b"250515120000Z".as_slice()).expect("short")),
            None
        );
    }
}
