//! `sigstead rotate log`: freezes the current shard of a Rekor log and starts the next one.

use super::drive::{Place, Taken, drive};
use super::plan::Plan;
use super::{may_begin, report};
use crate::cli::rotate::RotateLogArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, describe, edit, shards};
use anyhow::Result;

pub(super) async fn run(args: &RotateLogArgs, place: &Place<'_>) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&place.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    let plan = Plan::new(&description, &public, args, place.clock.now()).map_err(Failure::Usage)?;
    let show = |as_json| report::plan(&plan, &public, as_json);
    if !may_begin(&args.role, show)? {
        return Ok(Outcome::Success);
    }
    rotate(args, place, &layout, plan).await?;
    Ok(Outcome::Success)
}

pub(super) async fn rotate(
    args: &RotateLogArgs,
    place: &Place<'_>,
    layout: &Layout,
    plan: Plan,
) -> Result<()> {
    // 1. Who will do it. A database that does not open must not leave a rotation half begun.
    let taken = Taken::try_take(place).await?;
    // 2. Keys and public halves, then the record: from here on it will come to be.
    let plan = record(layout, plan, args, place)?;
    // 3. The rest.
    let driven = drive(place, layout, &plan, taken).await?;
    let public = PublicHalf::load(layout, &describe(layout)?)?;
    match driven.waits {
        Some(until) => report::waits(&plan, &public, until, driven.by_us, args.role.json),
        None => report::done(&plan, &public, layout, driven.by_us, args.role.json),
    }
}

/// Records the planned shards, unless somebody else began a rotation meanwhile: then that one is finished.
pub(super) fn record(
    layout: &Layout,
    plan: Plan,
    args: &RotateLogArgs,
    place: &Place<'_>,
) -> Result<Plan> {
    if plan.is_under_way() && !plan.is_changed() {
        return Ok(plan);
    }
    edit(layout, |description| {
        let public = PublicHalf::load(layout, description)?;
        let plan = Plan::new(description, &public, args, place.clock.now())?;
        if plan.is_under_way() {
            for changed in plan.records() {
                let mut recorded = description.shards.iter_mut();
                if let Some(record) = recorded.find(|record| record.name() == changed.name()) {
                    *record = changed.clone();
                }
            }
        } else {
            for record in plan.records() {
                shards::make_key(layout, record.log, record.number)?;
            }
            description.shards.extend_from_slice(plan.records());
        }
        Ok(plan)
    })
}
