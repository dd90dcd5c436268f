//! Moving the logs to another database: what the serving process and `sigstead migrate` share.
//!
//! | step | who | what a kill leaves |
//! |---|---|---|
//! | 1. The target says that it is being filled: nobody serves from it | command | nothing that matters |
//! | 2. What is committed is copied, while more is committed | command | a prefix; copying goes on |
//! | 3. `move.json` asks for the cut-over | command | who holds the folder does it, at the next start if need be |
//! | 4. Requests wait; what is in hand is finished; the logs are closed | who holds the folder | as before |
//! | 5. The source says that it was moved: its database refuses every commit | same | the next try goes on here |
//! | 6. The rest is copied; sizes, roots and checkpoints are compared | same | same |
//! | 7. The target may be served; `database.url` names it; `move.json` goes | same | same: each of the three may be done twice |
//! | 8. The logs are opened there, under the same guard; requests go on | same | the next start serves from there |
//!
//! At no moment can both be appended to: the target is not served before step 7, and the source takes nothing after step 5.
//! When the target fails between 5 and 7, the fence of the source is taken away again and it serves on.

mod gate;
mod switch;

pub(crate) use switch::{Front, Serving, end, settle};

use crate::commands::backup::{published, put_tuf};
use crate::database::Database;
use crate::instance::{Layout, PublicHalf, Role, Shard, describe, write_secretly};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tlog::copy::{self, CopyError, Target};
use tlog::store::{CommitError, Fence, FenceState};
use tlog::{Store, TreeHead};
use tuf::{Folder, SharedStore, Store as _};

/// How often a log's copy begins again behind somebody who was first.
const RETRIES: usize = 8;
/// The pause before it.
const PERIOD: Duration = Duration::from_millis(250);

/// `move.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Relocation {
    /// Where the logs are.
    pub(crate) from: String,
    /// Where they go.
    pub(crate) to: String,
    /// Why the cut-over was not done; it is asked for anew by taking this away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}

/// A log at the end of a move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Moved {
    /// Name in the database.
    pub(crate) name: String,
    /// Entries.
    pub(crate) size: u64,
    /// Root, in hex.
    pub(crate) root: String,
}

impl Relocation {
    /// Reads what is asked for; `None` when nothing is.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.relocation();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let read = serde_json::from_str(&text);
        Ok(Some(read.with_context(|| {
            format!(
                "{} is damaged; remove it and start `sigstead migrate` again",
                path.display()
            )
        })?))
    }

    /// Asks whoever holds the folder.
    pub(crate) fn save(&self, layout: &Layout) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_secretly(&layout.relocation(), text.as_bytes())
    }

    fn remove(layout: &Layout) -> Result<()> {
        match std::fs::remove_file(layout.relocation()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove move.json")
            }
            _ => Ok(()),
        }
    }

    /// Both places.
    pub(crate) fn places(&self) -> Result<(Database, Database)> {
        let parse = |text: &str| {
            let parsed = text.parse::<Database>();
            parsed.map_err(|error| anyhow::anyhow!("move.json: {error}"))
        };
        Ok((parse(&self.from)?, parse(&self.to)?))
    }
}

/// Steps 5 to 7, for who holds the folder and has closed its logs. Answers where the logs are now.
///
/// When the move cannot be done, the source serves on and `move.json` says why.
pub(crate) async fn cut_over(
    layout: &Layout,
    asked: &Relocation,
) -> Result<(Database, Vec<Moved>)> {
    let (from, to) = asked.places()?;
    match try_cut_over(layout, &from, &to).await {
        Ok(moved) => {
            write_secretly(
                &layout.database_url(),
                format!("{}\n", to.spelled()).as_bytes(),
            )?;
            Relocation::remove(layout)?;
            Ok((to, moved))
        }
        Err(error) => {
            let failed = Relocation {
                failed: Some(format!("{error:#}")),
                ..asked.clone()
            };
            failed.save(layout)?;
            Err(error)
        }
    }
}

/// Where the logs are when a configuration still names the place that they were moved from.
pub(crate) async fn follow(layout: &Layout, named: Database) -> Result<Database> {
    let Some(moved) = Database::recorded_in(layout).filter(|moved| *moved != named) else {
        return Ok(named);
    };
    // One that is away or gone tells so when it is opened to be served.
    let Ok(store) = named.open_beside().await else {
        return Ok(named);
    };
    let fence = store.fence().await;
    store.close().await;
    match fence? {
        Some(Fence {
            state: FenceState::Moved,
            ..
        }) => {
            tracing::warn!(
                "the logs were moved from {named} to {moved}, which is served; write it into the configuration"
            );
            Ok(moved)
        }
        _ => Ok(named),
    }
}

async fn try_cut_over(layout: &Layout, from: &Database, to: &Database) -> Result<Vec<Moved>> {
    let target = to.open_fenced(false).await?;
    let source = from.open_fenced(false).await?;
    let moved = between(layout, (from, &source), (to, &target)).await;
    source.close().await;
    target.close().await;
    moved
}

async fn between(
    layout: &Layout,
    (from, source): (&Database, &Arc<dyn Store>),
    (to, target): (&Database, &Arc<dyn Store>),
) -> Result<Vec<Moved>> {
    let is_moved = |fence: &Option<Fence>| {
        let state = fence.as_ref().map(|fence| fence.state);
        state == Some(FenceState::Moved)
    };
    let (there, here) = (target.fence().await?, source.fence().await?);
    match &there {
        Some(fence) if fence.state == FenceState::Filling => {}
        // Step 7 was done half.
        None if is_moved(&here) => return finished(layout, &**target).await,
        _ => bail!("{to} is not being filled; start `sigstead migrate` again"),
    }
    // 5. From here on the source takes nothing.
    let fence = Fence {
        state: FenceState::Moved,
        peer: to.to_string(),
    };
    source.set_fence(Some(&fence)).await?;
    // 6. The rest.
    let copied = async {
        let moved = copy_rest(layout, source, target).await?;
        move_tuf(layout, from, to).await?;
        anyhow::Ok(moved)
    };
    match copied.await {
        Ok(moved) => {
            // 7. When this fails nobody knows whether it was done: then both stay as they are, and a next try looks.
            target.set_fence(None).await?;
            Ok(moved)
        }
        Err(error) => {
            // The target still says that it is being filled, so nobody serves from it.
            source.set_fence(None).await.with_context(|| {
                format!(
                    "after this the old database could not be opened for entries again: {error:#}"
                )
            })?;
            Err(error)
        }
    }
}

/// The names of all logs that there are.
pub(crate) async fn logs(layout: &Layout, store: &dyn Store) -> Result<Vec<String>> {
    let public = PublicHalf::load(layout, &describe(layout)?)?;
    let mut names = vec!["ct".to_owned()];
    let later = public.generations(Role::Ct)?.into_iter().skip(1);
    let later = later.map(|log| log.name());
    for name in later.chain(public.shards()?.iter().map(Shard::name)) {
        if store.head(&name).await?.is_some() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Copies what a log has committed, behind what is there already. Answers the copy, the head that it has now, and whether
/// that one is frozen. `progress` is told the entries done and their number.
///
/// A try that was killed may have left a transaction with a server, which ends in its own time: when that one was first,
/// copying begins again behind it.
pub(crate) async fn catch_up(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
    name: &str,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(Target, TreeHead, bool)> {
    for _ in 0..RETRIES {
        match try_catch_up(source, target, name, progress).await {
            Err(error) if is_conflict(&error) => tokio::time::sleep(PERIOD).await,
            done => return done,
        }
    }
    try_catch_up(source, target, name, progress).await
}

async fn try_catch_up(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
    name: &str,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(Target, TreeHead, bool)> {
    let newest = copy::newest(&**source, name).await?;
    let (head, frozen) = newest.with_context(|| format!("log {name} is gone"))?;
    let mut copy = Target::open(target.clone(), name, &head).await?;
    copy::check_prefix(source.clone(), &copy).await?;
    let mut progress = |done| progress(done, head.size);
    progress(copy.size());
    copy::follow(&**source, &mut copy, head.size, &mut progress).await?;
    Ok((copy, head, frozen))
}

fn is_conflict(error: &anyhow::Error) -> bool {
    let source = match error.downcast_ref() {
        Some(CopyError::Commit { source, .. }) => source,
        _ => return false,
    };
    matches!(source, CommitError::Conflict)
}

async fn copy_rest(
    layout: &Layout,
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
) -> Result<Vec<Moved>> {
    let mut moved = Vec::new();
    for name in logs(layout, &**source).await? {
        let (copy, head, frozen) = catch_up(source, target, &name, &mut |_, _| {}).await?;
        copy.finish(&head, frozen).await?;
        // What is there now is what was here: size, root, checkpoint.
        let there = copy::newest(&**target, &name).await?;
        if there.as_ref() != Some(&(head.clone(), frozen)) {
            bail!("log {name}: the copy has another head than the original");
        }
        moved.push(Moved {
            name,
            size: head.size,
            root: hex::encode(head.root),
        });
    }
    Ok(moved)
}

/// The TUF repository is where the logs are: in the database of a server, else in the folder.
async fn move_tuf(layout: &Layout, from: &Database, to: &Database) -> Result<()> {
    let folder = Folder::new(layout.tuf());
    match (from, to) {
        (Database::Server(from), Database::File(_)) => {
            let shared = SharedStore::new(from, folder.clone())?;
            let mut session = folder.begin().await?;
            for (name, bytes) in published(&shared).await? {
                session.put(&name, &bytes).await?;
            }
            session.commit().await?;
        }
        (Database::File(_), Database::Server(to)) => {
            let shared = SharedStore::new(to, folder.clone())?;
            put_tuf(&shared, published(&folder).await?).await?;
        }
        (Database::Server(from), Database::Server(to)) => {
            let (from, to) = (
                SharedStore::new(from, folder.clone())?,
                SharedStore::new(to, folder.clone())?,
            );
            put_tuf(&to, published(&from).await?).await?;
        }
        (Database::File(_), Database::File(_)) => {}
    }
    Ok(())
}

async fn finished(layout: &Layout, target: &dyn Store) -> Result<Vec<Moved>> {
    let mut moved = Vec::new();
    for name in logs(layout, target).await? {
        if let Some((head, _)) = copy::newest(target, &name).await? {
            moved.push(Moved {
                name,
                size: head.size,
                root: hex::encode(head.root),
            });
        }
    }
    Ok(moved)
}
