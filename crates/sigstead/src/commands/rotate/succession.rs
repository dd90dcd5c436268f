//! `sigstead rotate ca|ct|tsa`: the next generation of a role's keys.

use super::drive::{Driven, Place, Taken, drive};
use super::times::{Times, text};
use super::{Planned, State, may_begin, print};
use crate::cli::rotate::RotateRoleArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::generations::{self, AFTER_SWITCH};
use crate::instance::{
    Description, Generation, Layout, PublicHalf, Role, Schedule, Successor, describe, edit,
};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fmt::Write as _;
use time::OffsetDateTime;

pub(super) async fn run(
    role: Role,
    new_root: bool,
    args: &RotateRoleArgs,
    place: &Place<'_>,
) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&place.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    let now = place.clock.now();
    let plan = Succession::new(role, new_root, &description, &public, args, now);
    let plan = plan.map_err(Failure::Usage)?;
    if !may_begin(args, |as_json| plan.show(as_json))? {
        return Ok(Outcome::Success);
    }
    // 1. Who will do it. A database that does not open must not leave a rotation half begun.
    let taken = Taken::try_take(place).await?;
    // 2. Keys, chain, then the record: from here on it will come to be.
    let plan = plan.record(&layout, &public).await?;
    // 3. The rest.
    let driven = drive(place, &layout, &plan, taken).await?;
    plan.tell(&layout, &driven, args.json)?;
    Ok(Outcome::Success)
}

/// The generation that comes to be.
pub(super) struct Succession {
    record: Successor,
    /// The one before it.
    old: Generation,
    is_under_way: bool,
    /// What is under way gets other times.
    is_changed: bool,
}

impl Succession {
    /// Plans from what is recorded. A rotation of the role that is under way comes first: it is finished, and no other begun.
    pub(super) fn new(
        role: Role,
        new_root: bool,
        description: &Description,
        public: &PublicHalf,
        args: &RotateRoleArgs,
        now: OffsetDateTime,
    ) -> Result<Self> {
        let times = Times::new(&args.timing, public, now)?;
        let old = public.active(role)?;
        let compromised = times.compromised_text(&old.name(), old.start)?;
        let pending = description.successors.iter();
        let mut pending = pending.filter(|record| record.role == role && record.is_pending());
        if let Some(under_way) = pending.next() {
            let mut record = under_way.clone();
            if new_root && !record.new_root {
                bail!(
                    "{} is under way without a new root; finish it first (sigstead rotate {} --propagation 0s --yes), then \
                     begin again with --root",
                    record.name(),
                    role.name()
                );
            }
            if times.are_given {
                record.schedule = Schedule {
                    published: record.schedule.published,
                    ..times.schedule()?
                };
                record.compromised = compromised.or(record.compromised);
            }
            return Ok(Self {
                record,
                old,
                is_under_way: true,
                is_changed: times.are_given,
            });
        }
        let record = Successor {
            role,
            number: old.number + 1,
            new_root,
            start: times.now_text()?,
            schedule: times.schedule()?,
            since: None,
            compromised,
        };
        Ok(Self {
            record,
            old,
            is_under_way: false,
            is_changed: false,
        })
    }

    #[cfg(test)]
    pub(super) fn into_record(self) -> Successor {
        self.record
    }

    /// Makes the keys and records the generation, unless somebody else began a rotation meanwhile: then that one is finished.
    pub(super) async fn record(mut self, layout: &Layout, public: &PublicHalf) -> Result<Self> {
        if self.is_under_way && !self.is_changed {
            return Ok(self);
        }
        // One command at a time: a chain that was recorded must not be written again.
        let _lock = layout.lock_rotations()?;
        let known = describe(layout)?.successors.into_iter();
        let mut known = known.filter(|record| record.name() == self.record.name());
        if !self.is_under_way {
            if let Some(begun) = known.next() {
                self.record = begun;
                self.is_under_way = true;
                return Ok(self);
            }
            let before = public.generations(self.record.role)?;
            generations::make(layout, &self.record, &before).await?;
        }
        let name = self.record.name();
        let recorded = edit(layout, |description| {
            let mut records = description.successors.iter_mut();
            let known = records.find(|record| record.name() == name);
            match known {
                Some(known) if known.is_pending() => *known = self.record.clone(),
                // It took over meanwhile.
                Some(known) => return Ok(known.clone()),
                None => description.successors.push(self.record.clone()),
            }
            Ok(self.record.clone())
        })?;
        self.record = recorded;
        Ok(self)
    }

    /// Says what would be done, and when.
    fn show(&self, as_json: bool) -> Result<()> {
        if as_json {
            let text = json!({
                "done": false,
                "under_way": self.is_under_way,
                "rotation": self.json()?,
            });
            print(&serde_json::to_string_pretty(&text)?);
            return Ok(());
        }
        let (old, new) = (self.old.name(), self.record.name());
        let switch = self.record.schedule.switch()?;
        let root = match (self.record.role, self.record.new_root) {
            (Role::Ct, _) => ", a log of its own",
            (_, true) => ", under a new root",
            (_, false) => ", under the root that there is",
        };
        let mut plan = match self.is_under_way {
            true => {
                "A rotation is under way; it will be finished, and no other begun:\n".to_owned()
            }
            false => String::new(),
        };
        let published = match &self.record.schedule.published {
            Some(published) => published.clone(),
            None => "now".to_owned(),
        };
        let end = match &self.record.compromised {
            Some(since) => format!("what {old} signed since {since} is void"),
            None => format!("{old} is trusted until {}", text(switch + AFTER_SWITCH)?),
        };
        let frozen = match self.record.role {
            Role::Ct => format!("; {old} is frozen and stays readable"),
            _ => String::new(),
        };
        // Writing into a String cannot fail.
        let _ = write!(
            plan,
            "{}: {old} signs now; {new} takes its place{root}.\n\
             \x20 {published:<22} {new} is named in the trust files and in the TUF repository, beside {old}\n\
             \x20 {:<22} {new} signs, {old} no more; no client notices\n\
             \x20 {:<22} {end}; everything older stays verifiable{frozen}",
            self.record.role.title(),
            text(switch)?,
            "then",
        );
        print(&plan);
        Ok(())
    }

    /// Says what was done.
    fn tell(&self, layout: &Layout, driven: &Driven, as_json: bool) -> Result<()> {
        let public = PublicHalf::load(layout, &describe(layout)?)?;
        let now = self.now_recorded(&public)?;
        let trust = layout.trust();
        let until = driven.waits.map(text).transpose()?;
        if as_json {
            let by = if driven.by_us { "command" } else { "server" };
            let text = json!({
                "done": until.is_none(),
                "by": by,
                "waits_until": until,
                "rotation": now.json()?,
                "trust_dir": trust,
            });
            print(&serde_json::to_string_pretty(&text)?);
            return Ok(());
        }
        let (old, new) = (self.old.name(), self.record.name());
        let keys = generations::key_folder(layout, self.record.role, self.record.number);
        let mut said = match &until {
            Some(until) => format!(
                "{new} is published and takes the place of {old} at {until}. Nobody has to wait for it: the process that serves \
                 the folder goes on by itself, and one that is stopped then with its next start.\n\
                 Sooner: sigstead rotate {} --propagation 0s --yes\n",
                self.record.role.name()
            ),
            None => format!(
                "{new} signs; {old} is closed. Its key is in {}.\n",
                keys.display()
            ),
        };
        if driven.by_us {
            said += "Nobody serves the folder; the next `sigstead up` serves with the new key.\n";
        }
        let _ = write!(
            said,
            "Next: give clients that do not follow the TUF repository the files in {}, and back up the data folder: it has new \
             keys.",
            trust.display()
        );
        print(&said);
        Ok(())
    }

    /// The same plan with what is recorded now.
    fn now_recorded(&self, public: &PublicHalf) -> Result<Self> {
        let all = public.generations(self.record.role)?;
        let find = |number| all.iter().find(|one| one.number == number).cloned();
        let record = public.successor(&self.record.name());
        Ok(Self {
            record: record.context("the rotation is recorded")?,
            old: find(self.old.number).context("a generation is recorded")?,
            is_under_way: self.is_under_way,
            is_changed: self.is_changed,
        })
    }

    fn json(&self) -> Result<Value> {
        let switch = self.record.schedule.switch()?;
        let until = match self.old.end() {
            Some(end) => end,
            None => switch + AFTER_SWITCH,
        };
        Ok(json!({
            "role": self.record.role.name(),
            "old": self.old.name(),
            "new": self.record.name(),
            "new_root": self.record.new_root,
            "published": self.record.schedule.published,
            "switch": self.record.schedule.switch,
            "since": self.record.since,
            "old_until": text(until)?,
            "compromised_since": self.record.compromised,
        }))
    }
}

impl Planned for Succession {
    fn state(&self, description: &Description, _: &PublicHalf) -> Result<State> {
        let name = self.record.name();
        let mut records = description.successors.iter();
        let record = records.find(|record| record.name() == name);
        let record = record.context("instance.json names the new key no more")?;
        Ok(match record.schedule.published {
            _ if !record.is_pending() => State::Done,
            Some(_) => State::Waits(record.schedule.switch()?),
            None => State::Open,
        })
    }
}
