//! What a rotation will do: which shards come to be, under which URLs.

use crate::cli::{RotateLogArgs, RotatedLog};
use crate::instance::shards::host_of;
use crate::instance::{Description, Kind, PublicHalf, Record, Shard};
use anyhow::{Context, Result, bail};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

/// The shards that come to be.
pub(super) struct Plan {
    records: Vec<Record>,
    is_under_way: bool,
}

impl Plan {
    /// Plans from what is recorded. A rotation that is under way comes first: it is finished, and nothing else begun.
    pub(super) fn new(
        description: &Description,
        public: &PublicHalf,
        args: &RotateLogArgs,
    ) -> Result<Self> {
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
        let pending: Vec<Record> = pending.cloned().collect();
        if !pending.is_empty() {
            return Ok(Self {
                records: pending,
                is_under_way: true,
            });
        }
        let url = args.url.as_deref().map(|url| own_url(url, public));
        let url = url.transpose()?;
        let now = OffsetDateTime::now_utc();
        let start = now.replace_nanosecond(0)?.format(&Rfc3339)?;
        let next = |kind: Kind| {
            Ok(Record {
                log: kind,
                number: public.newest(kind)?.number + 1,
                url: url.clone().filter(|_| kind == Kind::RekorV2),
                start: start.clone(),
                predecessor: None,
            })
        };
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| is_meant(args.log, *kind));
        Ok(Self {
            records: kinds.map(next).collect::<Result<_>>()?,
            is_under_way: false,
        })
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// True when it was begun before.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// True when every shard of the plan took the place of the one before it.
    pub(super) fn is_done(&self, description: &Description) -> bool {
        let is_done = |planned: &Record| {
            let same = |record: &&Record| record.name() == planned.name();
            let record = description.shards.iter().find(same);
            record.is_some_and(|record| !record.is_pending())
        };
        self.records.iter().all(is_done)
    }
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
