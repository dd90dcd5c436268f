//! Where things are in a data folder, and how they are written.

use anyhow::{Context, Result, anyhow, bail};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The paths of one data folder. A locked layout holds the folder until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    /// Where the process writes: the data folder itself, unless several processes have it.
    state: PathBuf,
    _lock: Option<Arc<File>>,
}

impl Layout {
    /// Points at a folder to read public things from; takes no lock and creates nothing.
    pub(crate) fn read_only(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            state: root.to_owned(),
            _lock: None,
        }
    }

    /// Creates the folder when it is missing (mode 0700) and locks it for this process.
    pub(crate) fn lock(root: &Path) -> Result<Self> {
        create_private(root).context("choose another --data-dir")?;
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot resolve {}", root.display()))?;
        let lock = lock_folder(&root, "stop it, or choose another --data-dir")?;
        Ok(Self {
            state: root.clone(),
            root,
            _lock: Some(lock),
        })
    }

    /// Takes a data folder that is there, perhaps read-only and with other processes, and a folder for what this one
    /// writes, which it has for itself.
    pub(crate) fn serve(root: &Path, state: &Path) -> Result<Self> {
        let canonical = |path: &Path| {
            path.canonicalize()
                .with_context(|| format!("cannot resolve {}", path.display()))
        };
        let root = canonical(root).context("run `sigstead init` first, which makes it")?;
        create_private(state).context("state_dir")?;
        let state = canonical(state)?;
        let cure = "stop it, or give this one a state_dir of its own";
        let lock = lock_folder(&state, cure)?;
        Ok(Self {
            root,
            state,
            _lock: Some(lock),
        })
    }

    /// Whether the data folder is locked for this process, so that no other one serves or changes it.
    pub(crate) fn has_all(&self) -> bool {
        self._lock.is_some() && self.state == self.root
    }

    /// Whether this process may write what is recorded in the data folder.
    pub(crate) fn is_writable(&self) -> bool {
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.description_lock());
        opened.is_ok()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn public(&self) -> PathBuf {
        self.root.join("public")
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.state.join("trust")
    }

    /// The TUF repository as a static tree.
    pub(crate) fn tuf(&self) -> PathBuf {
        self.state.join("tuf")
    }

    /// The TUF root that new clients are given.
    pub(crate) fn tuf_root(&self) -> PathBuf {
        self.trust().join("tuf_root.json")
    }

    /// Policies of the verifier, if the operator puts some there.
    pub(crate) fn policies(&self) -> PathBuf {
        self.root.join("policies")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("sigstead.db")
    }

    /// Where the logs are, when they were moved; mode 0600, for it may hold a password.
    pub(crate) fn database_url(&self) -> PathBuf {
        self.root.join(crate::database::URL_FILE)
    }

    /// A move of the logs that is under way; mode 0600.
    pub(crate) fn relocation(&self) -> PathBuf {
        self.root.join(crate::database::MOVE_FILE)
    }

    /// Held for a moment by who changes the description: the process that serves, or a command beside it.
    pub(crate) fn description_lock(&self) -> PathBuf {
        self.root.join("instance.json.lock")
    }

    /// Waits for other commands that rotate keys; they are kept away until the answer is dropped.
    pub(crate) fn lock_rotations(&self) -> Result<File> {
        let path = self.root.join("rotate.lock");
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file))
            .with_context(|| format!("cannot lock {}", path.display()))
    }

    /// The newest signed head of each log, outside the database.
    pub(crate) fn guard(&self) -> PathBuf {
        self.state.join("guard")
    }

    pub(crate) fn description(&self) -> PathBuf {
        self.root.join("instance.json")
    }
}

/// Creates a folder that only its owner reaches; one that is there stays as it is.
fn create_private(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// Locks a folder for this process.
fn lock_folder(folder: &Path, cure: &str) -> Result<Arc<File>> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another process serves the data folder {}; {cure}",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| {
            format!(
                "cannot lock {}; is the file system a local one?",
                path.display()
            )
        }),
    }
}

/// As [`write_atomically`], for the owner's eyes only.
pub(crate) fn write_secretly(path: &Path, content: &[u8]) -> Result<()> {
    write_with_mode(path, content, 0o600)
}

/// Replaces a file so that a reader sees the old or the new content, also after a crash.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    write_with_mode(path, content, 0o666)
}

/// The mode is narrowed by the process's mask.
fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("file");
    // Unpredictable and created anew: in a folder that others can write to, a planted link would lead elsewhere.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow!("no randomness: {error}"))?;
    let temporary = folder.join(format!(".{name}.{}", hex::encode(random)));
    let written = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // The temporary file is of no use to anyone; the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_does_not_get_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Layout::lock(folder.path()).unwrap();
        let refused = Layout::lock(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains("another process") && refused.contains("--data-dir"),
            "{refused}"
        );
        drop(first);
        Layout::lock(folder.path()).unwrap();
    }

    #[test]
    fn an_atomic_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomically(&path, b"1").unwrap();
        write_atomically(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
