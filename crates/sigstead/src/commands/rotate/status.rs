//! `sigstead rotate --status`: every key, and what somebody should see to.

use super::print;
use super::times::text;
use crate::cli::rotate::RotateStatusArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Description, Generation, Layout, PublicHalf, Role, Shard, describe};
use crate::tuf_repository;
use anyhow::Result;
use clock::Clock;
use pki::cert::Certificate;
use serde::Serialize;
use std::fmt::Write as _;
use time::{Duration, OffsetDateTime};

/// From when on the end of a chain is warned about: a rotation in peace needs days, a root's needs weeks.
const WARN: Duration = Duration::days(90);
/// A rotation that is this late is not being carried out.
const LATE: Duration = Duration::minutes(5);
/// Characters of a key ID that tell keys apart for people.
const SHORT_ID: usize = 16;

pub(super) async fn run(args: &RotateStatusArgs, clock: &Clock) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    let mut status = Status::new(&description, &public, clock.now())?;
    let database = args.database.or_file_in(&layout);
    // Without a repository there is still something to say.
    let tuf = tuf_repository::open(&layout, &database, clock);
    match tuf {
        Ok(tuf) => status.add_tuf(tuf.status().await),
        Err(error) => status.warn(format!("TUF: {error:#}"), "sigstead tuf status"),
    }
    match args.json {
        true => print(&serde_json::to_string_pretty(&status).map_err(anyhow::Error::from)?),
        false => print(status.to_text().trim_end()),
    }
    Ok(match status.warnings.is_empty() {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Status {
    pub(super) keys: Vec<Key>,
    /// What comes by itself.
    pub(super) pending: Vec<String>,
    /// What somebody should see to.
    pub(super) warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
pub(super) struct Key {
    /// What it signs.
    pub(super) purpose: &'static str,
    /// `ca`, `ct-2`, `rekor-v1` …
    pub(super) name: String,
    pub(super) state: State,
    /// SHA-256 of the public key (SPKI), hex; of a TUF role its key IDs.
    pub(super) key_id: String,
    /// RFC 3339: start of validity in the trust files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    /// RFC 3339: end of validity in the trust files; of a TUF role the end of its metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// RFC 3339: when it takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) switch: Option<String>,
    /// RFC 3339: the first certificate of its chain to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate_until: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It signs.
    Active,
    /// It is published, or about to be, and takes over later.
    Pending,
    /// It was replaced, and what it signed stays verifiable.
    Replaced,
    /// It was replaced because others had it.
    Compromised,
}

#[derive(Debug, Serialize)]
pub(super) struct Warning {
    pub(super) text: String,
    /// What mends it.
    pub(super) command: String,
}

impl Status {
    pub(super) fn new(
        description: &Description,
        public: &PublicHalf,
        now: OffsetDateTime,
    ) -> Result<Self> {
        let mut status = Self::default();
        for role in Role::ALL {
            for generation in public.generations(role)? {
                status.add_generation(&generation, now)?;
            }
        }
        for shard in public.shards()? {
            status.keys.push(of_shard(&shard)?);
        }
        for record in description.successors.iter().filter(|one| one.is_pending()) {
            let command = format!("sigstead rotate {} --yes", record.role.name());
            status.add_pending(&record.name(), record.schedule.switch()?, now, &command)?;
        }
        for record in description.shards.iter().filter(|one| one.is_pending()) {
            let switch = record.schedule.as_ref().map(|schedule| schedule.switch());
            let switch = switch.transpose()?.unwrap_or(now);
            status.add_pending(&record.name(), switch, now, "sigstead rotate log --yes")?;
        }
        Ok(status)
    }

    fn add_generation(&mut self, generation: &Generation, now: OffsetDateTime) -> Result<()> {
        let chain = generation.chain();
        let end = chain.iter().map(Certificate::not_after).min();
        let pending = generation.is_pending;
        self.keys.push(Key {
            purpose: generation.role.title(),
            name: generation.name(),
            state: state(
                pending,
                generation.replaced.is_some(),
                generation.compromised.is_some(),
            ),
            key_id: hex::encode(generation.key()?.key_id()),
            since: Some(text(generation.start)?),
            until: generation.end().map(text).transpose()?,
            switch: pending.then(|| text(generation.switch)).transpose()?,
            certificate_until: end.map(text).transpose()?,
        });
        let (Some(end), Some(root)) = (end, chain.last()) else {
            return Ok(());
        };
        if generation.is_active() && end < now + WARN {
            let root = match root.not_after() < now + WARN {
                true => " --root",
                false => "",
            };
            let role = generation.role.name();
            self.warn(
                format!(
                    "the chain of {} ends on {}, in {} days",
                    generation.name(),
                    end.date(),
                    (end - now).whole_days()
                ),
                &format!("sigstead rotate {role}{root} --yes"),
            );
        }
        Ok(())
    }

    fn add_pending(
        &mut self,
        name: &str,
        switch: OffsetDateTime,
        now: OffsetDateTime,
        command: &str,
    ) -> Result<()> {
        let when = text(switch)?;
        if now - switch > LATE {
            let late = format!("{name} was to take over at {when}: start the server, or");
            self.warn(late, command);
        } else {
            self.pending.push(format!(
                "{name} takes over at {when}, by the serving process, by its next start, or by `{command}`"
            ));
        }
        Ok(())
    }

    fn add_tuf(&mut self, tuf: Result<tuf::Status, tuf::TufError>) {
        let tuf = match tuf {
            Ok(tuf) => tuf,
            Err(error) => return self.warn(format!("TUF: {error}"), "sigstead tuf status"),
        };
        for role in &tuf.roles {
            let ids: Vec<&str> = role.keys.iter().map(|key| key.id.as_str()).collect();
            self.keys.push(Key {
                purpose: "TUF repository",
                name: format!("tuf-{}", role.role),
                state: State::Active,
                key_id: ids.join(" "),
                since: None,
                until: Some(role.expires.clone()),
                switch: None,
                certificate_until: None,
            });
        }
        for warning in tuf.warnings {
            self.warn(format!("TUF: {warning}"), "sigstead tuf status");
        }
    }

    fn warn(&mut self, text: String, command: &str) {
        self.warnings.push(Warning {
            text,
            command: command.to_owned(),
        });
    }

    fn to_text(&self) -> String {
        let mut said = String::new();
        let mut last = "";
        for key in &self.keys {
            if key.purpose != last {
                // Writing into a String cannot fail.
                let _ = writeln!(said, "{}", key.purpose);
                last = key.purpose;
            }
            let id: String = key.key_id.chars().take(SHORT_ID).collect();
            let state = match (key.state, &key.switch) {
                (State::Pending, Some(switch)) => format!("takes over at {switch}"),
                (State::Pending, None) => "takes over".to_owned(),
                (State::Active, _) => "signs".to_owned(),
                (State::Replaced, _) => "replaced".to_owned(),
                (State::Compromised, _) => "replaced, in other hands".to_owned(),
            };
            let _ = write!(said, "  {:<14} {id}  {state}", key.name);
            if let Some(since) = &key.since {
                let _ = write!(said, ", trusted since {since}");
            }
            if let Some(until) = &key.until {
                let _ = write!(said, " until {until}");
            }
            if let Some(until) = &key.certificate_until {
                let _ = write!(said, ", certificates until {until}");
            }
            said += "\n";
        }
        for pending in &self.pending {
            let _ = writeln!(said, "under way: {pending}");
        }
        for warning in &self.warnings {
            let _ = writeln!(said, "warning: {}: {}", warning.text, warning.command);
        }
        said
    }
}

fn of_shard(shard: &Shard) -> Result<Key> {
    let end = crate::trust_files::shard_end(shard);
    Ok(Key {
        purpose: match shard.kind {
            crate::instance::Kind::RekorV1 => "Rekor v1 log",
            crate::instance::Kind::RekorV2 => "Rekor v2 log",
        },
        name: shard.name(),
        state: state(
            shard.is_pending,
            shard.frozen.is_some(),
            shard.compromised.is_some(),
        ),
        key_id: hex::encode(shard.key.key_id()),
        since: Some(text(shard.start)?),
        until: end.map(text).transpose()?,
        switch: None,
        certificate_until: None,
    })
}

fn state(is_pending: bool, is_replaced: bool, is_compromised: bool) -> State {
    match (is_pending, is_replaced, is_compromised) {
        (true, _, _) => State::Pending,
        (_, true, true) => State::Compromised,
        (_, true, false) => State::Replaced,
        (_, false, _) => State::Active,
    }
}
