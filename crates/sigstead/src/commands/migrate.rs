//! `sigstead migrate`: moves the logs to another database while they are served. See [`crate::relocation`] for the steps.

use super::fsck::bar;
use crate::cli::backup::MigrateArgs;
use crate::database::Database;
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, describe};
use crate::relocation::{Moved, Relocation, catch_up, cut_over, logs};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tlog::Store;
use tlog::copy;
use tlog::store::{Fence, FenceState};

/// Entries that the cut-over may be left with: some tenths of a second.
const SMALL_REST: u64 = 2048;
/// Passes over all logs; a log that grows faster than it is copied is not waited for.
const PASSES: usize = 20;
/// How long whoever serves gets for the cut-over; requests wait meanwhile.
const CUT_OVER: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_millis(100);

pub(crate) fn run(args: MigrateArgs) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    describe(&layout).map_err(Failure::Usage)?;
    let from = absolute(args.database.or_file_in(&layout)).map_err(Failure::Usage)?;
    let to = absolute(args.to.clone()).map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let moved = runtime.block_on(migrate(&layout, &from, &to, args.json))?;
    report(&from, &to, &moved, args.json)?;
    Ok(Outcome::Success)
}

async fn migrate(
    layout: &Layout,
    from: &Database,
    to: &Database,
    quiet: bool,
) -> Result<Vec<Moved>> {
    if from == to {
        bail!("the logs are in {to} already");
    }
    let asked = Relocation {
        from: from.spelled(),
        to: to.spelled(),
        failed: None,
    };
    match Relocation::load(layout)? {
        Some(other) if other.to != asked.to => bail!(
            "another move was asked for before, and is not done: go on with that one, or remove {}",
            layout.relocation().display()
        ),
        _ => {}
    }
    let source = from.open_beside().await?;
    // A cut-over that was interrupted has fenced the source; all that is left is the cut-over.
    let is_fenced = source.fence().await?.is_some();
    if !is_fenced {
        let copied = fill(layout, (from, &source), to, quiet).await;
        source.close().await;
        copied?;
    } else {
        source.close().await;
    }
    asked.save(layout)?;
    hand_over(layout, &asked).await
}

/// Steps 1 and 2: copies what is committed, and again what was committed meanwhile, until little is left.
async fn fill(
    layout: &Layout,
    (from, source): (&Database, &Arc<dyn Store>),
    to: &Database,
    quiet: bool,
) -> Result<()> {
    let target = to.open_fenced(true).await?;
    let filled = async {
        claim(layout, from, to, &*target).await?;
        for _ in 0..PASSES {
            let mut copied = 0;
            for name in logs(layout, &**source).await? {
                copied += pass(source, &target, &name, quiet).await?;
            }
            if copied <= SMALL_REST {
                break;
            }
        }
        anyhow::Ok(())
    };
    let filled = filled.await;
    target.close().await;
    filled
}

/// One pass over one log. Answers how many entries it copied.
async fn pass(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
    name: &str,
    quiet: bool,
) -> Result<u64> {
    let there = copy::newest(&**target, name).await?;
    let before = there.map_or(0, |(head, _)| head.size);
    let bar = bar(name, quiet);
    let mut progress = |done, size| {
        bar.set_length(size);
        bar.set_position(done);
    };
    let copied = catch_up(source, target, name, &mut progress).await;
    bar.finish_and_clear();
    let (copy, ..) = copied?;
    Ok(copy.size().saturating_sub(before))
}

/// Marks the target as being filled. One that has logs and no mark may be served by somebody: it is refused.
async fn claim(layout: &Layout, from: &Database, to: &Database, target: &dyn Store) -> Result<()> {
    match target.fence().await? {
        // Begun before, or the place that these logs once came from.
        Some(_) => {}
        None => {
            for name in logs(layout, target).await? {
                if let Some(head) = target.head(&name).await? {
                    bail!(
                        "{to} has a log {name} with {} entries and nothing says that it was moved: it may be served by \
                         somebody. Give an empty database",
                        head.size
                    );
                }
            }
        }
    }
    let fence = Fence {
        state: FenceState::Filling,
        peer: from.to_string(),
    };
    Ok(target.set_fence(Some(&fence)).await?)
}

/// Steps 3 to 8: by whoever holds the folder, or here when nobody does.
async fn hand_over(layout: &Layout, asked: &Relocation) -> Result<Vec<Moved>> {
    let since = Instant::now();
    loop {
        if let Ok(locked) = Layout::lock(layout.root()) {
            // Nobody serves. It may have been done just before its server ended.
            if Relocation::load(layout)?.is_some() {
                return Ok(cut_over(&locked, asked).await?.1);
            }
        }
        match Relocation::load(layout)? {
            None => return done(layout, asked).await,
            Some(Relocation {
                failed: Some(why), ..
            }) => bail!("the logs stay where they are: {why}. The same command goes on"),
            Some(_) => {}
        }
        if since.elapsed() > CUT_OVER {
            bail!(
                "everything is copied, and the process that serves has not switched within {CUT_OVER:?}. It switches when it \
                 is restarted; nothing is lost"
            );
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Where the logs are after whoever serves has moved them.
async fn done(layout: &Layout, asked: &Relocation) -> Result<Vec<Moved>> {
    let (from, _) = asked.places()?;
    // The old one stands still, so it tells the heads with which they went.
    let store = from.open_beside().await?;
    let mut moved = Vec::new();
    for name in logs(layout, &*store).await? {
        if let Some((head, _)) = copy::newest(&*store, &name).await? {
            moved.push(Moved {
                name,
                size: head.size,
                root: hex::encode(head.root),
            });
        }
    }
    store.close().await;
    Ok(moved)
}

/// The process that serves may have another working folder.
fn absolute(database: Database) -> Result<Database> {
    match database {
        Database::File(path) => Ok(Database::File(
            std::path::absolute(Path::new(&path)).context("cannot resolve the path")?,
        )),
        server => Ok(server),
    }
}

#[allow(clippy::print_stdout)]
fn report(from: &Database, to: &Database, moved: &[Moved], as_json: bool) -> Result<()> {
    if as_json {
        let report = json!({ "from": from.to_string(), "to": to.to_string(), "logs": moved });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    for log in moved {
        println!("{}: {} entries, root {}", log.name, log.size, log.root);
    }
    println!(
        "the logs are in {to}; the data folder says so, so --database need not, and a configuration file should say the same. \
         {from} takes no entry any more; keep it until the next backup"
    );
    Ok(())
}
