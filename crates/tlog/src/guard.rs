//! The anti-rollback guard: the newest signed head of each log, kept outside the database.
//!
//! A database cannot tell that it was set back: a restored backup is whole, and its log would go on from an old size,
//! with another root for sizes that clients hold checkpoints of. That is a fork (invariant 2). So the newest signed head
//! is kept in a second place as well, and a log whose store is behind it neither opens nor goes on.
//!
//! When the guard is written, and what that promises:
//!
//! 1. After the commit, so the guard is never *ahead* of a healthy database: every head in it is durable there.
//! 2. Before the head is published or an entry of it answered: what a client may hold, the guard has seen. When it cannot
//!    be written, the head is not published; the entries are answered by a retry, which is deduplicated.
//! 3. Without a sync on that path, which a second fsync would halve. A killed process loses nothing, its pages are
//!    the kernel's. A loss of power loses at most the last second ([`SYNC_PERIOD`]) and leaves a guard that is
//!    *behind*: it refuses less, never more.
//!
//! [`FileGuard`] keeps two files a log. `<log>.guard` is replaced by rename after a sync, so it is whole at any time, and
//! one that is not is damage. `<log>.guard.recent` is overwritten in place and may be torn by a loss of power: one that
//! does not add up is ignored, because the first file is at most a second behind it. The larger head counts.

use crate::edge::{View, load};
use crate::kill::{self, Moment};
use crate::reader::Reader;
use crate::store::Store;
use crate::{OpenError, TreeHead};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The most that a loss of power takes from a guard.
pub const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// A checkpoint has at most [`note::limits::MAX_NOTE_BYTES`]; the lines around it are short.
const MAX_FILE_BYTES: u64 = 512 * 1024;
/// First line of a guard file.
const TITLE: &str = "sigstead guard 1";

/// Remembers the newest signed head of each log, outside the store that the logs are in.
#[async_trait]
pub trait Guard: Send + Sync {
    /// The newest head recorded for a log; `None` when there is none yet.
    async fn load(&self, log: &str) -> Result<Option<TreeHead>, GuardError>;

    /// Records a committed head in place of the one before. Durable against the end of the process when it returns.
    async fn record(&self, log: &str, head: &TreeHead) -> Result<(), GuardError>;

    /// Makes what was recorded durable against a loss of power. Idempotent.
    async fn close(&self) {}
}

/// Guards nothing: for tests, and for stores that end with the process.
pub struct NoGuard;

#[async_trait]
impl Guard for NoGuard {
    async fn load(&self, _log: &str) -> Result<Option<TreeHead>, GuardError> {
        Ok(None)
    }

    async fn record(&self, _log: &str, _head: &TreeHead) -> Result<(), GuardError> {
        Ok(())
    }
}

/// Why the guard did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Log names become file names.
    #[error("log {0:?} cannot be guarded: a file name has letters, digits, `-`, `_` and `.` here")]
    Name(String),
    /// The file or its folder cannot be read or written.
    #[error(
        "guard {path}: {detail}; the folder must be writable, and on another disk than the database if possible"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        detail: String,
    },
    /// The file is there and is not a guard: it was changed or its disk failed.
    #[error(
        "guard {path} is damaged: {detail}. It only keeps the newest signed head. Check that the database is the newest \
         one (`sigstead fsck`), then write the guard anew with `sigstead fsck --accept-rollback {log}`"
    )]
    Damaged {
        /// Name of the log.
        log: String,
        /// The file.
        path: PathBuf,
        /// What does not add up.
        detail: String,
    },
}

/// Guards logs by small files in one folder. Belongs to one process; the folder's owner keeps others out.
pub struct FileGuard {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    folder: PathBuf,
    logs: Mutex<HashMap<String, Slot>>,
    dirty: Notify,
}

/// What this process recorded for one log.
struct Slot {
    head: TreeHead,
    recent: File,
    /// Not yet in the file that survives a loss of power.
    dirty: bool,
}

impl FileGuard {
    /// Opens the folder, creating it (mode 0700) when it is missing, and starts the task that syncs.
    pub fn open(folder: &Path) -> Result<Arc<Self>, GuardError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| io(folder, &error))?;
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            logs: Mutex::default(),
            dirty: Notify::new(),
        });
        let task = tokio::spawn(sync_when_dirty(shared.clone())).abort_handle();
        Ok(Arc::new(Self { shared, task }))
    }
}

#[async_trait]
impl Guard for FileGuard {
    async fn load(&self, log: &str) -> Result<Option<TreeHead>, GuardError> {
        if let Some(slot) = self.shared.lock().get(log) {
            return Ok(Some(slot.head.clone()));
        }
        self.shared.read(log)
    }

    async fn record(&self, log: &str, head: &TreeHead) -> Result<(), GuardError> {
        // Half a KiB into the page cache takes a few µs: less than handing it to another thread.
        self.shared.record(log, head)?;
        self.shared.dirty.notify_one();
        Ok(())
    }

    async fn close(&self) {
        sync(self.shared.clone()).await;
    }
}

impl Drop for FileGuard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads both files; the larger head counts.
    fn read(&self, log: &str) -> Result<Option<TreeHead>, GuardError> {
        let (path, recent) = (self.durable(log)?, self.recent(log)?);
        let damaged = |detail: String| GuardError::Damaged {
            log: log.to_owned(),
            path: path.clone(),
            detail,
        };
        let durable = read_file(&path)?
            .map(|bytes| decode(log, &bytes))
            .transpose()
            .map_err(damaged)?;
        let recent = match read_file(&recent)?.map(|bytes| decode(log, &bytes)) {
            // The first file is written before the second one is, whenever a process begins to guard a log.
            Some(Ok(_)) if durable.is_none() => return Err(damaged("it is missing".into())),
            Some(Ok(head)) => Some(head),
            Some(Err(detail)) if durable.is_some() => {
                tracing::warn!(
                    log,
                    detail,
                    "the guard's last second was torn, as by a loss of power"
                );
                None
            }
            _ => None,
        };
        Ok(match (durable, recent) {
            (Some(durable), Some(recent)) if recent.size > durable.size => Some(recent),
            (durable, _) => durable,
        })
    }

    fn record(&self, log: &str, head: &TreeHead) -> Result<(), GuardError> {
        let mut logs = self.lock();
        if let Some(slot) = logs.get_mut(log) {
            let written = slot.recent.write_all_at(&encode(log, head), 0);
            written.map_err(|error| io(&self.folder, &error))?;
            (slot.head, slot.dirty) = (head.clone(), true);
            return Ok(());
        }
        // The first record of this process: both files, the durable one last. While it still holds an older head, the
        // larger one of the two counts.
        let path = self.recent(log)?;
        let recent = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| io(&path, &error))?;
        let fresh = read_file(&self.durable(log)?)?.is_none();
        if fresh {
            self.write_durable(log, head)?;
        }
        recent
            .write_all_at(&encode(log, head), 0)
            .map_err(|error| io(&path, &error))?;
        if !fresh {
            self.write_durable(log, head)?;
        }
        let slot = Slot {
            head: head.clone(),
            recent,
            dirty: false,
        };
        logs.insert(log.to_owned(), slot);
        Ok(())
    }

    /// Brings every log that changed into its durable file.
    fn sync(&self) -> Result<(), GuardError> {
        let dirty: Vec<(String, TreeHead)> = self
            .lock()
            .iter_mut()
            .filter_map(|(log, slot)| {
                std::mem::take(&mut slot.dirty).then(|| (log.clone(), slot.head.clone()))
            })
            .collect();
        for (log, head) in dirty {
            if let Err(error) = self.write_durable(&log, &head) {
                self.lock().values_mut().for_each(|slot| slot.dirty = true);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Write, sync, rename, sync the folder: before or after a crash there is one whole file.
    fn write_durable(&self, log: &str, head: &TreeHead) -> Result<(), GuardError> {
        let path = self.durable(log)?;
        let temporary = self.folder.join(format!("{log}.guard.new"));
        kill::pass(Moment::GuardWrite);
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(&encode(log, head))?;
                file.sync_all()
            })
            .and_then(|()| {
                kill::pass(Moment::GuardWritten);
                fs::rename(&temporary, &path)
            })
            .and_then(|()| File::open(&self.folder)?.sync_all());
        kill::pass(Moment::GuardRenamed);
        written.map_err(|error| io(&path, &error))
    }

    fn durable(&self, log: &str) -> Result<PathBuf, GuardError> {
        self.path(log, "guard")
    }

    fn recent(&self, log: &str) -> Result<PathBuf, GuardError> {
        self.path(log, "guard.recent")
    }

    fn path(&self, log: &str, ending: &str) -> Result<PathBuf, GuardError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if log.is_empty() || log.starts_with('.') || !log.chars().all(plain) {
            return Err(GuardError::Name(log.to_owned()));
        }
        Ok(self.folder.join(format!("{log}.{ending}")))
    }
}

/// The newest heads that a guard's folder has, by log, also beside the process that writes it. Empty when there is none.
///
/// # Errors
/// [`GuardError`].
pub fn recorded(folder: &Path) -> Result<Vec<(String, TreeHead)>, GuardError> {
    let shared = Shared {
        folder: folder.to_owned(),
        logs: Mutex::default(),
        dirty: Notify::new(),
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| io(folder, &error))?,
    };
    let mut heads = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| io(folder, &error))?.file_name();
        let log = name.to_str().and_then(|name| name.strip_suffix(".guard"));
        if let Some(log) = log
            && let Some(head) = shared.read(log)?
        {
            heads.push((log.to_owned(), head));
        }
    }
    heads.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(heads)
}

/// Compares a log that is not open with the guard, as opening it would: [`OpenError::BehindGuard`] when it is behind.
pub async fn compare(
    guard: &dyn Guard,
    store: Arc<dyn Store>,
    name: &str,
) -> Result<(), OpenError> {
    let head = store
        .head(name)
        .await?
        .ok_or_else(|| OpenError::Missing(name.to_owned()))?;
    let view = load(&*store, name, head).await?;
    check(guard, &Reader::new(store, name), &view).await
}

/// Refuses a view that is behind the guard: smaller, or with another root at the guarded size.
pub(crate) async fn check(
    guard: &dyn Guard,
    reader: &Reader,
    view: &View,
) -> Result<(), OpenError> {
    let name = reader.log();
    let Some(signed) = guard.load(name).await? else {
        return Ok(());
    };
    let behind = |other_root: bool| OpenError::BehindGuard {
        name: name.to_owned(),
        have: view.head.size,
        signed: signed.size,
        other_root,
    };
    if view.head.size < signed.size {
        return Err(behind(false));
    }
    let root = reader.root_at(view, signed.size).await;
    match root {
        Ok(root) if root == signed.root => Ok(()),
        Ok(_) => Err(behind(true)),
        Err(error) => Err(OpenError::Corrupt {
            name: name.to_owned(),
            detail: error.to_string(),
        }),
    }
}

/// Says what a log behind its guard means and how to go on.
pub(crate) fn describe(name: &str, have: u64, signed: u64, other_root: bool) -> String {
    let found = match other_root {
        true => format!(
            "the database has another tree than the one that was signed: its root of the first {signed} entries differs"
        ),
        false => format!(
            "the database is older than what was already signed: it has {have} entries, a head of {signed} was signed"
        ),
    };
    format!(
        "log {name}: {found}. Going on from it would fork the log, so nothing is signed. Restore a newer backup of the \
         database. If there is none, `sigstead fsck --accept-rollback {name}` says what going on costs, and does it"
    )
}

async fn sync_when_dirty(shared: Arc<Shared>) {
    loop {
        shared.dirty.notified().await;
        sync(shared.clone()).await;
        tokio::time::sleep(SYNC_PERIOD).await;
    }
}

async fn sync(shared: Arc<Shared>) {
    let done = tokio::task::spawn_blocking(move || shared.sync()).await;
    if let Ok(Err(error)) = done {
        tracing::error!(%error, "the guard is not durable; a loss of power now would weaken it");
    }
}

/// Writes a guard file: facts, the checkpoint with its length, a checksum over everything before it.
fn encode(log: &str, head: &TreeHead) -> Vec<u8> {
    let mut text = format!(
        "{TITLE}\nlog {log}\nsize {}\nroot {}\ntime {}\ncheckpoint {}\n",
        head.size,
        hex(&head.root),
        head.time_ms,
        head.checkpoint.len()
    )
    .into_bytes();
    text.extend_from_slice(&head.checkpoint);
    let checksum = format!("sha256 {}\n", hex(&Sha256::digest(&text)));
    text.extend_from_slice(checksum.as_bytes());
    text
}

/// Reads a guard file of a log; what stands behind the checksum is left from a longer one before it.
///
/// # Errors
/// What does not add up, as a clause.
pub fn decode(log: &str, bytes: &[u8]) -> Result<TreeHead, String> {
    let mut at = 0;
    let mut line = |label: &'static str| {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let text = end.and_then(|end| std::str::from_utf8(rest.get(..end)?).ok());
        let value = text.and_then(|text| text.strip_prefix(label));
        at += value.map_or(0, |value| label.len() + value.len() + 1);
        value.ok_or_else(|| format!("it has no line `{}` where one must be", label.trim()))
    };
    line(TITLE)?;
    let name = line("log ")?;
    let number = |value: &str| format!("`{value}` is no number");
    let size = line("size ")?;
    let size = size.parse().map_err(|_| number(size))?;
    let root = line("root ")?;
    let root = unhex(root).ok_or_else(|| format!("`{root}` is no root"))?;
    let time_ms = line("time ")?;
    let time_ms = time_ms.parse().map_err(|_| number(time_ms))?;
    let length = line("checkpoint ")?;
    let length: usize = length.parse().map_err(|_| number(length))?;
    let end = at
        .checked_add(length)
        .filter(|end| *end <= bytes.len())
        .ok_or("it ends within the checkpoint")?;
    let (covered, rest) = bytes.split_at(end);
    let want = format!("sha256 {}\n", hex(&Sha256::digest(covered)));
    if !rest.starts_with(want.as_bytes()) {
        return Err("its checksum does not match".into());
    }
    if name != log {
        return Err(format!("it is the guard of log {name}"));
    }
    Ok(TreeHead {
        size,
        root,
        time_ms,
        checkpoint: Bytes::copy_from_slice(&covered[at..]),
    })
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, GuardError> {
    match fs::metadata(path) {
        Ok(file) if file.len() > MAX_FILE_BYTES => Ok(Some(Vec::new())),
        Ok(_) => fs::read(path).map(Some).map_err(|error| io(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path, &error)),
    }
}

fn io(path: &Path, error: &std::io::Error) -> GuardError {
    GuardError::Io {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> TreeHead {
        TreeHead {
            size,
            root: [7; 32],
            time_ms: 1_700_000_000_000,
            checkpoint: Bytes::from(format!("log.example\n{size}\nroot\n\n\u{2014} name sig\n")),
        }
    }

    #[test]
    fn a_guard_file_gives_back_its_head() {
        let bytes = encode("ct", &head(12));
        assert_eq!(decode("ct", &bytes).unwrap(), head(12));
        // A shorter one over a longer one.
        let longer = [bytes, b"left over\n".to_vec()].concat();
        assert_eq!(decode("ct", &longer).unwrap(), head(12));
    }

    #[test]
    fn every_changed_byte_and_every_cut_of_a_guard_file_is_found() {
        let whole = encode("ct", &head(12));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(decode("ct", &changed).is_err(), "byte {at}");
            assert!(decode("ct", &whole[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_guard_of_another_log_is_refused() {
        let error = decode("rekor-v1", &encode("ct", &head(12))).unwrap_err();
        assert_eq!(error, "it is the guard of log ct");
    }

    #[tokio::test]
    async fn log_names_that_lead_out_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let guard = FileGuard::open(folder.path()).unwrap();
        for name in ["", ".", "..", "a/b", "\u{e9}"] {
            assert_eq!(guard.load(name).await, Err(GuardError::Name(name.into())));
        }
    }

    #[tokio::test]
    async fn the_recent_file_counts_when_it_is_whole_and_not_when_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let shared = |folder: &Path| Shared {
            folder: folder.to_owned(),
            logs: Mutex::default(),
            dirty: Notify::new(),
        };
        let first = shared(folder.path());
        first.record("ct", &head(1)).unwrap();
        first.record("ct", &head(2)).unwrap();
        assert_eq!(shared(folder.path()).read("ct").unwrap(), Some(head(2)));
        let recent = folder.path().join("ct.guard.recent");
        let bytes = fs::read(&recent).unwrap();
        fs::write(&recent, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(shared(folder.path()).read("ct").unwrap(), Some(head(1)));
    }
}
