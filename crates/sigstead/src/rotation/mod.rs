//! Rotation: the steps from a recorded key to the end of the one before it, and what they work on.
//!
//! 1. `sigstead rotate …` makes the keys and records shard or generation in `instance.json`, as pending.
//! 2. Whoever holds the folder does the rest: `up` or `serve` while it runs, else the command itself. Logs are created and
//!    served. Of roles apart, those with Rekor and the command do it; each process signs with the keys that it has.
//! 3. The trust files and the TUF repository name the new key; the record says when that was.
//! 4. The recorded time comes, by the process's own clock. Nobody has to wait for it: the next start goes on as well.
//! 5. Signing goes over, in each process, between two requests. For a shard: the one before it is frozen.
//! 6. The record says when, and the trust files get the end of the old key. A CT log is frozen after the next one signs.
//!
//! A step that was done is recognized and not done again, so after a crash anywhere all of it is simply run once more.

mod authorities;
mod logs;
mod served;
mod watch;

pub(crate) use authorities::{Authorities, tsa_deps};
pub(crate) use logs::{Family, Logs, Opener, limits};
pub(crate) use served::{Later, Served, dispatch};
pub(crate) use watch::{Seen, Stamp, watch};

use crate::instance::shards::Predecessor;
use crate::instance::{
    Description, Generation, Layout, PublicHalf, Record, Role, Schedule, Shard, Successor,
    describe, edit,
};
use crate::{trust_files, tuf_repository};
use anyhow::{Context, Error, Result};
use clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tlog::TreeHead;
use tuf::{Options, Repository};

/// Before a log is frozen that other processes may have open: they look for the next one more often.
const GRACE: Duration = Duration::from_secs(1);

/// How far the rotations came.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// What was ended, a sentence each.
    pub(crate) ended: Vec<String>,
    /// When something recorded is to be done.
    pub(crate) next: Option<OffsetDateTime>,
    /// Why a pending rotation cannot go on: its key is not in the TUF repository.
    pub(crate) held_up: Option<Error>,
}

impl Progress {
    /// An error when something is held up.
    pub(crate) fn unless_held_up(mut self) -> Result<Self> {
        match self.held_up.take() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

/// What one process has of an instance, and sees to.
#[derive(Clone)]
pub(crate) struct Keeper {
    pub(crate) layout: Layout,
    pub(crate) clock: Clock,
    /// The logs, when a role stands on them.
    pub(crate) logs: Option<Arc<Logs>>,
    /// What clients reach of the Rekor logs.
    pub(crate) served: Option<Served>,
    /// What else changes its keys here.
    pub(crate) authorities: Authorities,
    /// The development issuer's URL, for the trust files.
    pub(crate) oidc: Option<String>,
    /// The TUF repository, when this process publishes in it.
    pub(crate) tuf: Option<Repository>,
    /// Somebody reads the trust files in this process's folder.
    pub(crate) shows_trust: bool,
    /// It takes the steps that are recorded. Others follow, each by its own clock.
    pub(crate) advances: bool,
}

impl Keeper {
    /// Brings everything recorded into service and takes every step whose time has come, as far as it is this process's.
    ///
    /// A key has to be in the TUF repository before it signs, so a rotation waits for that; nothing else does.
    pub(crate) async fn go_on(&self) -> Result<Progress> {
        let mut progress = Progress::default();
        loop {
            let now = self.clock.now();
            let description = describe(&self.layout)?;
            let public = PublicHalf::load(&self.layout, &description.at(now)?)?;
            let shards = public.shards()?;
            // All of them, before any trust file names one.
            if let Some(logs) = self.rekor_logs() {
                for shard in &shards {
                    self.open(logs, shard).await?;
                }
            }
            self.sign_as_due(&public).await?;
            let published = self.show(&public).await;
            let is_pending = description.shards.iter().any(Record::is_pending)
                || description.successors.iter().any(|one| one.is_pending());
            match published {
                Err(error) if is_pending && self.advances => {
                    let what = "clients do not learn of the new key from the TUF repository";
                    progress.held_up = Some(error.context(what));
                    return Ok(progress);
                }
                Err(error) => tracing::error!(
                    "the TUF repository does not have the newest trust files: {error:#}"
                ),
                Ok(()) => {}
            }
            if !self.advances || (is_pending && !self.layout.is_writable()) {
                progress.next = next_takeover(&description, now)?;
                return Ok(progress);
            }
            if self.note_publication(&description, now).await? {
                continue;
            }
            match self.next_step(&description, &shards, now)? {
                Step::Call(name) => call(&self.layout, &name)?,
                Step::Freeze(logs, shard) => {
                    if logs.are_shared() {
                        // The others look four times a second, and open the next shard.
                        tokio::time::sleep(GRACE).await;
                    }
                    let head = freeze_before(logs, &shards, shard).await?;
                    progress.ended.push(record_end(&self.layout, shard, &head)?);
                }
                Step::TakeOver(name) => {
                    progress.ended.extend(take_over(&self.layout, &name, now)?);
                }
                Step::Wait(next) => {
                    progress.next = next;
                    return Ok(progress);
                }
            }
        }
    }

    /// The logs, when their keys are here.
    fn rekor_logs(&self) -> Option<&Logs> {
        self.logs.as_deref().filter(|logs| logs.has_rekor())
    }

    async fn open(&self, logs: &Logs, shard: &Shard) -> Result<()> {
        let (log, signer) = logs.open(shard).await?;
        if let Some(served) = &self.served {
            served.add(shard, log, signer);
        }
        Ok(())
    }

    /// Has every generation sign that is to, and freezes the CT logs that were replaced.
    async fn sign_as_due(&self, public: &PublicHalf) -> Result<()> {
        let all = public.generations(Role::Ct)?;
        let ct_logs = self.logs.as_deref().filter(|logs| logs.has_ct());
        if let Some(logs) = ct_logs {
            for generation in &all {
                let (log, signer) = logs.open_ct(generation).await?;
                if self.authorities.have_logs() {
                    self.authorities.add_log(generation, public, log, signer)?;
                }
            }
        }
        self.authorities.apply(&self.layout, public)?;
        // Last: from here on whoever still submits to an old log finds it frozen, and goes to the one after it.
        if let Some(logs) = ct_logs {
            for generation in all.iter().filter(|log| log.replaced.is_some()) {
                freeze_ct(logs, generation).await?;
            }
        }
        Ok(())
    }

    /// Writes the trust files and publishes them.
    async fn show(&self, public: &PublicHalf) -> Result<()> {
        let oidc = self.oidc.as_deref();
        if self.shows_trust {
            trust_files::write(public, oidc, &self.layout.trust())?;
        }
        if let Some(tuf) = &self.tuf {
            tuf_repository::publish(tuf, public, oidc, Options::default()).await?;
        }
        Ok(())
    }

    /// Writes down when pending keys were published. Answers whether something was written.
    async fn note_publication(
        &self,
        description: &Description,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let is_new = |schedule: &Schedule| schedule.published.is_none();
        // A CT log is made by a process that has its key.
        let mut missing = Vec::new();
        for record in &description.successors {
            if record.role == Role::Ct
                && is_new(&record.schedule)
                && let Some(logs) = &self.logs
                && !logs.exists(&record.name()).await?
            {
                missing.push(record.name());
            }
        }
        let is_ready =
            |record: &Successor| is_new(&record.schedule) && !missing.contains(&record.name());
        let shards = description.shards.iter();
        let mut shards = shards.filter_map(|one| one.schedule.as_ref());
        if !shards.any(is_new) && !description.successors.iter().any(is_ready) {
            return Ok(false);
        }
        edit(&self.layout, |description| {
            for record in &mut description.shards {
                let recorded = OffsetDateTime::parse(&record.start, &Rfc3339)?;
                if let Some(schedule) = record.schedule.as_mut().filter(|one| is_new(one)) {
                    schedule.publish(recorded, now)?;
                }
            }
            for record in &mut description.successors {
                let recorded = OffsetDateTime::parse(&record.start, &Rfc3339)?;
                if is_ready(record) {
                    record.schedule.publish(recorded, now)?;
                }
            }
            Ok(())
        })?;
        Ok(true)
    }

    fn next_step<'a>(
        &'a self,
        description: &Description,
        shards: &'a [Shard],
        now: OffsetDateTime,
    ) -> Result<Step<'a>> {
        let mut next: Option<OffsetDateTime> = None;
        let mut wait_for = |switch: OffsetDateTime| {
            next = Some(next.map_or(switch, |other| other.min(switch)));
        };
        for record in description.shards.iter().filter(|one| one.is_pending()) {
            // Shards are those of a process that has their keys.
            let Some(logs) = self.rekor_logs() else {
                break;
            };
            match &record.schedule {
                Some(schedule) if schedule.is_due(now)? => return Ok(Step::Call(record.name())),
                Some(schedule) => wait_for(schedule.switch()?),
                None if record.freeze()?.is_some_and(|freeze| freeze > now) => {
                    record.freeze()?.into_iter().for_each(&mut wait_for);
                }
                None => {
                    let shard = shards.iter().find(|shard| shard.name() == record.name());
                    let shard = shard.context("a recorded shard has a key")?;
                    return Ok(Step::Freeze(logs, shard));
                }
            }
        }
        for record in description.successors.iter().filter(|one| one.is_pending()) {
            match record.schedule.is_due(now)? {
                true => return Ok(Step::TakeOver(record.name())),
                false => wait_for(record.schedule.switch()?),
            }
        }
        Ok(Step::Wait(next))
    }
}

/// When the next key takes over, for a process that follows.
fn next_takeover(description: &Description, now: OffsetDateTime) -> Result<Option<OffsetDateTime>> {
    let mut next = None;
    for record in description.successors.iter().filter(|one| one.is_pending()) {
        let switch = record.schedule.switch()?;
        if record.schedule.published.is_some() && switch > now {
            next = Some(next.map_or(switch, |other: OffsetDateTime| other.min(switch)));
        }
    }
    Ok(next)
}

/// What is to be done next.
enum Step<'a> {
    /// The time of a shard has come: signing configs name it from now on.
    Call(String),
    /// Freeze the shard before this one.
    Freeze(&'a Logs, &'a Shard),
    /// Sign by this generation.
    TakeOver(String),
    /// Nothing until then.
    Wait(Option<OffsetDateTime>),
}

async fn freeze_ct(logs: &Logs, generation: &Generation) -> Result<()> {
    let (log, _) = logs.open_ct(generation).await?;
    if !log.is_frozen() {
        let frozen = log.freeze().await;
        frozen.with_context(|| could_not_freeze(&generation.name()))?;
    }
    Ok(())
}

/// The time of a shard has come.
fn call(layout: &Layout, name: &str) -> Result<()> {
    edit(layout, |description| {
        let mut records = description.shards.iter_mut();
        let record = records.find(|record| record.name() == name);
        record.with_context(|| forgotten(name))?.call()
    })
}

/// Writes down that a generation signs from now on, unless another process did. Answers a sentence about it.
///
/// What is due is done: see [`Keeper::sign_as_due`].
fn take_over(layout: &Layout, name: &str, now: OffsetDateTime) -> Result<Option<String>> {
    edit(layout, |description| {
        let mut records = description.successors.iter_mut();
        let record = records.find(|record| record.name() == name);
        let record = record.with_context(|| forgotten(name))?;
        if !record.is_pending() {
            return Ok(None);
        }
        record.since = Some(record.since_when(now)?);
        let text = format!("the {} signs as {name}", record.role.title());
        Ok(Some(text))
    })
}

async fn freeze_before(logs: &Logs, shards: &[Shard], next: &Shard) -> Result<Arc<TreeHead>> {
    let before = shards
        .iter()
        .rfind(|shard| shard.kind == next.kind && shard.number < next.number)
        .context("a shard has one before it")?;
    let (log, _) = logs.open(before).await?;
    let frozen = log.freeze().await;
    frozen.with_context(|| could_not_freeze(&before.name()))
}

/// Writes down that the shard before `shard` ended with this head.
fn record_end(layout: &Layout, shard: &Shard, head: &TreeHead) -> Result<String> {
    // The next whole second: no entry of the frozen shard is later.
    let second = head.time_ms.div_euclid(1000).saturating_add(1);
    let frozen = OffsetDateTime::from_unix_timestamp(second)?.format(&Rfc3339)?;
    edit(layout, |description| {
        let mut records = description.shards.iter_mut();
        let record = records.find(|one| one.log == shard.kind && one.number == shard.number);
        let record = record.with_context(|| forgotten(&shard.name()))?;
        // Another process that did the same wrote the same.
        record.predecessor = Some(Predecessor {
            frozen,
            size: head.size,
        });
        Ok(format!(
            "the log goes on as {}, the one before it is frozen at {} entries",
            record.name(),
            head.size
        ))
    })
}

fn could_not_freeze(name: &str) -> String {
    format!("{name} could not be frozen; the rotation goes on when the database answers")
}

fn forgotten(name: &str) -> String {
    format!("instance.json names {name} no more")
}
