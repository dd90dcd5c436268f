//! Rotation: the steps from a recorded key to the end of the one before it, and what they work on.
//!
//! 1. `sigstead rotate …` makes the keys and records shard or generation in `instance.json`, as pending.
//! 2. Whoever holds the folder does the rest: `up` while it runs, else the command itself. Logs are created and served.
//! 3. The trust files and the TUF repository name the new key; the record says when that was.
//! 4. The recorded time comes, by the process's own clock. Nobody has to wait for it: the next start goes on as well.
//! 5. Signing goes over, in the process, between two requests. For a shard: the one before it is frozen.
//! 6. The record says when, and the trust files get the end of the old key. A CT log is frozen after the next one signs.
//!
//! A step that was done is recognized and not done again, so after a crash anywhere all of it is simply run once more.

mod authorities;
mod logs;
mod served;
mod watch;

pub(crate) use authorities::Authorities;
pub(crate) use logs::{Logs, Opener};
pub(crate) use served::{Served, dispatch};
pub(crate) use watch::{Seen, Stamp, watch};

use crate::instance::shards::Predecessor;
use crate::instance::{
    Description, Generation, Layout, PublicHalf, Record, Role, Schedule, Shard, describe, edit,
};
use crate::{trust_files, tuf_repository};
use anyhow::{Context, Error, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tlog::TreeHead;
use tuf::{Options, Repository};

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

/// Brings everything recorded into service and takes every step whose time has come.
///
/// A key has to be in `tuf` before it signs, so a rotation waits for that; without one nothing waits for it.
///
/// `oidc` is the development issuer's URL for the trust files, `served` what clients reach; nobody in a command.
pub(crate) async fn finish(
    layout: &Layout,
    logs: &Logs,
    served: Option<&Served>,
    oidc: Option<&str>,
    tuf: &Repository,
) -> Result<Progress> {
    let mut progress = Progress::default();
    loop {
        let description = describe(layout)?;
        let public = PublicHalf::load(layout, &description)?;
        let shards = public.shards()?;
        // All of them, before any trust file names one.
        for shard in &shards {
            open(logs, served, shard).await?;
        }
        sign_as_recorded(layout, logs, served, &public).await?;
        trust_files::write(&public, oidc, &layout.trust())?;
        let published = tuf_repository::publish(tuf, &public, oidc, Options::default()).await;
        let is_pending = description.shards.iter().any(Record::is_pending)
            || description.successors.iter().any(|one| one.is_pending());
        match published {
            Err(error) if is_pending => {
                let what = "clients do not learn of the new key from the TUF repository";
                progress.held_up = Some(error.context(what));
                return Ok(progress);
            }
            Err(error) => tracing::error!(
                "the TUF repository does not have the newest trust files: {error:#}"
            ),
            Ok(_) => {}
        }
        let now = logs.clock().now();
        if note_publication(layout, &description, now)? {
            continue;
        }
        match next_step(&description, &shards, now)? {
            Step::Call(name) => call(layout, &name)?,
            Step::Freeze(shard) => {
                let head = freeze_before(logs, &shards, shard).await?;
                progress.ended.push(record_end(layout, shard, &head)?);
            }
            Step::TakeOver(name) => progress.ended.push(take_over(layout, &name, now)?),
            Step::Wait(next) => {
                progress.next = next;
                return Ok(progress);
            }
        }
    }
}

/// What is to be done next.
enum Step<'a> {
    /// The time of a shard has come: signing configs name it from now on.
    Call(String),
    /// Freeze the shard before this one.
    Freeze(&'a Shard),
    /// Sign by this generation.
    TakeOver(String),
    /// Nothing until then.
    Wait(Option<OffsetDateTime>),
}

fn next_step<'a>(
    description: &Description,
    shards: &'a [Shard],
    now: OffsetDateTime,
) -> Result<Step<'a>> {
    let mut next: Option<OffsetDateTime> = None;
    let mut wait_for = |switch: OffsetDateTime| {
        next = Some(next.map_or(switch, |other| other.min(switch)));
    };
    for record in description.shards.iter().filter(|one| one.is_pending()) {
        match &record.schedule {
            Some(schedule) if schedule.is_due(now)? => return Ok(Step::Call(record.name())),
            Some(schedule) => wait_for(schedule.switch()?),
            None if record.freeze()?.is_some_and(|freeze| freeze > now) => {
                record.freeze()?.into_iter().for_each(&mut wait_for);
            }
            None => {
                let shard = shards.iter().find(|shard| shard.name() == record.name());
                return Ok(Step::Freeze(shard.context("a recorded shard has a key")?));
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

async fn open(logs: &Logs, served: Option<&Served>, shard: &Shard) -> Result<()> {
    let (log, signer) = logs.open(shard).await?;
    if let Some(served) = served {
        served.add(shard, log, signer);
    }
    Ok(())
}

/// Has every generation sign that is recorded to, and freezes the CT logs that were replaced.
async fn sign_as_recorded(
    layout: &Layout,
    logs: &Logs,
    served: Option<&Served>,
    public: &PublicHalf,
) -> Result<()> {
    let all = public.generations(Role::Ct)?;
    for generation in &all {
        let (log, signer) = logs.open_ct(generation).await?;
        if let Some(served) = served
            && let Some(authorities) = served.authorities()
        {
            let log = authorities.serve_ct(generation, public, log, signer)?;
            served.add_ct(generation, &log);
        }
    }
    if let Some(authorities) = served.and_then(Served::authorities) {
        authorities.apply(layout, public)?;
    }
    // Last: from here on whoever still submits to an old log finds it frozen, and goes to the one after it.
    for generation in all.iter().filter(|log| log.replaced.is_some()) {
        freeze_ct(logs, generation).await?;
    }
    Ok(())
}

async fn freeze_ct(logs: &Logs, generation: &Generation) -> Result<()> {
    let (log, _) = logs.open_ct(generation).await?;
    if !log.is_frozen() {
        let frozen = log.freeze().await;
        frozen.with_context(|| could_not_freeze(&generation.name()))?;
    }
    Ok(())
}

/// Writes down when pending keys were published. Answers whether something was written.
fn note_publication(
    layout: &Layout,
    description: &Description,
    now: OffsetDateTime,
) -> Result<bool> {
    let is_new = |schedule: &Schedule| schedule.published.is_none();
    let shards = description.shards.iter();
    let shards = shards.filter_map(|one| one.schedule.as_ref());
    let successors = description.successors.iter();
    let mut all = shards.chain(successors.map(|one| &one.schedule));
    if !all.any(is_new) {
        return Ok(false);
    }
    edit(layout, |description| {
        for record in &mut description.shards {
            let recorded = OffsetDateTime::parse(&record.start, &Rfc3339)?;
            if let Some(schedule) = record.schedule.as_mut().filter(|one| is_new(one)) {
                schedule.publish(recorded, now)?;
            }
        }
        for record in &mut description.successors {
            let recorded = OffsetDateTime::parse(&record.start, &Rfc3339)?;
            if is_new(&record.schedule) {
                record.schedule.publish(recorded, now)?;
            }
        }
        Ok(())
    })?;
    Ok(true)
}

/// The time of a shard has come.
fn call(layout: &Layout, name: &str) -> Result<()> {
    edit(layout, |description| {
        let mut records = description.shards.iter_mut();
        let record = records.find(|record| record.name() == name);
        record.with_context(|| forgotten(name))?.call()
    })
}

/// Writes down that a generation signs from now on. What is written is done: see [`sign_as_recorded`].
fn take_over(layout: &Layout, name: &str, now: OffsetDateTime) -> Result<String> {
    edit(layout, |description| {
        let mut records = description.successors.iter_mut();
        let record = records.find(|record| record.name() == name);
        let record = record.with_context(|| forgotten(name))?;
        record.since = Some(record.since_when(now)?);
        Ok(format!("the {} signs as {name}", record.role.title()))
    })
}

async fn freeze_before(
    logs: &Logs,
    shards: &[Shard],
    next: &Shard,
) -> Result<std::sync::Arc<TreeHead>> {
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
