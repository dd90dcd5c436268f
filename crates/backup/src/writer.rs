//! Writes an archive: under another name, synced, renamed at the end.

use crate::limits::MAX_ENTRIES;
use crate::manifest::{ABOUT, FORMAT, MANIFEST, Manifest};
use crate::{About, BackupError, EntryRecord, Lock, LogRecord};
use age::stream::StreamWriter;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Added to the name while it is written. A run that was killed leaves it; the next one writes over it.
const PARTIAL: &str = ".partial";

/// An archive that is being written. Dropped before [`Writer::finish`], nothing of it stays.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    tar: Option<tar::Builder<StreamWriter<BufWriter<File>>>>,
    entries: Vec<EntryRecord>,
    renamed: bool,
}

/// A finished archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Entries, the manifest included.
    pub entries: usize,
}

impl Writer {
    /// Begins an archive that will have the name `path`. `created` is RFC 3339, `id` random.
    ///
    /// # Errors
    /// [`BackupError::Busy`], [`BackupError::Write`], [`BackupError::Key`].
    pub fn create(
        path: &Path,
        lock: &Lock,
        tool: &str,
        created: String,
        id: [u8; 16],
    ) -> Result<Self, BackupError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(PARTIAL);
        let partial = PathBuf::from(partial);
        let failed = |source| BackupError::Write {
            path: path.to_owned(),
            source,
        };
        let encryptor = lock.encryptor()?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&partial)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let begin = || -> io::Result<_> {
            file.set_len(0)?;
            encryptor.wrap_output(BufWriter::new(file))
        };
        let stream = begin().map_err(failed)?;
        let mut writer = Self {
            path: path.to_owned(),
            partial,
            tar: Some(tar::Builder::new(stream)),
            entries: Vec::new(),
            renamed: false,
        };
        let about = About {
            format: FORMAT,
            tool: tool.to_owned(),
            created,
            id: hex::encode(id),
        };
        writer.put_json(ABOUT, &about)?;
        Ok(writer)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`BackupError::Write`].
    pub fn put(&mut self, name: &str, mode: u32, bytes: &[u8]) -> Result<(), BackupError> {
        if self.entries.len() >= MAX_ENTRIES {
            return Err(self.failed(io::Error::other("it has too many entries")));
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(mode);
        let added = match &mut self.tar {
            Some(tar) => tar.append_data(&mut header, name, bytes),
            None => Err(io::Error::other("it is finished")),
        };
        added.map_err(|error| self.failed(error))?;
        self.entries.push(EntryRecord {
            name: name.to_owned(),
            size,
            sha256: hex::encode(Sha256::digest(bytes)),
        });
        Ok(())
    }

    /// Adds an entry in JSON.
    ///
    /// # Errors
    /// [`BackupError::Write`].
    pub fn put_json(
        &mut self,
        name: &str,
        value: &impl serde::Serialize,
    ) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(value);
        let text = text.map_err(|error| self.failed(io::Error::other(error)))?;
        self.put(name, 0o600, &text)
    }

    /// Ends the archive and gives it its name.
    ///
    /// # Errors
    /// [`BackupError::Write`]; then there is nothing under the name, or what was there before.
    pub fn finish(mut self, logs: Vec<LogRecord>) -> Result<Written, BackupError> {
        let manifest = Manifest {
            entries: std::mem::take(&mut self.entries),
            logs,
        };
        let entries = manifest.entries.len() + 1;
        self.put_json(MANIFEST, &manifest)?;
        let tar = self.tar.take();
        let end = || -> io::Result<u64> {
            let tar = tar.ok_or_else(|| io::Error::other("it is finished"))?;
            let buffer = tar.into_inner()?.finish()?;
            let mut file = buffer
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            file.flush()?;
            // A disk may take bytes and lose them at the sync: the name comes after it.
            file.sync_all()?;
            fs::rename(&self.partial, &self.path)?;
            File::open(folder_of(&self.path))?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let bytes = end().map_err(|error| self.failed(error))?;
        self.renamed = true;
        Ok(Written { bytes, entries })
    }

    fn failed(&self, source: io::Error) -> BackupError {
        BackupError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.renamed {
            // The error that matters was the first one.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
