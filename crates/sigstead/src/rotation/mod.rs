//! Rotation: the steps from a recorded shard to a frozen predecessor, and the logs they work on.
//!
//! 1. `sigstead rotate log` makes the key and records the shard in `instance.json`, as pending.
//! 2. Whoever holds the folder creates the shard's log and serves it: `up` while it runs, else the command itself.
//! 3. The trust files name it, so that clients that read them from now on know its key before its first entry.
//! 4. The shard before it is frozen.
//! 5. The record says when, and the trust files get the end of the frozen key.
//!
//! A step that was done is recognized and not done again, so after a crash anywhere all of it is simply run once more.

mod logs;
mod served;
mod watch;

pub(crate) use logs::{Opener, RekorLogs, limits};
pub(crate) use served::{Served, dispatch};
pub(crate) use watch::{Stamp, watch};

use crate::instance::shards::Predecessor;
use crate::instance::{Layout, PublicHalf, Record, Shard, describe, edit};
use crate::{trust_files, tuf_repository};
use anyhow::{Context, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tlog::TreeHead;
use tuf::{Options, Repository};

/// Brings all recorded shards into service and ends all pending rotations. Answers those that it ended.
///
/// A key has to be in `tuf` before its first entry, so a rotation waits for that; without one nothing waits for it.
///
/// `oidc` is the development issuer's URL for the trust files, `served` what clients reach; nobody in a command.
pub(crate) async fn finish(
    layout: &Layout,
    logs: &RekorLogs,
    served: Option<&Served>,
    oidc: Option<&str>,
    tuf: &Repository,
) -> Result<Vec<Record>> {
    let mut ended = Vec::new();
    loop {
        let public = PublicHalf::load(layout, &describe(layout)?)?;
        let shards = public.shards()?;
        // All of them, before any trust file names one.
        for shard in &shards {
            open(logs, served, shard).await?;
        }
        trust_files::write(&public, oidc, &layout.trust())?;
        let published = tuf_repository::publish(tuf, &public, oidc, Options::default()).await;
        let Some(next) = shards.iter().find(|shard| shard.is_pending) else {
            if let Err(error) = published {
                tracing::error!(
                    "the TUF repository does not have the newest trust files: {error:#}"
                );
            }
            return Ok(ended);
        };
        published.context("clients do not learn of the new shard from the TUF repository")?;
        let head = freeze_before(logs, &shards, next).await?;
        ended.push(record_end(layout, next, &head)?);
    }
}

async fn open(logs: &RekorLogs, served: Option<&Served>, shard: &Shard) -> Result<()> {
    let (log, signer) = logs.open(shard).await?;
    if let Some(served) = served {
        served.add(shard, log, signer);
    }
    Ok(())
}

async fn freeze_before(
    logs: &RekorLogs,
    shards: &[Shard],
    next: &Shard,
) -> Result<std::sync::Arc<TreeHead>> {
    let before = shards
        .iter()
        .rfind(|shard| shard.kind == next.kind && shard.number < next.number)
        .context("a shard has one before it")?;
    let (log, _) = logs.open(before).await?;
    log.freeze().await.with_context(|| {
        format!(
            "{} could not be frozen; the rotation goes on when the database answers",
            before.name()
        )
    })
}

/// Writes down that the shard before `shard` ended with this head.
fn record_end(layout: &Layout, shard: &Shard, head: &TreeHead) -> Result<Record> {
    // The next whole second: no entry of the frozen shard is later.
    let second = head.time_ms.div_euclid(1000).saturating_add(1);
    let frozen = OffsetDateTime::from_unix_timestamp(second)?.format(&Rfc3339)?;
    edit(layout, |description| {
        let record = description
            .shards
            .iter_mut()
            .find(|record| record.log == shard.kind && record.number == shard.number)
            .with_context(|| format!("instance.json names {} no more", shard.name()))?;
        record.predecessor = Some(Predecessor {
            frozen,
            size: head.size,
        });
        Ok(record.clone())
    })
}
