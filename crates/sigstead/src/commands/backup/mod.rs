//! `sigstead backup`: one archive of an instance, while it is served or stopped.
//!
//! The order keeps it from being torn by a rotation that happens meanwhile:
//!
//! 1. The guard: what was signed before the backup began. The logs that follow must lead to it or beyond.
//! 2. The files of the data folder (`instance.json` names the logs).
//! 3. Each log, up to its newest head. Rows below a head never change, so no transaction is needed.
//! 4. The files again. When one is not what it was at step 2, the logs are gone on with, as far as they grew, and the files
//!    are read once more: the archive has files that were the same before and after the logs were read. A rotation makes
//!    keys first, then the record, then the log, and freezes last; so whatever such an archive names, it has.

mod files;
mod tuf;

pub(crate) use files::{Files, put_back, snapshot};
use tuf::shared_tuf;
pub(crate) use tuf::{published, put_tuf};

use crate::cli::backup::{BackupArgs, LockArgs, UnlockArgs};
use crate::commands::fsck::bar;
use crate::commands::input::{MAX_JSON, read_file_or_stdin, read_limited};
use crate::database::Database;
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, describe};
use anyhow::{Context, Result, bail};
use backup::{Dump, Lock, LogRecord, SavedHead, Unlock, Writer, Written};
use clock::Clock;
use serde_json::json;
use std::path::Path;
use time::format_description::well_known::Rfc3339;
use tlog::{Store, TreeHead};

/// Rounds before it is given up: each one means that a file changed while the logs were read.
const ROUNDS: usize = 10;
/// A passphrase or an identity.
const MAX_SECRET: u64 = 64 << 10;

pub(crate) fn run(args: BackupArgs) -> Result<Outcome, Failure> {
    let lock = lock(&args.lock).map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let layout = Layout::read_only(&args.data.data_dir);
    describe(&layout).map_err(Failure::Usage)?;
    let database = args.database.or_file_in(&layout);
    let made = runtime.block_on(make(&layout, &database, &args.out, &lock, args.json))?;
    report(&args.out, &made, args.json)?;
    Ok(Outcome::Success)
}

/// What was backed up.
struct Made {
    written: Written,
    logs: Vec<LogRecord>,
    files: usize,
    created: String,
}

async fn make(
    layout: &Layout,
    database: &Database,
    out: &Path,
    lock: &Lock,
    quiet: bool,
) -> Result<Made> {
    let store = database.open_beside().await?;
    let made = write(layout, database, &*store, out, lock, quiet).await;
    store.close().await;
    made
}

async fn write(
    layout: &Layout,
    database: &Database,
    store: &dyn Store,
    out: &Path,
    lock: &Lock,
    quiet: bool,
) -> Result<Made> {
    let created = Clock::system().now().format(&Rfc3339)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let tool = env!("CARGO_PKG_VERSION");
    let mut archive = Writer::create(out, lock, tool, created.clone(), id)?;
    // 1. The guard.
    let guards = tlog::guard::recorded(&layout.guard())?;
    let mut dump = Dump::default();
    for (log, head) in &guards {
        archive.put_json(&format!("guard/{log}.json"), &SavedHead::of(head))?;
        dump.expect(log, head);
    }
    // 2. to 4. Files and logs, until the files stand still.
    let files = settle(layout, database, store, &mut archive, &mut dump, quiet).await?;
    check_guards(&dump, &guards)?;
    for (path, file) in &files {
        archive.put(&format!("data/{path}"), file.mode, &file.bytes)?;
    }
    let logs = dump.finish(&mut archive)?;
    let written = archive.finish(logs.clone())?;
    Ok(Made {
        written,
        logs,
        files: files.len(),
        created,
    })
}

async fn settle(
    layout: &Layout,
    database: &Database,
    store: &dyn Store,
    archive: &mut Writer,
    dump: &mut Dump,
    quiet: bool,
) -> Result<Files> {
    let mut before = all_files(layout, database).await?;
    for _ in 0..ROUNDS {
        let public = PublicHalf::load(layout, &describe(layout)?)?;
        let mut names = vec!["ct".to_owned()];
        for shard in public.shards()? {
            // The log of a rotation that has just begun may not be made yet.
            if !shard.is_pending || store.head(&shard.name()).await?.is_some() {
                names.push(shard.name());
            }
        }
        for name in names {
            let bar = bar(&name, quiet);
            let mut progress = |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            };
            dump.add(store, &name, archive, &mut progress).await?;
            bar.finish_and_clear();
        }
        let after = all_files(layout, database).await?;
        if after == before {
            return Ok(after);
        }
        before = after;
    }
    bail!(
        "the files of {} changed all the time: is a rotation under way? Take the backup when it has ended",
        layout.root().display()
    )
}

/// The data folder's files; with a server the TUF repository is there.
async fn all_files(layout: &Layout, database: &Database) -> Result<Files> {
    let mut files = snapshot(layout)?;
    if let Database::Server(url) = database {
        files.extend(shared_tuf(layout, url).await?);
    }
    Ok(files)
}

/// A database that is behind its guard was set back: what clients hold is not in it, and a backup of it would be stale.
fn check_guards(dump: &Dump, guards: &[(String, TreeHead)]) -> Result<()> {
    for (log, head) in guards {
        let have = dump.size(log).unwrap_or_default();
        if have < head.size {
            bail!(
                "log {log}: the database has {have} entries, and a head of {} was signed: it was set back, or it is another \
                 one. This would be no backup; see `sigstead fsck`",
                head.size
            );
        }
        if dump.root_at(log, head.size) != Some(head.root) {
            bail!(
                "log {log}: the database has another tree than the one that was signed at {} entries. This would be no \
                 backup; see `sigstead fsck`",
                head.size
            );
        }
    }
    Ok(())
}

/// Reads what encrypts.
fn lock(args: &LockArgs) -> Result<Lock> {
    match &args.passphrase_file {
        Some(path) => Ok(Lock::passphrase(&secret(path)?)?),
        None => Ok(Lock::recipients(
            args.recipients.iter().map(String::as_str),
        )?),
    }
}

/// Reads what decrypts.
pub(crate) fn unlock(args: &UnlockArgs) -> Result<Unlock> {
    match (&args.passphrase_file, &args.identity_file) {
        (Some(path), _) => Ok(Unlock::passphrase(&secret(path)?)),
        (None, Some(path)) => Ok(Unlock::identities(&secret(path)?)?),
        (None, None) => bail!("give --passphrase-file or --identity-file"),
    }
}

fn secret(path: &Path) -> Result<String> {
    let bytes = match path == Path::new("-") {
        true => read_file_or_stdin(path, MAX_JSON)?,
        false => read_limited(path, MAX_SECRET)?,
    };
    String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{} is not text", path.display()))
}

#[allow(clippy::print_stdout)]
fn report(out: &Path, made: &Made, as_json: bool) -> Result<()> {
    if as_json {
        let report = json!({
            "archive": out,
            "bytes": made.written.bytes,
            "entries": made.written.entries,
            "created": made.created,
            "files": made.files,
            "logs": made.logs,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!(
        "{}: {} KiB, {} files",
        out.display(),
        made.written.bytes.div_ceil(1024),
        made.files
    );
    for log in &made.logs {
        let frozen = if log.frozen { ", frozen" } else { "" };
        println!("  {}: {} entries{frozen}", log.name, log.size);
    }
    println!(
        "prove that it can be restored: sigstead restore --check --from {} …",
        out.display()
    );
    Ok(())
}
