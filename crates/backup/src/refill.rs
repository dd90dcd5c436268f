//! From an archive into a store. The archive is read twice: once to know that all of it is whole, once to put it back.

use crate::limits::MAX_FILES_BYTES;
use crate::manifest::{Manifest, SavedHead};
use crate::{About, BackupError, Entry, Reader, Unlock, rows};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tlog::copy::{Replay, Target};
use tlog::{Store, TreeHead};

/// Stands for every log where a size is wanted.
pub const ANY_LOG: &str = "*";

/// What an archive holds, all of it checked against itself.
pub struct Survey {
    /// What it says of itself.
    pub about: About,
    /// Its manifest.
    pub manifest: Manifest,
    /// Files of the data folder, without `data/`.
    pub files: Vec<Entry>,
    /// The newest head that was signed before the rows were read, by log.
    pub guards: BTreeMap<String, TreeHead>,
    /// The newest head of each log, and whether it is frozen.
    pub heads: BTreeMap<String, (TreeHead, bool)>,
    replays: BTreeMap<String, Replay>,
}

impl Survey {
    /// The root that a log has at a size which was asked for, or at its newest one.
    pub fn root_at(&self, log: &str, size: u64) -> Option<[u8; 32]> {
        let replay = self.replays.get(log)?;
        match replay.size() == size {
            true => Some(replay.root()),
            false => replay.root_at(size),
        }
    }

    /// A file of the data folder.
    pub fn file(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|file| file.name == path)
    }
}

/// Reads all of an archive: digests, seals, leaves, and the root of every checkpoint. `wanted` names sizes of logs whose
/// roots will be asked for; `progress` is told bytes read.
///
/// # Errors
/// [`BackupError`].
pub async fn survey(
    path: &Path,
    unlock: &Unlock,
    wanted: &[(String, u64)],
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Survey, BackupError> {
    let mut reader = Reader::open(path, unlock).await?;
    let (about, position) = (reader.about().clone(), reader.position());
    let (mut files, mut bytes) = (Vec::new(), 0_u64);
    let (mut guards, mut heads, mut replays) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    while let Some(entry) = reader.next().await? {
        progress(position.bytes());
        match place(&entry.name) {
            Place::Rows(log) => {
                let replay = replays
                    .entry(log.to_owned())
                    .or_insert_with(|| replay_of(log, wanted));
                for row in parse_rows(path, &entry)? {
                    replay.push(row)?;
                }
            }
            Place::Head(log) => {
                let saved: SavedHead = json(path, &entry)?;
                let head = head_of(path, &entry, &saved)?;
                heads.insert(log.to_owned(), (head, saved.frozen));
            }
            Place::Guard(log) => {
                let saved: SavedHead = json(path, &entry)?;
                let head = head_of(path, &entry, &saved)?;
                // It stands before the rows.
                let replay = replays
                    .entry(log.to_owned())
                    .or_insert_with(|| replay_of(log, wanted));
                replay.want_root(head.size);
                guards.insert(log.to_owned(), head);
            }
            Place::File(name) => {
                bytes = bytes.saturating_add(u64::try_from(entry.bytes.len()).unwrap_or(u64::MAX));
                if bytes > MAX_FILES_BYTES {
                    let detail = format!("its files have more than {MAX_FILES_BYTES} bytes");
                    return Err(malformed(path, &entry.name, detail));
                }
                let name = name.to_owned();
                files.push(Entry { name, ..entry });
            }
            Place::Unknown => {
                return Err(malformed(
                    path,
                    &entry.name,
                    "it is of no known kind".into(),
                ));
            }
        }
    }
    for (log, (head, frozen)) in &heads {
        let replay = replays
            .entry(log.clone())
            .or_insert_with(|| replay_of(log, wanted));
        replay.check_head(head, *frozen)?;
    }
    if let Some(log) = replays.keys().find(|log| !heads.contains_key(*log)) {
        let detail = "its rows have no head".to_owned();
        return Err(malformed(path, &format!("logs/{log}"), detail));
    }
    // The reader checked it against the entries.
    let manifest = reader.manifest().cloned().unwrap_or(Manifest {
        entries: Vec::new(),
        logs: Vec::new(),
    });
    Ok(Survey {
        about,
        manifest,
        files,
        guards,
        heads,
        replays,
    })
}

/// Puts the logs of an archive that was surveyed into a store, or goes on with it. `progress` is told the log, its entries
/// that are there, and its entries in all.
///
/// # Errors
/// [`BackupError::Log`]; what was stored stays, and the same call goes on.
pub async fn refill(
    path: &Path,
    unlock: &Unlock,
    survey: &Survey,
    store: &Arc<dyn Store>,
    progress: &mut (dyn FnMut(&str, u64, u64) + Send),
) -> Result<(), BackupError> {
    let mut targets = BTreeMap::new();
    for (log, (head, _)) in &survey.heads {
        let target = Target::open(store.clone(), log, head).await?;
        targets.insert(log.clone(), target);
    }
    let mut reader = Reader::open(path, unlock).await?;
    while let Some(entry) = reader.next().await? {
        let Place::Rows(log) = place(&entry.name) else {
            continue;
        };
        if let (Some(target), Some((head, _))) = (targets.get_mut(log), survey.heads.get(log)) {
            for row in parse_rows(path, &entry)? {
                target.push(row).await?;
            }
            progress(log, target.size(), head.size);
        }
    }
    for (log, (head, frozen)) in &survey.heads {
        if let Some(target) = targets.remove(log) {
            target.finish(head, *frozen).await?;
        }
    }
    Ok(())
}

enum Place<'a> {
    Rows(&'a str),
    Head(&'a str),
    Guard(&'a str),
    File(&'a str),
    Unknown,
}

fn place(name: &str) -> Place<'_> {
    if let Some(file) = name.strip_prefix("data/") {
        return Place::File(file);
    }
    let guard = name.strip_prefix("guard/");
    if let Some(log) = guard.and_then(|name| name.strip_suffix(".json")) {
        return Place::Guard(log);
    }
    match name
        .strip_prefix("logs/")
        .and_then(|name| name.split_once('/'))
    {
        Some((log, "head.json")) => Place::Head(log),
        Some((log, rows)) if rows.ends_with(".rows") => Place::Rows(log),
        _ => Place::Unknown,
    }
}

fn replay_of(log: &str, wanted: &[(String, u64)]) -> Replay {
    let mut replay = Replay::new(log);
    let sizes = wanted
        .iter()
        .filter(|(name, _)| name == log || name == ANY_LOG);
    sizes.for_each(|(_, size)| replay.want_root(*size));
    replay
}

fn parse_rows(path: &Path, entry: &Entry) -> Result<Vec<tlog::store::BatchRow>, BackupError> {
    rows::parse(&entry.bytes).map_err(|detail| malformed(path, &entry.name, detail))
}

fn json<T: DeserializeOwned>(path: &Path, entry: &Entry) -> Result<T, BackupError> {
    serde_json::from_slice(&entry.bytes)
        .map_err(|error| malformed(path, &entry.name, error.to_string()))
}

fn head_of(path: &Path, entry: &Entry, saved: &SavedHead) -> Result<TreeHead, BackupError> {
    let head = saved.head();
    head.map_err(|detail| malformed(path, &entry.name, detail))
}

fn malformed(path: &Path, entry: &str, detail: String) -> BackupError {
    BackupError::Malformed {
        path: path.to_owned(),
        entry: entry.to_owned(),
        detail,
    }
}
