//! A repository as a static tree of files, which any web server may serve as well.

use super::{MAX_FILE_BYTES, Session, Store};
use crate::{FileName, TufError};
use async_trait::async_trait;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Held by who writes.
const LOCK: &str = ".lock";
/// Writing takes milliseconds; who has the lock for longer hangs.
const LOCK_WAIT: Duration = Duration::from_secs(30);
const LOCK_PERIOD: Duration = Duration::from_millis(20);
/// A file that is being written. What a killed process left is swept by the next session.
const TEMPORARY: &str = ".new-";

/// A repository in a folder of this machine.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Points at a folder; the first session makes it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Reads a file, never more than [`MAX_FILE_BYTES`].
    pub(super) fn read_now(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        let path = self.root.join(name.to_string());
        let failed = |error| TufError::store(format!("read {}", path.display()), error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
        let read = u64::try_from(read.map_err(failed)?).unwrap_or(u64::MAX);
        if read > MAX_FILE_BYTES {
            return Err(TufError::Damaged {
                name: name.clone(),
                problem: format!("has more than {MAX_FILE_BYTES} bytes"),
            });
        }
        Ok(Some(bytes))
    }

    /// Puts a file in place, whole: a reader sees the old one or the new one, also after a crash.
    pub(super) fn write_now(&self, name: &FileName, bytes: &[u8]) -> Result<(), TufError> {
        let path = self.root.join(name.to_string());
        let written = write_atomically(&path, bytes);
        written.map_err(|error| TufError::store(format!("write {}", path.display()), error))
    }

    async fn lock(&self) -> Result<File, TufError> {
        let path = self.root.join(LOCK);
        let failed = |error: io::Error| TufError::store(format!("lock {}", path.display()), error);
        fs::create_dir_all(self.root.join("targets")).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => {
                    tokio::time::sleep(LOCK_PERIOD).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let reason = "another process has held it for 30 s; end that one";
                    return Err(TufError::store(format!("lock {}", path.display()), reason));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    fn sweep(&self) -> Result<(), TufError> {
        for folder in [self.root.clone(), self.root.join("targets")] {
            let failed = |error| TufError::store(format!("read {}", folder.display()), error);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                    // Somebody else may have been first; a file that cannot be removed is found again.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Folder {
    async fn read(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        let (this, name) = (self.clone(), name.clone());
        let read = tokio::task::spawn_blocking(move || this.read_now(&name));
        read.await
            .map_err(|error| TufError::store("read a file", error))?
    }

    async fn newest_root(&self) -> Result<Option<u64>, TufError> {
        let failed = |error| TufError::store(format!("read {}", self.root.display()), error);
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(failed)?,
        };
        let mut newest = None;
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if let Some(FileName::Root(version)) = name.to_str().and_then(FileName::parse) {
                newest = newest.max(Some(version));
            }
        }
        Ok(newest)
    }

    async fn begin(&self) -> Result<Box<dyn Session>, TufError> {
        let lock = self.lock().await?;
        self.sweep()?;
        Ok(Box::new(FolderSession {
            folder: self.clone(),
            _lock: lock,
        }))
    }
}

/// Writes files at once, in the order they come; the order is what makes a crash harmless.
struct FolderSession {
    folder: Folder,
    /// The lock ends with the file.
    _lock: File,
}

#[async_trait]
impl Session for FolderSession {
    async fn put(&mut self, name: &FileName, bytes: &[u8]) -> Result<(), TufError> {
        self.folder.write_now(name, bytes)
    }

    async fn commit(self: Box<Self>) -> Result<(), TufError> {
        Ok(())
    }
}

/// Static files: anyone may read them, like what a web server serves.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let suffix = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    let temporary = folder.join(format!("{TEMPORARY}{suffix:016x}"));
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // Of no use to anyone; the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_read_and_roots_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("tuf"));
        assert_eq!(folder.newest_root().await.unwrap(), None);
        let mut session = folder.begin().await.unwrap();
        for version in [1, 9, 10] {
            let name = FileName::Root(version);
            session.put(&name, b"{}").await.unwrap();
        }
        session.commit().await.unwrap();
        assert_eq!(folder.newest_root().await.unwrap(), Some(10));
        let read = |name| folder.read(name);
        assert_eq!(read(&FileName::Root(9)).await.unwrap().unwrap(), b"{}");
        assert_eq!(read(&FileName::Root(2)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_second_writer_waits_and_what_a_killed_one_left_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let first = folder.begin().await.unwrap();
        fs::write(root.path().join(".new-0123456789abcdef"), "half").unwrap();
        let second = tokio::spawn({
            let folder = folder.clone();
            async move { folder.begin().await.map(drop) }
        });
        tokio::time::sleep(LOCK_PERIOD * 3).await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap().unwrap();
        assert!(!root.path().join(".new-0123456789abcdef").exists());
    }

    #[tokio::test]
    async fn an_oversized_file_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let file = File::create(root.path().join("timestamp.json")).unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        let read = Folder::new(root.path()).read(&FileName::Timestamp).await;
        assert!(matches!(read, Err(TufError::Damaged { .. })));
    }
}
