//! The window of time in which signatures must have been made.

use super::raw::RawWindow;
use crate::error::{Problems, member};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Bounds on the earliest trusted time of a signature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    after: Option<OffsetDateTime>,
    before: Option<OffsetDateTime>,
    max_age: Option<Duration>,
}

impl Window {
    pub(crate) fn compile(raw: Option<&RawWindow>, problems: &mut Problems) -> Self {
        let Some(raw) = raw else {
            return Self::default();
        };
        let window = Self {
            after: moment("after", raw.after.as_deref(), problems),
            before: moment("before", raw.before.as_deref(), problems),
            max_age: age(raw.max_age.as_deref(), problems),
        };
        if let (Some(after), Some(before)) = (window.after, window.before)
            && after >= before
        {
            problems.add(
                "signed",
                "no moment is both after `after` and before `before`",
                "exchange them",
            );
        }
        if *raw == RawWindow::default() {
            problems.add(
                "signed",
                "says nothing",
                "write `after`, `before` or `maxAge`, or leave it out",
            );
        }
        window
    }

    /// Judges the times at which a signature provably existed, ascending; `Err` is cause and cure.
    ///
    /// The earliest decides: later ones can be had at will, by having the old signature stamped again.
    pub(crate) fn check(
        &self,
        signed_at: &[OffsetDateTime],
        now: OffsetDateTime,
    ) -> Result<(), (String, String)> {
        let oldest = self.max_age.map(|age| now.saturating_sub(age));
        if self.after.is_none() && self.before.is_none() && oldest.is_none() {
            return Ok(());
        }
        let Some(at) = signed_at.iter().min() else {
            return Err((
                "nothing trusted says when it was signed, and the policy has a window of time"
                    .to_owned(),
                "sign with a timestamp authority or a log that signs the time".to_owned(),
            ));
        };
        let refuse = |bound: String, cure: &str| {
            Err((
                format!("it was signed at {}, {bound}", show(*at)),
                cure.to_owned(),
            ))
        };
        if let Some(after) = self.after.filter(|after| at < after) {
            return refuse(
                format!("before `signed.after` ({})", show(after)),
                "sign again, or move `signed.after`",
            );
        }
        if let Some(before) = self.before.filter(|before| at >= before) {
            return refuse(
                format!("not before `signed.before` ({})", show(before)),
                "if signatures of that time are trusted, move `signed.before`",
            );
        }
        if let Some(oldest) = oldest.filter(|oldest| at < oldest) {
            return refuse(
                format!("longer ago than `signed.maxAge` (since {})", show(oldest)),
                "sign again, or raise `signed.maxAge`",
            );
        }
        Ok(())
    }
}

fn moment(name: &str, text: Option<&str>, problems: &mut Problems) -> Option<OffsetDateTime> {
    let text = text?;
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
    if parsed.is_none() {
        problems.add(
            member("signed", name),
            "is not a moment as RFC 3339 writes it",
            "write e.g. 2026-01-31T00:00:00Z",
        );
    }
    parsed
}

fn age(text: Option<&str>, problems: &mut Problems) -> Option<Duration> {
    let text = text?;
    let parsed = parse_age(text);
    if parsed.is_none() {
        problems.add(
            "signed.maxAge",
            "is not a length of time",
            "write a whole number above 0 and s, m, h or d, e.g. 90d",
        );
    }
    parsed
}

fn parse_age(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    (count > 0).then(|| Duration::seconds(i64::from(count).saturating_mul(seconds)))
}

/// A time for people: RFC 3339, UTC.
pub(crate) fn show(at: OffsetDateTime) -> String {
    at.format(&Rfc3339)
        .unwrap_or_else(|_| at.unix_timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);
    const NOW: OffsetDateTime = datetime!(2026-06-02 12:00 UTC);

    fn window(after: Option<&str>, before: Option<&str>, max_age: Option<&str>) -> Window {
        let raw = RawWindow {
            after: after.map(Into::into),
            before: before.map(Into::into),
            max_age: max_age.map(Into::into),
        };
        let mut problems = Problems::default();
        let window = Window::compile(Some(&raw), &mut problems);
        assert_eq!(problems.none(), Ok(()));
        window
    }

    #[test]
    fn the_bounds_are_inclusive_below_and_exclusive_above() {
        for (after, before, max_age, fits) in [
            (Some("2026-06-01T12:00:00Z"), None, None, true),
            (Some("2026-06-01T12:00:01Z"), None, None, false),
            (None, Some("2026-06-01T12:00:00Z"), None, false),
            (None, Some("2026-06-01T12:00:01Z"), None, true),
            (None, None, Some("1d"), true),
            (None, None, Some("1439m"), false),
        ] {
            let judged = window(after, before, max_age).check(&[AT], NOW);
            assert_eq!(judged.is_ok(), fits, "{after:?} {before:?} {max_age:?}");
        }
    }

    #[test]
    fn stamping_an_old_signature_again_does_not_make_it_young() {
        let window = window(None, None, Some("1h"));
        assert!(window.check(&[NOW], NOW).is_ok());
        assert!(window.check(&[AT, NOW], NOW).is_err());
    }

    #[test]
    fn a_signature_without_time_is_in_no_window() {
        assert!(window(None, None, Some("1d")).check(&[], NOW).is_err());
        assert!(Window::default().check(&[], NOW).is_ok());
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        for text in ["", "d", "1", "0d", "-1d", "1w", "1 d", "99999999999d", "1é"] {
            assert_eq!(parse_age(text), None, "{text}");
        }
        assert_eq!(parse_age("90d"), Some(Duration::days(90)));
        assert_eq!(
            parse_age("4294967295d").map(|age| age.is_positive()),
            Some(true)
        );
    }
}
