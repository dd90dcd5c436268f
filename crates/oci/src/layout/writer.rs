//! Writing a layout: blobs first, `index.json` last, so that a reader never meets an index without its blobs.

use super::{KIND, KIND_ATTESTATIONS, KIND_SIGNATURES, Layout, REF_NAME, blob_path};
use crate::blob::BlobStream;
use crate::manifest::{Descriptor, IMAGE_INDEX, Manifest};
use crate::{ImageDigest, OciError, limits};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A layout that is written. Nothing shows before [`Writer::finish`]; a folder that existed is extended.
pub(crate) struct Writer {
    path: PathBuf,
    target: Target,
    index: Value,
}

enum Target {
    Folder,
    Archive {
        tar: tar::Builder<BufWriter<NamedTempFile>>,
        have: Vec<ImageDigest>,
    },
}

const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

impl Writer {
    /// Opens a folder, new or a layout already; another folder is refused.
    pub(crate) fn folder(path: &Path) -> Result<Self, OciError> {
        let io = |source| OciError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(io)?;
        let is_empty = fs::read_dir(path).map_err(io)?.next().is_none();
        let index = if is_empty {
            fs::create_dir_all(path.join("blobs/sha256")).map_err(io)?;
            write_file(&path.join("oci-layout"), VERSION)?;
            empty_index()
        } else {
            // Read as any reader does, then as it is: members of others are kept.
            Layout::open_folder(path)?;
            let bytes = fs::read(path.join("index.json")).map_err(io)?;
            serde_json::from_slice(&bytes).map_err(|error| OciError::Layout {
                path: path.to_owned(),
                reason: error.to_string(),
            })?
        };
        Ok(Self {
            path: path.to_owned(),
            target: Target::Folder,
            index,
        })
    }

    /// Begins a new tar beside its final place.
    pub(crate) fn archive(path: &Path) -> Result<Self, OciError> {
        if path.exists() {
            return Err(OciError::ReadOnly(format!(
                "{} exists already, and a tar cannot be extended: name another file, or remove this one",
                path.display()
            )));
        }
        let io = |source| OciError::Io {
            path: path.to_owned(),
            source,
        };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(io)?;
        let mut tar = tar::Builder::new(BufWriter::new(file));
        append(&mut tar, "oci-layout", 30, VERSION).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            target: Target::Archive {
                tar,
                have: Vec::new(),
            },
            index: empty_index(),
        })
    }

    /// Whether a blob is there already.
    pub(crate) fn has_blob(&self, digest: ImageDigest) -> bool {
        match &self.target {
            Target::Folder => self.path.join(blob_path(digest)).is_file(),
            Target::Archive { have, .. } => have.contains(&digest),
        }
    }

    /// Stores a blob from a stream that checks itself. A stream that fails leaves nothing.
    pub(crate) async fn put_blob(
        &mut self,
        digest: ImageDigest,
        size: u64,
        mut stream: BlobStream,
    ) -> Result<(), OciError> {
        if self.has_blob(digest) {
            return Ok(());
        }
        let path = self.path.clone();
        let io = |source| OciError::Io {
            path: path.clone(),
            source,
        };
        let folder = match &self.target {
            Target::Folder => self.path.join("blobs/sha256"),
            Target::Archive { tar, .. } => tar
                .get_ref()
                .get_ref()
                .path()
                .parent()
                .map_or_else(|| PathBuf::from("."), Path::to_path_buf),
        };
        let mut staged = NamedTempFile::new_in(folder).map_err(io)?;
        while let Some(piece) = stream.next().await {
            staged.write_all(&piece?).map_err(io)?;
        }
        match &mut self.target {
            Target::Folder => keep(staged, &self.path.join(blob_path(digest))),
            Target::Archive { tar, have } => {
                let file = staged.as_file_mut();
                file.seek(SeekFrom::Start(0)).map_err(io)?;
                append(tar, &blob_path(digest), size, file).map_err(io)?;
                have.push(digest);
                Ok(())
            }
        }
    }

    /// Stores a small blob.
    pub(crate) async fn put_bytes(&mut self, bytes: &[u8]) -> Result<ImageDigest, OciError> {
        let digest = ImageDigest::of(bytes);
        let piece = Bytes::copy_from_slice(bytes);
        let stream = stream::once(async move { Ok(piece) }).boxed();
        self.put_blob(digest, crate::manifest::length(bytes), stream)
            .await?;
        Ok(digest)
    }

    /// Stores a manifest and puts it on the index, with these annotations besides its own. A name is one manifest's:
    /// another one that had it stays without.
    pub(crate) async fn put_manifest(
        &mut self,
        manifest: &Manifest,
        annotations: &[(&str, &str)],
    ) -> Result<(), OciError> {
        self.put_bytes(&manifest.bytes).await?;
        let mut descriptor = match manifest.subject()? {
            Some(_) => manifest.referrer_descriptor()?,
            None => manifest.descriptor(),
        };
        for (key, value) in annotations {
            descriptor
                .annotations
                .insert((*key).to_owned(), (*value).to_owned());
        }
        self.list(&descriptor)
    }

    fn list(&mut self, descriptor: &Descriptor) -> Result<(), OciError> {
        let not_one = || OciError::Layout {
            path: self.path.clone(),
            reason: "its index.json has no list of manifests".to_owned(),
        };
        let Some(Value::Array(list)) = self.index.get_mut("manifests") else {
            return Err(not_one());
        };
        let new = Entry::of(&descriptor.to_json());
        let mut kept = Vec::new();
        for mut one in std::mem::take(list) {
            let old = Entry::of(&one);
            let same = old.digest == new.digest;
            // The newest set of signatures replaces the older one, which it contains.
            let replaced = !same
                && (new.is_set_of_signatures() && (old.name == new.name || old.kind == new.kind));
            // One entry for a digest and a name; an unnamed one adds nothing to a named one.
            let repeated = same && (old.name == new.name || old.name.is_none());
            if replaced || repeated {
                continue;
            }
            if !same && new.name.is_some() && old.name == new.name {
                remove_name(&mut one);
            }
            kept.push(one);
        }
        let known = kept.iter().any(|one| Entry::of(one).digest == new.digest);
        if !known || new.name.is_some() {
            kept.push(descriptor.to_json());
        }
        *list = kept;
        Ok(())
    }

    /// Writes the index, and puts a tar into its place.
    pub(crate) fn finish(self) -> Result<(), OciError> {
        let index = self.index.to_string();
        if index.len() > limits::MANIFEST_BYTES {
            return Err(OciError::TooLarge {
                what: format!("index.json of {}", self.path.display()),
                limit: u64::try_from(limits::MANIFEST_BYTES).unwrap_or(u64::MAX),
            });
        }
        match self.target {
            Target::Folder => write_file(&self.path.join("index.json"), index.as_bytes()),
            Target::Archive { mut tar, .. } => {
                let io = |source| OciError::Io {
                    path: self.path.clone(),
                    source,
                };
                let size = crate::manifest::length(index.as_bytes());
                append(&mut tar, "index.json", size, index.as_bytes()).map_err(io)?;
                let file = tar
                    .into_inner()
                    .and_then(|buffered| buffered.into_inner().map_err(|error| error.into_error()))
                    .map_err(io)?;
                keep(file, &self.path)
            }
        }
    }
}

/// What tells entries of the index apart.
struct Entry {
    digest: Option<String>,
    name: Option<String>,
    kind: Option<String>,
}

impl Entry {
    fn of(json: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let annotation = |name| text(json.get("annotations").and_then(|all| all.get(name)));
        Self {
            digest: text(json.get("digest")),
            name: annotation(REF_NAME),
            kind: annotation(KIND),
        }
    }

    fn is_set_of_signatures(&self) -> bool {
        matches!(
            self.kind.as_deref(),
            Some(KIND_SIGNATURES | KIND_ATTESTATIONS)
        )
    }
}

fn remove_name(entry: &mut Value) {
    if let Some(all) = entry.get_mut("annotations").and_then(Value::as_object_mut) {
        all.remove(REF_NAME);
    }
}

fn empty_index() -> Value {
    json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []})
}

/// One plain entry, the same bytes for the same content.
fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    content: impl std::io::Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    tar.append_data(&mut header, name, content)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OciError> {
    let io = |source| OciError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut staged = NamedTempFile::new_in(folder).map_err(io)?;
    staged.write_all(bytes).map_err(io)?;
    keep(staged, path)
}

/// Puts a staged file into its place, readable as other files are and safe from a power cut.
fn keep(staged: NamedTempFile, path: &Path) -> Result<(), OciError> {
    let io = |source| OciError::Io {
        path: path.to_owned(),
        source,
    };
    readable(staged.as_file()).map_err(io)?;
    staged.as_file().sync_all().map_err(io)?;
    staged
        .persist(path)
        .map(drop)
        .map_err(|error| io(error.error))
}

/// Temporary files are private; images are not.
fn readable(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
