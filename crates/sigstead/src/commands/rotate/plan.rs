//! What a rotation will do: which shards come to be, under which URLs.

use super::times::Times;
use super::{Planned, State};
use crate::cli::rotate::{RotateLogArgs, RotatedLog};
use crate::instance::shards::host_of;
use crate::instance::{Description, Kind, PublicHalf, Record, Schedule, Shard};
use anyhow::{Context, Result, bail};
use time::OffsetDateTime;
use url::Url;

/// The shards that come to be.
pub(super) struct Plan {
    records: Vec<Record>,
    is_under_way: bool,
    /// What is under way gets other times.
    is_changed: bool,
}

impl Plan {
    /// Plans from what is recorded. A rotation that is under way comes first: it is finished, and nothing else begun.
    pub(super) fn new(
        description: &Description,
        public: &PublicHalf,
        args: &RotateLogArgs,
        now: OffsetDateTime,
    ) -> Result<Self> {
        let times = Times::new(&args.role.timing, public, now)?;
        if args.url.is_some() && args.log == RotatedLog::RekorV1 {
            bail!(
                "--url is for a Rekor v2 shard; all Rekor v1 shards are under {}",
                public.rekor_url(Kind::RekorV1)
            );
        }
        let pending = description
            .shards
            .iter()
            .filter(|record| record.is_pending());
        let mut pending: Vec<Record> = pending.cloned().collect();
        if !pending.is_empty() {
            if times.are_given {
                for record in &mut pending {
                    retime(record, &times, public)?;
                }
            }
            return Ok(Self {
                records: pending,
                is_under_way: true,
                is_changed: times.are_given,
            });
        }
        let url = args.url.as_deref().map(|url| own_url(url, public));
        let url = url.transpose()?;
        let start = times.now_text()?;
        let next = |kind: Kind| {
            let mut record = Record {
                log: kind,
                number: public.newest(kind)?.number + 1,
                url: url.clone().filter(|_| kind == Kind::RekorV2),
                start: start.clone(),
                schedule: None,
                freeze: None,
                compromised: None,
                predecessor: None,
            };
            retime(&mut record, &times, public)?;
            Ok(record)
        };
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| is_meant(args.log, *kind));
        Ok(Self {
            records: kinds.map(next).collect::<Result<_>>()?,
            is_under_way: false,
            is_changed: false,
        })
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// True when it was begun before.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// True when what is under way gets other times.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }
}

impl Planned for Plan {
    fn state(&self, description: &Description, _: &PublicHalf) -> Result<State> {
        let mut waits: Option<OffsetDateTime> = None;
        for planned in &self.records {
            let same = |record: &&Record| record.name() == planned.name();
            let record = description.shards.iter().find(same);
            match record.filter(|record| record.is_pending()) {
                None if record.is_some() => {}
                Some(Record {
                    schedule: Some(schedule),
                    ..
                }) if schedule.published.is_some() => {
                    let switch = schedule.switch()?;
                    waits = waits.max(Some(switch));
                }
                Some(record) if record.schedule.is_none() && record.freeze.is_some() => {
                    let freeze = record.freeze()?;
                    waits = waits.max(freeze);
                }
                _ => return Ok(State::Open),
            }
        }
        Ok(waits.map_or(State::Done, State::Waits))
    }
}

/// Gives a record the times that were asked for. Without a time to wait it needs no schedule.
fn retime(record: &mut Record, times: &Times, public: &PublicHalf) -> Result<()> {
    record.freeze = None;
    let published = record.schedule.take().and_then(|old| old.published);
    if times.have_to_wait() {
        record.schedule = Some(Schedule {
            published,
            ..times.schedule()?
        });
    }
    if times.compromised.is_some() {
        let shards = public.shards_of(record.log)?;
        let old = shards.iter().rfind(|shard| shard.number < record.number);
        let old = old.context("a shard has one before it")?;
        record.compromised = times.compromised_text(&old.name(), old.start)?;
    }
    Ok(())
}

fn is_meant(wanted: RotatedLog, kind: Kind) -> bool {
    match wanted {
        RotatedLog::All => true,
        RotatedLog::RekorV1 => kind == Kind::RekorV1,
        RotatedLog::RekorV2 => kind == Kind::RekorV2,
    }
}

/// Checks a URL whose host is to name the shard in every checkpoint.
fn own_url(text: &str, public: &PublicHalf) -> Result<String> {
    let url = Url::parse(text).with_context(|| {
        format!("--url {text} is not a URL; write it as https://log2.example.com")
    })?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    if !is_plain {
        bail!("--url {text} must be http or https, host and port alone");
    }
    let host = host_of(text)?;
    let shards = public.shards()?;
    let taken = |shard: &Shard| shard.kind == Kind::RekorV2 && shard.host == host;
    if shards.iter().any(taken) {
        bail!(
            "--url {text}: the host {host} names a log already; give the shard a host of its own, or leave --url away"
        );
    }
    Ok(text.trim_end_matches('/').to_owned())
}
