//! `sigstead fsck`: recomputes the logs of a stopped instance from their stored bytes.

pub(crate) mod accept;
pub(crate) mod heads;
mod report;

use crate::cli::{DatabaseArgs, FsckArgs};
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, Role, describe};
use anyhow::{Context, Result, bail};
use heads::Heads;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use tlog::fsck::Report;
use tlog::{FileGuard, Guard, Store};

pub(crate) fn run(args: FsckArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    // What cannot be read is the caller's to mend, as a wrong argument is: 2. Findings are 1.
    runtime.block_on(fsck(&args)).map_err(Failure::Usage)
}

async fn fsck(args: &FsckArgs) -> Result<Outcome> {
    let stopped = Stopped::open(&args.data.data_dir, &args.database).await?;
    let outcome = match &args.accept_rollback {
        Some(log) => accept::run(&stopped, log, args.yes).await,
        None => check(&stopped, args).await,
    };
    stopped.close().await;
    outcome
}

async fn check(stopped: &Stopped, args: &FsckArgs) -> Result<Outcome> {
    let mut reports = Vec::new();
    for (name, heads) in &stopped.heads {
        if args.log.as_ref().is_none_or(|log| log == name) {
            reports.push(check_log(stopped, name, heads, args.json).await?);
        }
    }
    if reports.is_empty() {
        bail!("--log: {}", stopped.unknown(args.log.as_deref()));
    }
    report::print(&reports, args.json)?;
    Ok(match reports.iter().all(Report::is_clean) {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

async fn check_log(stopped: &Stopped, name: &str, heads: &Heads, json: bool) -> Result<Report> {
    let bar = bar(name, json);
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let report =
        tlog::fsck::check(&*stopped.store, name, heads, &*stopped.guard, &mut progress).await;
    bar.finish_and_clear();
    report.with_context(|| format!("log {name} could not be read to its end"))
}

/// On a terminal, on standard error, so that the report can be piped.
pub(crate) fn bar(name: &str, json: bool) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() && !json {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(name.to_owned());
    let style = "{prefix:9} {wide_bar} {human_pos} of {human_len} entries, {eta} left";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// An instance that nobody serves: its folder is locked for as long as this lives.
struct Stopped {
    _layout: Layout,
    store: Arc<dyn Store>,
    guard: Arc<FileGuard>,
    heads: Vec<(String, Heads)>,
}

impl Stopped {
    async fn open(folder: &Path, database: &DatabaseArgs) -> Result<Self> {
        let description = describe(&Layout::read_only(folder))?;
        let layout = Layout::lock(folder).context("fsck needs the instance stopped")?;
        let public = PublicHalf::load(&layout, &description)?;
        let store = database.or_file_in(&layout).open(false).await?;
        let mut heads = Heads::all(&public)?;
        // The log of a rotation that was interrupted at its beginning is made by the next start.
        let shards = public.shards()?.into_iter();
        let pending = shards.filter(|shard| shard.is_pending);
        let mut pending: Vec<String> = pending.map(|shard| shard.name()).collect();
        let ct = public.generations(Role::Ct)?.into_iter();
        pending.extend(ct.filter(|log| log.is_pending).map(|log| log.name()));
        for log in pending {
            if store.head(&log).await?.is_none() {
                heads.retain(|(name, _)| *name != log);
            }
        }
        Ok(Self {
            store,
            guard: FileGuard::open(&layout.guard())?,
            heads,
            _layout: layout,
        })
    }

    fn unknown(&self, log: Option<&str>) -> String {
        let names: Vec<&str> = self.heads.iter().map(|(name, _)| &**name).collect();
        format!(
            "there is no log {:?}; the logs are {}",
            log.unwrap_or_default(),
            names.join(", ")
        )
    }

    async fn close(&self) {
        self.guard.close().await;
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests;
