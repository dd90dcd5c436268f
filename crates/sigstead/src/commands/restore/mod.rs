//! `sigstead restore`: puts an archive back into an empty place, or proves that it could be.
//!
//! 1. All of the archive is read and checked before anything is written: seals, digests, every leaf, the root of every
//!    checkpoint.
//! 2. What was given out (the guard's heads, `--against`, for `--check` also the living database) is compared: a log that is
//!    shorter than that is refused. Its roots at those sizes come from the archive's own rows, so consistency is not argued
//!    by a proof; it is computed.
//! 3. The logs are committed again, batch by batch, in the database; `fsck` then recomputes them by its second implementation
//!    and verifies the signature of every checkpoint.
//! 4. The guard is written, then the files, `instance.json` as the last: until then nothing serves the folder.
//!
//! `.restoring/` in the data folder says that it is under way, and of which archive; the same command goes on.

mod compare;
mod place;
mod report;

use crate::cli::backup::RestoreArgs;
use crate::commands::backup::{put_back, put_tuf, unlock};
use crate::commands::fsck::bar;
use crate::commands::fsck::heads::Heads;
use crate::database::Database;
use crate::exit::{Failure, Outcome};
use crate::instance::{Description, Layout, PublicHalf, describe};
use anyhow::{Context, Result, bail};
use backup::{Survey, Unlock};
use compare::{Given, Missing};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use place::Place;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use tlog::fsck::Report;
use tlog::{FileGuard, Guard, NoGuard, Store};
use tuf::{FileName, Folder, SharedStore};

pub(crate) fn run(args: RestoreArgs) -> Result<Outcome, Failure> {
    let unlock = unlock(&args.unlock).map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(async {
        match args.check {
            true => check(&args, &unlock).await,
            false => restore(&args, &unlock).await,
        }
    })
}

/// The archive, read, and everything that is to be compared with it.
struct Opened {
    survey: Survey,
    given: Vec<Given>,
}

impl Opened {
    async fn read(args: &RestoreArgs, unlock: &Unlock, given: Vec<Given>) -> Result<Self> {
        let sizes: Vec<(String, u64)> = given.iter().map(Given::wanted).collect();
        let length = std::fs::metadata(&args.from).map_or(0, |file| file.len());
        let bar = bytes_bar(length, args.json);
        let mut progress = |bytes| bar.set_position(bytes);
        let survey = backup::survey(&args.from, unlock, &sizes, &mut progress).await;
        bar.finish_and_clear();
        let survey = survey?;
        let mut given = given;
        for (log, head) in &survey.guards {
            given.push(Given::head("the archive's own guard", log, head));
        }
        Ok(Self { survey, given })
    }

    /// The instance that the archive has, from its files in a folder.
    fn stage(&self, folder: &Path) -> Result<(Layout, Description, PublicHalf)> {
        for file in &self.survey.files {
            put_back(folder, &file.name, file.mode, &file.bytes)?;
        }
        let layout = Layout::read_only(folder);
        let description = describe(&layout).context("the archive has no instance")?;
        let public = PublicHalf::load(&layout, &description).context("in the archive")?;
        Ok((layout, description, public))
    }
}

async fn check(args: &RestoreArgs, unlock: &Unlock) -> Result<Outcome, Failure> {
    let (given, notes) = compare::living(args).await?;
    let opened = Opened::read(args, unlock, given).await?;
    let scratch = match &args.scratch {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir(),
    };
    let scratch = Scratch::make(&scratch)?;
    let (_, description, public) = opened.stage(&scratch.folder.join("data"))?;
    let heads = Heads::all(&public)?;
    let given = compare::of_this_instance(&opened.given, &description, &public, &heads)?;
    let missing = compare::missing(&opened.survey, &public, &given)?;
    let database = Database::File(scratch.folder.join("logs.db"));
    let store = database.open(true).await?;
    let reports = fill(args, unlock, &opened.survey, &heads, &store).await;
    store.close().await;
    let reports = reports?;
    let whole = missing.is_empty() && reports.iter().all(Report::is_clean);
    report::check(
        &opened.survey,
        &given,
        &notes,
        &missing,
        &reports,
        args.json,
    )?;
    Ok(match whole {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

async fn restore(args: &RestoreArgs, unlock: &Unlock) -> Result<Outcome, Failure> {
    // 1. The place, before a long read.
    let root = &args.data.data_dir;
    let place = Place::look(root).map_err(Failure::Usage)?;
    let mut given = compare::guards(args)?;
    given.extend(compare::files(args)?);
    // 2. All of the archive.
    let opened = Opened::read(args, unlock, given).await?;
    let layout = Layout::lock(root)?;
    place.check(&opened.survey.about).map_err(Failure::Usage)?;
    let database = args.database.or_file_in(&layout);
    let prepared = prepare(args, &place, &layout, &opened, &database).await;
    let Prepared {
        heads,
        missing,
        store,
    } = prepared.inspect_err(|_| place.leave(&layout))?;
    // 4. The logs.
    place::mark(&layout, &opened.survey.about)?;
    let reports = fill(args, unlock, &opened.survey, &heads, &store).await;
    store.close().await;
    let reports = reports?;
    if !reports.iter().all(Report::is_clean) {
        report::findings(&reports, args.json)?;
        return Err(anyhow::anyhow!(
            "the restored logs do not add up, so the folder is not made servable; restore another backup"
        )
        .into());
    }
    // 5. Guard, TUF, files; `instance.json` last.
    write_guard(&layout, &opened.survey).await?;
    if let Database::Server(url) = &database {
        let files = place::tuf_files(&opened.survey);
        restore_tuf(&layout, url, files).await?;
    }
    if !place.is_instance() {
        place::move_in(&layout, &opened.survey)?;
    }
    place::done(&layout)?;
    report::restored(&opened.survey, &layout, &missing, &reports, args.json)?;
    Ok(Outcome::Success)
}

/// What is known before anything is restored.
struct Prepared {
    heads: Vec<(String, Heads)>,
    missing: Vec<Missing>,
    store: Arc<dyn Store>,
}

/// Step 3: everything that refuses.
async fn prepare(
    args: &RestoreArgs,
    place: &Place,
    layout: &Layout,
    opened: &Opened,
    database: &Database,
) -> Result<Prepared> {
    let (_, description, public) = opened.stage(&place::staging(layout)?)?;
    if place.is_instance() {
        place::check_same(layout, &description, &public)?;
    }
    // Nothing that was given out may be missing.
    let heads = Heads::all(&public)?;
    let given = compare::of_this_instance(&opened.given, &description, &public, &heads)?;
    let missing = compare::missing(&opened.survey, &public, &given)?;
    compare::refuse(&missing, &args.accept_shorter)?;
    if matches!(database, Database::File(path) if !path.exists()) {
        // A new file needs no look into it, and must not be taken for somebody's after a kill.
        place::mark(layout, &opened.survey.about)?;
    }
    let store = database.open(true).await?;
    if !place.goes_on() {
        place::check_empty(&*store, &opened.survey, database).await?;
    }
    Ok(Prepared {
        heads,
        missing,
        store,
    })
}

/// Commits the logs again and checks what came of it.
async fn fill(
    args: &RestoreArgs,
    unlock: &Unlock,
    survey: &Survey,
    heads: &[(String, Heads)],
    store: &Arc<dyn Store>,
) -> Result<Vec<Report>> {
    let restoring = bar("restoring", args.json);
    let mut progress = |log: &str, done, total| {
        restoring.set_prefix(log.to_owned());
        restoring.set_length(total);
        restoring.set_position(done);
    };
    let filled = backup::refill(&args.from, unlock, survey, store, &mut progress).await;
    restoring.finish_and_clear();
    filled?;
    let mut reports = Vec::new();
    for name in survey.heads.keys() {
        let verifier = heads.iter().find(|(log, _)| log == name);
        let Some((_, verifier)) = verifier else {
            bail!("the archive has a log {name} that its instance does not name");
        };
        let bar = bar(name, args.json);
        let mut progress = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let report = tlog::fsck::check(&**store, name, verifier, &NoGuard, &mut progress).await;
        bar.finish_and_clear();
        reports.push(report.with_context(|| format!("log {name}"))?);
    }
    Ok(reports)
}

async fn write_guard(layout: &Layout, survey: &Survey) -> Result<()> {
    let guard = FileGuard::open(&layout.guard())?;
    for (log, (head, _)) in &survey.heads {
        guard.record(log, head).await?;
    }
    guard.close().await;
    Ok(())
}

/// With a server the repository is in the database. One that has it already goes on with its own.
async fn restore_tuf(layout: &Layout, url: &str, files: Vec<(FileName, Vec<u8>)>) -> Result<()> {
    let shared = SharedStore::new(url, Folder::new(layout.tuf()))?;
    put_tuf(&shared, files).await?;
    Ok(())
}

/// On a terminal, on standard error.
fn bytes_bar(length: u64, json: bool) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() && !json {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match ProgressStyle::with_template("archive   {wide_bar} {bytes} of {total_bytes}, {eta} left")
    {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A folder for a moment.
struct Scratch {
    folder: std::path::PathBuf,
}

impl Scratch {
    fn make(parent: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let folder = parent.join(format!("sigstead-check-{}", hex::encode(random)));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| {
                format!(
                    "cannot create {}; choose another --scratch",
                    folder.display()
                )
            })?;
        Ok(Self { folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It has private keys: what stays is worth a word.
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!("remove {}: {error}", self.folder.display());
        }
    }
}

/// What the refusal and the reports print of a log that lacks something.
impl Missing {
    fn text(&self) -> String {
        match self {
            Self::Log { log, given } => format!(
                "log {log} is not in the archive, and {} names it with {} entries",
                given.source, given.size
            ),
            Self::Shorter { log, have, given } => format!(
                "log {log}: the archive has {have} entries, {} has {}",
                given.source, given.size
            ),
            Self::Other { log, given } => format!(
                "log {log}: the archive has another tree than {} at {} entries",
                given.source, given.size
            ),
        }
    }
}
