//! A layout as a folder.

use super::Opened;
use crate::{ImageDigest, OciError};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A layout's folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, OciError> {
        if !path.is_dir() {
            let reason = if path.is_file() {
                "it is a file; for a tar write oci-archive: instead of oci:"
            } else {
                "there is no such folder"
            };
            return Err(OciError::Layout {
                path: path.to_owned(),
                reason: reason.to_owned(),
            });
        }
        Ok(Self(path.to_owned()))
    }

    /// A plain file: a pipe or device in a layout would be waited for without end.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<Opened>, OciError> {
        let path = self.0.join(name);
        let io = |source| OciError::Io {
            path: path.clone(),
            source,
        };
        let size = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let reader = Box::new(File::open(&path).map_err(io)?);
        Ok(Some(Opened { reader, size }))
    }

    /// Blobs by digest, with their sizes, in the order of their digests.
    pub(super) fn blobs(&self) -> Result<Vec<(ImageDigest, u64)>, OciError> {
        let path = self.0.join("blobs/sha256");
        let io = |source| OciError::Io {
            path: path.clone(),
            source,
        };
        let mut blobs = Vec::new();
        for entry in fs::read_dir(&path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            let digest = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse().ok());
            if let Some(digest) = digest
                && let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                blobs.push((digest, metadata.len()));
            }
        }
        blobs.sort_unstable();
        Ok(blobs)
    }
}
