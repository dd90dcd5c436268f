//! `sigstead rotate log`: freezes the current shard of a Rekor log and starts the next one.
//!
//! The command makes the key and records the shard. The process that serves the folder does the rest while this one waits
//! (see [`crate::rotation`]); when there is none, this one does it.

mod plan;
mod report;

use crate::cli::RotateLogArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Instance, Layout, PublicHalf, describe, edit, shards};
use crate::outward::Outward;
use crate::rotation::{self, Opener, RekorLogs};
use crate::tuf_repository;
use anyhow::{Context, Result, bail};
use clock::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget};
use plan::Plan;
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use tlog::FileGuard;

/// A serving process looks four times a second; then it is a handful of small writes.
const WAIT: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(100);

pub(crate) fn run(args: RotateLogArgs) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    let plan = Plan::new(&description, &public, &args).map_err(Failure::Usage)?;
    if args.dry_run {
        report::plan(&plan, &public, args.json)?;
        return Ok(Outcome::Success);
    }
    if !args.yes {
        report::plan(&plan, &public, false)?;
        let error = anyhow::anyhow!("nothing was changed; to do it, add --yes");
        return Err(Failure::Failed(error));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(rotate(&args, &layout, plan))?;
    Ok(Outcome::Success)
}

async fn rotate(args: &RotateLogArgs, layout: &Layout, plan: Plan) -> Result<()> {
    // 1. Who will do it. A database that does not open must not leave a rotation half begun.
    let taken = Taken::try_take(args).await?;
    // 2. Keys and public halves, then the record: from here on it will come to be.
    let plan = record(layout, plan, args)?;
    // 3. The rest.
    let by_us = match taken {
        Some(taken) => taken.finish().await.map(|()| true)?,
        None => wait(args, layout, &plan).await?,
    };
    let public = PublicHalf::load(layout, &describe(layout)?)?;
    report::done(&plan, &public, layout, by_us, args.json)
}

/// Records the planned shards, unless somebody else began a rotation meanwhile: then that one is finished.
fn record(layout: &Layout, plan: Plan, args: &RotateLogArgs) -> Result<Plan> {
    if plan.is_under_way() {
        return Ok(plan);
    }
    edit(layout, |description| {
        let public = PublicHalf::load(layout, description)?;
        let plan = Plan::new(description, &public, args)?;
        if !plan.is_under_way() {
            for record in plan.records() {
                shards::make_key(layout, record.log, record.number)?;
            }
            description.shards.extend_from_slice(plan.records());
        }
        Ok(plan)
    })
}

/// A folder that nobody serves, taken for the time of the rotation.
struct Taken {
    layout: Layout,
    logs: RekorLogs,
    tuf: tuf::Repository,
}

impl Taken {
    /// `None` when a process serves the folder.
    async fn try_take(args: &RotateLogArgs) -> Result<Option<Self>> {
        let Ok(layout) = Layout::lock(&args.data.data_dir) else {
            return Ok(None);
        };
        let instance = Instance::open_stopped(layout)?;
        let database = args.database.or_file_in(&instance.layout);
        let clock = Clock::system();
        let opener = Opener {
            store: database.open(false).await?,
            guard: FileGuard::open(&instance.layout.guard())?,
            clock: clock.clone(),
            is_new: false,
            limits: rotation::limits(),
            outward: Outward::default(),
        };
        Ok(Some(Self {
            tuf: tuf_repository::open(&instance.layout, &database, &clock)?,
            logs: RekorLogs::new(&instance, opener),
            layout: instance.layout,
        }))
    }

    async fn finish(self) -> Result<()> {
        let oidc = super::trust::oidc_url(&self.layout);
        let finished =
            rotation::finish(&self.layout, &self.logs, None, oidc.as_deref(), &self.tuf).await;
        self.logs.close().await;
        finished.map(drop)
    }
}

/// Waits for the serving process. When that ends meanwhile, the rotation is finished here. Answers whether it was.
async fn wait(args: &RotateLogArgs, layout: &Layout, plan: &Plan) -> Result<bool> {
    let bar = spinner(args.json);
    let since = Instant::now();
    while !plan.is_done(&describe(layout)?) {
        bar.set_message(format!(
            "waiting for the process that serves {}",
            layout.root().display()
        ));
        bar.tick();
        if let Some(taken) = Taken::try_take(args).await.context(
            "the process that served the folder ended before the rotation did; the next `sigstead up` finishes it",
        )? {
            taken.finish().await?;
            bar.finish_and_clear();
            return Ok(true);
        }
        if since.elapsed() > WAIT {
            bail!(
                "the process that serves {} has not finished the rotation within {} s. It is recorded: that process goes on \
                 with it, or its next start does; what holds it up is in its log",
                layout.root().display(),
                WAIT.as_secs()
            );
        }
        tokio::time::sleep(PERIOD).await;
    }
    bar.finish_and_clear();
    Ok(false)
}

/// On a terminal, on standard error, so that the outcome can be piped.
fn spinner(json: bool) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() && !json {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::new_spinner();
    bar.set_draw_target(target);
    bar
}

#[cfg(test)]
mod tests;
