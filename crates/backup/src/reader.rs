//! Reads an archive, entry by entry; what it gave is whole once it came to its end without an error.

use crate::limits::{MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_MANIFEST_BYTES, MAX_NAME_BYTES};
use crate::manifest::{ABOUT, FORMAT, MANIFEST, Manifest};
use crate::{About, BackupError, EntryRecord, Unlock};
use age::{DecryptError, Decryptor};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Entries that wait to be taken: one is made while one is used.
const AHEAD: usize = 1;

/// An entry of an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: parts joined by `/`, none of them `.` or `..`.
    pub name: String,
    /// Permissions of a file.
    pub mode: u32,
    /// Its content.
    pub bytes: Bytes,
}

/// How far an archive is read; for a progress bar.
#[derive(Clone, Debug, Default)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    /// Bytes of the file that were read.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Entries of an archive, read by a thread of their own.
pub struct Reader {
    about: About,
    entries: mpsc::Receiver<Result<Item, BackupError>>,
    manifest: Option<Manifest>,
    position: Position,
}

enum Item {
    About(About),
    Entry(Entry),
    Manifest(Manifest),
}

impl Reader {
    /// Opens an archive and reads its first entry.
    ///
    /// # Errors
    /// [`BackupError`]: among others a wrong passphrase, another format.
    pub async fn open(path: &Path, unlock: &Unlock) -> Result<Self, BackupError> {
        let (send, mut entries) = mpsc::channel(AHEAD);
        let position = Position::default();
        let source = Source {
            path: path.to_owned(),
            unlock: unlock.clone(),
            position: position.clone(),
        };
        std::thread::spawn(move || {
            if let Err(error) = source.run(&send) {
                // Nobody listens any more, or the error is taken.
                let _ = send.blocking_send(Err(error));
            }
        });
        match entries.recv().await {
            Some(Ok(Item::About(about))) => Ok(Self {
                about,
                entries,
                manifest: None,
                position,
            }),
            Some(Err(error)) => Err(error),
            _ => Err(not_a_backup(path, "it has no first entry")),
        }
    }

    /// What the archive says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How far it is read.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// The next entry; `None` when all were given and match the manifest.
    ///
    /// # Errors
    /// [`BackupError::Cut`], [`BackupError::Changed`], [`BackupError::Malformed`].
    pub async fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        match self.entries.recv().await {
            Some(Ok(Item::Entry(entry))) => Ok(Some(entry)),
            Some(Ok(Item::Manifest(manifest))) => {
                self.manifest = Some(manifest);
                Ok(None)
            }
            Some(Err(error)) => Err(error),
            Some(Ok(Item::About(_))) | None => Ok(None),
        }
    }

    /// The manifest, after the last entry.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }
}

/// The thread's side.
struct Source {
    path: PathBuf,
    unlock: Unlock,
    position: Position,
}

impl Source {
    fn run(&self, send: &mpsc::Sender<Result<Item, BackupError>>) -> Result<(), BackupError> {
        let read_error = |source| BackupError::Read {
            path: self.path.clone(),
            source,
        };
        let file = File::open(&self.path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let counted = Counted {
            file,
            position: self.position.clone(),
        };
        let mut tar = tar::Archive::new(self.decrypt(counted, length)?);
        let mut seen: Vec<EntryRecord> = Vec::new();
        let mut manifest = None;
        let mut place = "its beginning".to_owned();
        let entries = tar
            .entries()
            .map_err(|error| self.broken(&place, length, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.broken(&place, length, &error))?;
            let entry = self.entry(entry, &place, length)?;
            place = entry.name.clone();
            if manifest.is_some() {
                return Err(self.malformed(&place, "it stands behind the manifest"));
            }
            let item = match entry.name.as_str() {
                ABOUT if seen.is_empty() => Item::About(self.about(&entry)?),
                _ if seen.is_empty() => {
                    return Err(not_a_backup(&self.path, "its first entry is another one"));
                }
                MANIFEST => {
                    let read: Manifest = self.json(&entry)?;
                    self.check(&read, &seen)?;
                    manifest = Some(read);
                    continue;
                }
                _ => Item::Entry(entry.clone()),
            };
            if seen.len() >= MAX_ENTRIES {
                return Err(self.malformed(&place, "there are too many entries"));
            }
            seen.push(EntryRecord {
                name: entry.name.clone(),
                size: u64::try_from(entry.bytes.len()).unwrap_or(u64::MAX),
                sha256: hex::encode(Sha256::digest(&entry.bytes)),
            });
            if send.blocking_send(Ok(item)).is_err() {
                return Ok(());
            }
        }
        // The tar may have ended without the last, sealed chunk of the file.
        let mut rest = tar.into_inner();
        io::copy(&mut rest, &mut io::sink())
            .map_err(|error| self.broken(&place, length, &error))?;
        let manifest = manifest.ok_or_else(|| BackupError::Cut {
            path: self.path.clone(),
            entry: place,
        })?;
        // Nobody listens any more: then nobody needs it.
        let _ = send.blocking_send(Ok(Item::Manifest(manifest)));
        Ok(())
    }

    fn decrypt(&self, input: impl Read, length: u64) -> Result<impl Read, BackupError> {
        let path = || self.path.clone();
        let in_header = |error: DecryptError| match error {
            DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                BackupError::Cut {
                    path: path(),
                    entry: "its header".into(),
                }
            }
            DecryptError::Io(error) if error.raw_os_error().is_some() => BackupError::Read {
                path: path(),
                source: error,
            },
            DecryptError::InvalidMac => BackupError::Changed {
                path: path(),
                entry: "its header".into(),
                detail: "the header's seal does not match".into(),
            },
            error if length == 0 => not_a_backup(&self.path, &format!("it is empty ({error})")),
            error => not_a_backup(&self.path, &error.to_string()),
        };
        let decryptor = Decryptor::new_buffered(BufReader::new(input)).map_err(in_header)?;
        match (&self.unlock, decryptor.is_scrypt()) {
            (Unlock::Identities(_), true) => {
                return Err(BackupError::OtherLock {
                    path: path(),
                    have: "a passphrase",
                    want: "give --passphrase-file",
                });
            }
            (Unlock::Passphrase(_), false) => {
                return Err(BackupError::OtherLock {
                    path: path(),
                    have: "recipients",
                    want: "give --identity-file, with the private half of one of them",
                });
            }
            _ => {}
        }
        let identities = self.unlock.identities_for_age();
        let identities = identities.iter().map(|identity| &**identity);
        decryptor.decrypt(identities).map_err(|error| match error {
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                match self.unlock {
                    Unlock::Passphrase(_) => BackupError::WrongPassphrase(path()),
                    Unlock::Identities(_) => BackupError::WrongIdentity(path()),
                }
            }
            DecryptError::NoMatchingKeys => match self.unlock {
                Unlock::Passphrase(_) => BackupError::WrongPassphrase(path()),
                Unlock::Identities(_) => BackupError::WrongIdentity(path()),
            },
            error => in_header(error),
        })
    }

    /// Reads an entry in whole.
    fn entry(
        &self,
        mut entry: tar::Entry<'_, impl Read>,
        before: &str,
        length: u64,
    ) -> Result<Entry, BackupError> {
        let name = entry.path_bytes().into_owned();
        let name = String::from_utf8(name).unwrap_or_default();
        if !is_plain(&name) || !entry.header().entry_type().is_file() {
            return Err(self.malformed(
                before,
                "the entry behind it has a name or a type that no backup has",
            ));
        }
        let limit = match name.as_str() {
            MANIFEST => MAX_MANIFEST_BYTES,
            _ => MAX_ENTRY_BYTES,
        };
        if entry.size() > limit {
            return Err(self.malformed(&name, &format!("it has more than {limit} bytes")));
        }
        let mode = entry.header().mode().unwrap_or(0o600) & 0o777;
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
        let read = entry.read_to_end(&mut bytes);
        let read = read.map_err(|error| self.broken(&name, length, &error))?;
        if u64::try_from(read).ok() != Some(entry.size()) {
            return Err(BackupError::Cut {
                path: self.path.clone(),
                entry: name,
            });
        }
        Ok(Entry {
            name,
            mode,
            bytes: bytes.into(),
        })
    }

    fn about(&self, entry: &Entry) -> Result<About, BackupError> {
        /// What every format has.
        #[derive(serde::Deserialize)]
        struct Any {
            format: u32,
        }
        let any: Any = self.json(entry)?;
        match any.format {
            FORMAT => self.json(entry),
            have => Err(BackupError::Newer {
                path: self.path.clone(),
                have,
                known: FORMAT,
            }),
        }
    }

    fn json<T: DeserializeOwned>(&self, entry: &Entry) -> Result<T, BackupError> {
        serde_json::from_slice(&entry.bytes)
            .map_err(|error| self.malformed(&entry.name, &error.to_string()))
    }

    /// Compares what was read with what was written.
    fn check(&self, manifest: &Manifest, seen: &[EntryRecord]) -> Result<(), BackupError> {
        let changed = |entry: &str, detail: &str| BackupError::Changed {
            path: self.path.clone(),
            entry: entry.to_owned(),
            detail: detail.to_owned(),
        };
        for (wrote, read) in manifest.entries.iter().zip(seen) {
            if wrote.name != read.name {
                return Err(changed(&wrote.name, "another entry stands in its place"));
            }
            if wrote != read {
                return Err(changed(&read.name, "its SHA-256 is another one"));
            }
        }
        if manifest.entries.len() != seen.len() {
            return Err(changed(MANIFEST, "it names another number of entries"));
        }
        Ok(())
    }

    /// Tells a cut from a change: what was cut fails at the end of the file.
    fn broken(&self, place: &str, length: u64, error: &io::Error) -> BackupError {
        let (path, entry) = (self.path.clone(), place.to_owned());
        if let Some(code) = error.raw_os_error() {
            let source = io::Error::from_raw_os_error(code);
            return BackupError::Read { path, source };
        }
        if error.kind() == io::ErrorKind::UnexpectedEof || self.position.bytes() >= length {
            return BackupError::Cut {
                path,
                entry: format!("{entry} or behind it (or one of its last 64 KiB was changed)"),
            };
        }
        BackupError::Changed {
            path,
            entry: format!("{entry}, or what stands behind it,"),
            detail: error.to_string(),
        }
    }

    fn malformed(&self, entry: &str, detail: &str) -> BackupError {
        BackupError::Malformed {
            path: self.path.clone(),
            entry: entry.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// Counts what is read.
struct Counted {
    file: File,
    position: Position,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or_default();
        self.position.0.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }
}

/// A relative path that stays where it is put.
fn is_plain(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        && path.components().count() == name.split('/').count()
}

fn not_a_backup(path: &Path, detail: &str) -> BackupError {
    BackupError::NotABackup {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_its_folder() {
        for name in ["data/keys/ct-log.pem", "manifest.json"] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "a\\b",
            "a\nb",
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
