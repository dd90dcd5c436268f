//! How plan and outcome of a log's rotation are shown, for people and as JSON.

use super::plan::Plan;
use super::print;
use super::times::text as time_text;
use crate::instance::shards::key_folder;
use crate::instance::{Kind, Layout, PublicHalf, Record, Shard};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use time::OffsetDateTime;

/// Says what would be done.
pub(super) fn plan(plan: &Plan, public: &PublicHalf, as_json: bool) -> Result<()> {
    if as_json {
        let shards = plan.records().iter().map(|record| {
            json!({
                "log": record.log.name(),
                "frozen": before(record, public).map(|shard| shard.name()),
                "next": record.name(),
                "url": url(record, public),
                "switch": record.schedule.as_ref().map(|schedule| &schedule.switch),
                "compromised_since": record.compromised,
            })
        });
        let shards: Vec<Value> = shards.collect();
        let text = json!({"done": false, "under_way": plan.is_under_way(), "rotations": shards});
        print(&serde_json::to_string_pretty(&text)?);
        return Ok(());
    }
    let mut text = String::new();
    if plan.is_under_way() {
        text += "A rotation is under way; it will be finished, and no other begun:\n";
    }
    for record in plan.records() {
        let old = before(record, public).map_or_else(String::new, |shard| shard.name());
        let (name, url) = (record.name(), url(record, public));
        let moves = match record.log {
            Kind::RekorV1 => {
                "Clients notice nothing: writes go on in the new shard, old entries stay readable"
            }
            Kind::RekorV2 => "Clients with the old signing config are answered 405 from then on",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{}: {old} would be frozen for ever; {name} would take its place at {url}, with a key of its own.\n  {moves}.",
            record.log.name()
        );
        if let Some(schedule) = &record.schedule {
            let _ = writeln!(
                text,
                "  {name} is named in the trust files and in the TUF repository at once, {old} is frozen at {}.",
                schedule.switch
            );
        }
        if let Some(since) = &record.compromised {
            let _ = writeln!(text, "  What {old} signed since {since} is void.");
        }
    }
    text += "The trust files name the new keys beside the old ones. Whoever verifies needs the new trusted root, whoever \
             signs with Rekor v2 the new signing config.";
    print(&text);
    Ok(())
}

/// Says what will be done by itself.
pub(super) fn waits(
    plan: &Plan,
    public: &PublicHalf,
    until: OffsetDateTime,
    by_us: bool,
    as_json: bool,
) -> Result<()> {
    let until = time_text(until)?;
    let names: Vec<String> = plan.records().iter().map(Record::name).collect();
    if as_json {
        let by = if by_us { "command" } else { "server" };
        let urls = plan.records().iter().map(|record| url(record, public));
        let urls: Vec<String> = urls.collect();
        let text =
            json!({"done": false, "by": by, "waits_until": until, "next": names, "urls": urls});
        print(&serde_json::to_string_pretty(&text)?);
        return Ok(());
    }
    print(&format!(
        "{} published; entries go there from {until} on. Nobody has to wait for it: the process that serves the folder goes on \
         by itself, and one that is stopped then with its next start.\n\
         Sooner: sigstead rotate log --propagation 0s --yes\n\
         Next: back up the data folder: it has new keys.",
        match names.as_slice() {
            [one] => format!("{one} is"),
            many => format!("{} are", many.join(" and ")),
        }
    ));
    Ok(())
}

/// Says what was done.
pub(super) fn done(
    plan: &Plan,
    public: &PublicHalf,
    layout: &Layout,
    by_us: bool,
    as_json: bool,
) -> Result<()> {
    let mut rotations = Vec::new();
    let mut text = String::new();
    for planned in plan.records() {
        let (record, shard) = public
            .record(&planned.name())
            .with_context(|| format!("instance.json names {} no more", planned.name()))?;
        let end = record.predecessor.context("the rotation has no end")?;
        let old = before(planned, public).context("a shard has one before it")?;
        rotations.push(json!({
            "log": shard.kind.name(),
            "frozen": {"shard": old.name(), "url": old.url, "size": end.size, "time": end.frozen},
            "active": {"shard": shard.name(), "url": shard.url, "log_id": hex::encode(shard.log_id())},
        }));
        let _ = writeln!(
            text,
            "{}: frozen at {} entries. {} goes on at {}, log ID {}, key in {}.",
            old.name(),
            end.size,
            shard.name(),
            shard.url,
            hex::encode(shard.log_id()),
            key_folder(layout, shard.number).display(),
        );
    }
    let trust = layout.trust();
    if as_json {
        let by = if by_us { "command" } else { "server" };
        let text = json!({"done": true, "by": by, "rotations": rotations, "trust_dir": trust});
        print(&serde_json::to_string_pretty(&text)?);
        return Ok(());
    }
    if by_us {
        text += "Nobody serves the folder; the next `sigstead up` serves all shards.\n";
    }
    let _ = write!(
        text,
        "Next: give your clients the files in {}, and back up the data folder: it has new keys.",
        trust.display()
    );
    print(&text);
    Ok(())
}

/// The shard that a recorded or planned one follows.
fn before(record: &Record, public: &PublicHalf) -> Option<Shard> {
    let shards = public.shards_of(record.log).ok()?;
    shards
        .into_iter()
        .rfind(|shard| shard.number < record.number)
}

fn url(record: &Record, public: &PublicHalf) -> String {
    record.url_under(public.rekor_url(record.log))
}
