//! A layout as an uncompressed tar, read in place: nothing is unpacked, so no entry can leave its folder.

use super::Opened;
use crate::{ImageDigest, OciError, limits};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tar::EntryType;

/// A layout's tar and its table of contents.
pub(super) struct Archive {
    path: PathBuf,
    /// Name to offset and size; only names that a layout has.
    entries: BTreeMap<String, (u64, u64)>,
}

impl Archive {
    /// Reads the headers. Links, sparse files and names that no layout has are passed over; extended headers as well:
    /// every name of a layout fits into a plain one.
    pub(super) fn open(path: &Path) -> Result<Self, OciError> {
        let io = |source| OciError::Io {
            path: path.to_owned(),
            source,
        };
        let not_one = |reason: &str| OciError::Layout {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let mut file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(not_one(
                "it is not a file; for a folder write oci: instead of oci-archive:",
            ));
        }
        let mut magic = [0; 4];
        let have = file.read(&mut magic).map_err(io)?;
        if have == 4 && (magic.starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd]) {
            return Err(not_one("it is compressed; unpack it to a plain tar first"));
        }
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let entries = table(file).map_err(|reason| not_one(&reason))?;
        Ok(Self {
            path: path.to_owned(),
            entries,
        })
    }

    pub(super) fn open_file(&self, name: &str) -> Result<Option<Opened>, OciError> {
        let Some((offset, size)) = self.entries.get(name) else {
            return Ok(None);
        };
        let io = |source| OciError::Io {
            path: self.path.clone(),
            source,
        };
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(*offset)).map_err(io)?;
        Ok(Some(Opened {
            reader: Box::new(file.take(*size)),
            size: *size,
        }))
    }

    /// Blobs by digest, with their sizes, in the order of their digests.
    pub(super) fn blobs(&self) -> Vec<(ImageDigest, u64)> {
        let blobs = self.entries.iter().filter_map(|(name, (_, size))| {
            let hex = name.strip_prefix("blobs/sha256/")?;
            Some((format!("sha256:{hex}").parse().ok()?, *size))
        });
        blobs.collect()
    }
}

fn table(file: File) -> Result<BTreeMap<String, (u64, u64)>, String> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut archive = tar::Archive::new(file);
    let bad = |error: std::io::Error| format!("its tar cannot be read: {error}");
    let mut entries = BTreeMap::new();
    // Raw: the library would read extended headers into memory, of whatever size they claim.
    for (position, entry) in archive
        .entries_with_seek()
        .map_err(bad)?
        .raw(true)
        .enumerate()
    {
        if position >= limits::ARCHIVE_ENTRIES {
            return Err(format!(
                "it has more than {} entries",
                limits::ARCHIVE_ENTRIES
            ));
        }
        let entry = entry.map_err(bad)?;
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err("it ends in the middle of an entry".to_owned());
        }
        let name = entry.path_bytes();
        let Ok(name) = std::str::from_utf8(&name) else {
            continue;
        };
        let name = name.strip_prefix("./").unwrap_or(name);
        if entry.header().entry_type() != EntryType::Regular || !is_of_layout(name) {
            continue;
        }
        // A second index would be another answer for other readers. Blobs are told by their digests.
        if entries.insert(name.to_owned(), (offset, size)).is_some() && !name.starts_with("blobs/")
        {
            return Err(format!("it has several entries {name}"));
        }
    }
    Ok(entries)
}

fn is_of_layout(name: &str) -> bool {
    matches!(name, "oci-layout" | "index.json")
        || name
            .strip_prefix("blobs/sha256/")
            .is_some_and(|hex| format!("sha256:{hex}").parse::<ImageDigest>().is_ok())
}
