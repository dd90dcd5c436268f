//! The times that the arguments of a rotation ask for.

use crate::cli::rotate::TimingArgs;
use crate::instance::{PublicHalf, Schedule};
use anyhow::{Result, bail};
use std::net::IpAddr;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Who keeps trust files longest asks again within a day (policy-controller: every 24 hours; cosign and the libraries at
/// every run). An hour more for the asking itself.
const PROPAGATION: Duration = Duration::hours(25);

/// When what is to be done.
pub(super) struct Times {
    pub(super) now: OffsetDateTime,
    at: Option<OffsetDateTime>,
    pub(super) propagation: Duration,
    pub(super) compromised: Option<OffsetDateTime>,
    /// The arguments said something.
    pub(super) are_given: bool,
}

impl Times {
    /// Checks what the arguments say against the clock.
    pub(super) fn new(args: &TimingArgs, public: &PublicHalf, now: OffsetDateTime) -> Result<Self> {
        let now = now.replace_nanosecond(0)?;
        let by_default = match args.at.is_some() || args.compromised_since.is_some() {
            true => Duration::ZERO,
            false => default_propagation(&public.host),
        };
        let propagation = args.propagation.unwrap_or(by_default);
        if let Some(at) = args.at
            && at < now + propagation
        {
            bail!(
                "--at {} is too early: with a propagation time of {} s it is {} at the earliest; leave --at away for now",
                text(at)?,
                propagation.whole_seconds(),
                text(now + propagation)?
            );
        }
        Ok(Self {
            now,
            at: args.at,
            propagation,
            compromised: args.compromised_since,
            are_given: args.at.is_some()
                || args.propagation.is_some()
                || args.compromised_since.is_some(),
        })
    }

    pub(super) fn schedule(&self) -> Result<Schedule> {
        Schedule::new(self.now, self.at, self.propagation)
    }

    pub(super) fn have_to_wait(&self) -> bool {
        self.at.is_some() || self.propagation > Duration::ZERO
    }

    /// Now, as records have it.
    pub(super) fn now_text(&self) -> Result<String> {
        text(self.now)
    }

    /// The time of a compromise as records have it: in the life of the key `old`, which began at `start`.
    pub(super) fn compromised_text(
        &self,
        old: &str,
        start: OffsetDateTime,
    ) -> Result<Option<String>> {
        let check = |since| check_compromised(since, old, start, self.now);
        self.compromised.map(check).transpose()
    }
}

/// Checks that a time lies in the life of a key, and answers it as records have it.
pub(super) fn check_compromised(
    since: OffsetDateTime,
    old: &str,
    start: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<String> {
    if since < start {
        bail!(
            "--compromised-since {}: the key {old} is trusted since {}; say that time to take back everything that it signed",
            text(since)?,
            text(start)?
        );
    }
    if since > now {
        bail!(
            "--compromised-since {} is in the future: a key ends by itself a while after the next one took over",
            text(since)?
        );
    }
    text(since)
}

/// On this machine's own address the clients read the trust files here, or ask TUF at every run.
fn default_propagation(host: &str) -> Duration {
    let is_loopback = host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    match is_loopback {
        true => Duration::ZERO,
        false => PROPAGATION,
    }
}

/// Times without fractions, RFC 3339.
pub(super) fn text(time: OffsetDateTime) -> Result<String> {
    Ok(time.replace_nanosecond(0)?.format(&Rfc3339)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_s_own_addresses_need_no_propagation() {
        for host in ["localhost", "127.0.0.1", "::1", "a.localhost"] {
            assert_eq!(default_propagation(host), Duration::ZERO, "{host}");
        }
        for host in ["sigstore.example.com", "10.0.0.1", "localhost.example.com"] {
            assert_eq!(default_propagation(host), PROPAGATION, "{host}");
        }
    }

    #[test]
    fn a_compromise_lies_in_the_life_of_the_key() {
        let at = |minute| OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute);
        let check = |since| check_compromised(at(since), "ca", at(10), at(20));
        assert_eq!(check(10).unwrap(), "1970-01-01T00:10:00Z");
        let early = check(9).unwrap_err().to_string();
        assert!(early.contains("since 1970-01-01T00:10:00Z"), "{early}");
        assert!(check(21).unwrap_err().to_string().contains("future"));
    }
}
