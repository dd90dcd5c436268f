//! Images in the OCI image layout, in a folder or in a tar: no network, and blocking calls only.
//!
//! What refers to an image is found by the members `subject` of the manifests: first of those in `index.json`, then of
//! all blobs that are small enough, because `cosign save` leaves the bundles out of the index.

mod archive;
mod folder;
mod writer;

pub(crate) use writer::Writer;

use crate::blob::{self, BlobStream};
use crate::manifest::{self, Descriptor, Manifest};
use crate::source::{LayoutReference, Selector};
use crate::{ImageDigest, OciError, limits};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The annotation that names an image of a layout.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation by which cosign tells what it saved, and its values.
pub(crate) const KIND: &str = "kind";
pub(crate) const KIND_IMAGE: &str = "dev.cosignproject.cosign/image";
pub(crate) const KIND_INDEX: &str = "dev.cosignproject.cosign/imageIndex";
pub(crate) const KIND_SIGNATURES: &str = "dev.cosignproject.cosign/sigs";
pub(crate) const KIND_ATTESTATIONS: &str = "dev.cosignproject.cosign/atts";

/// A layout that is read.
pub(crate) struct Layout {
    path: PathBuf,
    files: Files,
    index: Vec<Descriptor>,
    /// What refers to which image; filled when somebody asks.
    referring: OnceLock<Vec<(ImageDigest, Descriptor)>>,
}

/// A file of a layout, and its size.
struct Opened {
    reader: Box<dyn Read + Send>,
    size: u64,
}

enum Files {
    Folder(folder::Folder),
    Archive(archive::Archive),
}

impl Layout {
    /// Opens a folder: its version and its index are read, nothing else.
    pub(crate) fn open_folder(path: &Path) -> Result<Self, OciError> {
        Self::open(path, Files::Folder(folder::Folder::open(path)?))
    }

    /// Opens a tar: its table of contents, version and index are read.
    pub(crate) fn open_archive(path: &Path) -> Result<Self, OciError> {
        Self::open(path, Files::Archive(archive::Archive::open(path)?))
    }

    fn open(path: &Path, files: Files) -> Result<Self, OciError> {
        let mut layout = Self {
            path: path.to_owned(),
            files,
            index: Vec::new(),
            referring: OnceLock::new(),
        };
        let version: Version = layout
            .json("oci-layout", limits::LAYOUT_FILE_BYTES)?
            .ok_or_else(|| layout.not_one("there is no file oci-layout in it"))?;
        // Version 1.0.0 is the only one; minor ones would be compatible.
        if !version.image_layout_version.starts_with("1.") {
            return Err(layout.not_one(&format!(
                "its version is {:?}, readable is 1.0.0",
                version.image_layout_version
            )));
        }
        let index = layout
            .read("index.json", limits::MANIFEST_BYTES)?
            .ok_or_else(|| layout.not_one("there is no file index.json in it"))?;
        let what = format!("index.json of {}", path.display());
        layout.index = manifest::descriptors(&index, &what)?
            .into_iter()
            .collect::<Result<_, _>>()?;
        Ok(layout)
    }

    /// The folder or tar.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds the image that is named; without a name the only one.
    pub(crate) fn named(&self, reference: &LayoutReference) -> Result<Manifest, OciError> {
        let missing = || OciError::NoImage(format!("{reference}"));
        match &reference.image {
            Some(Selector::Digest(digest)) => self.manifest(*digest)?.ok_or_else(missing),
            Some(Selector::Tag(tag)) => self.tagged(tag)?.ok_or_else(missing),
            None => self.only(),
        }
    }

    /// The image when there is one: what refers to another, and what cosign stored beside, does not count.
    fn only(&self) -> Result<Manifest, OciError> {
        let mut images: Vec<(&Descriptor, Manifest)> = Vec::new();
        for descriptor in &self.index {
            if is_attached(descriptor)
                || images
                    .iter()
                    .any(|(one, _)| one.digest == descriptor.digest)
            {
                continue;
            }
            let manifest = self.listed(descriptor)?;
            if manifest.subject()?.is_none() {
                images.push((descriptor, manifest));
            }
        }
        if images.len() > 1 {
            let names: Vec<_> = images
                .iter()
                .take(10)
                .map(|(one, _)| match one.annotations.get(REF_NAME) {
                    Some(tag) => format!(":{tag}"),
                    None => format!("@{}", one.digest),
                })
                .collect();
            return Err(OciError::Ambiguous {
                place: self.path.display().to_string(),
                names: names.join(", "),
            });
        }
        images
            .pop()
            .map(|(_, manifest)| manifest)
            .ok_or_else(|| OciError::NoImage(format!("in {}", self.path.display())))
    }

    /// Reads a manifest by its name in the index: the tag alone, or the whole reference that some tools write.
    pub(crate) fn tagged(&self, tag: &str) -> Result<Option<Manifest>, OciError> {
        let is_named = |name: &String| {
            name == tag
                || name
                    .strip_suffix(tag)
                    .is_some_and(|before| before.ends_with(':'))
        };
        self.index
            .iter()
            .find(|one| one.annotations.get(REF_NAME).is_some_and(is_named))
            .map(|one| self.listed(one))
            .transpose()
    }

    /// Manifests of this kind that cosign stored beside the one image of its layouts; none for other images.
    pub(crate) fn of_kind(
        &self,
        image: ImageDigest,
        kind: &str,
    ) -> Result<Vec<Manifest>, OciError> {
        if !self.is_main(image) {
            return Ok(Vec::new());
        }
        self.index
            .iter()
            .filter(|one| has_kind(one, &[kind]))
            .map(|one| self.listed(one))
            .collect()
    }

    /// Whether it is the image that cosign takes a layout for.
    pub(crate) fn is_main(&self, image: ImageDigest) -> bool {
        let mut marked = self
            .index
            .iter()
            .filter(|one| has_kind(one, &[KIND_IMAGE, KIND_INDEX]));
        marked.next().is_some_and(|one| one.digest == image)
    }

    /// Whether cosign would take any image of it.
    pub(crate) fn has_main(&self) -> bool {
        self.index
            .iter()
            .any(|one| has_kind(one, &[KIND_IMAGE, KIND_INDEX]))
    }

    fn listed(&self, descriptor: &Descriptor) -> Result<Manifest, OciError> {
        let bytes = self.blob(descriptor.digest, limits::MANIFEST_BYTES)?;
        Manifest::new(bytes, Some(&descriptor.media_type))
    }

    /// Reads a manifest by digest, in the index or not.
    pub(crate) fn manifest(&self, digest: ImageDigest) -> Result<Option<Manifest>, OciError> {
        if let Some(descriptor) = self.index.iter().find(|one| one.digest == digest) {
            return self.listed(descriptor).map(Some);
        }
        match self.blob(digest, limits::MANIFEST_BYTES) {
            Ok(bytes) => Manifest::new(bytes, None).map(Some),
            Err(OciError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Descriptors of all manifests that refer to an image.
    pub(crate) fn referrers(&self, subject: ImageDigest) -> Result<Vec<Descriptor>, OciError> {
        let all = match self.referring.get() {
            Some(all) => all,
            // Once for all images of an index: every small file is opened for it.
            None => {
                let all = self.scan()?;
                self.referring.get_or_init(|| all)
            }
        };
        let found: Vec<_> = all
            .iter()
            .filter(|(about, _)| *about == subject)
            .map(|(_, descriptor)| descriptor.clone())
            .collect();
        if found.len() > limits::REFERRERS {
            return Err(OciError::TooMany {
                what: format!("referrers in {}", self.path.display()),
                limit: limits::REFERRERS,
            });
        }
        Ok(found)
    }

    /// What refers to which image.
    fn scan(&self) -> Result<Vec<(ImageDigest, Descriptor)>, OciError> {
        let mut found = Vec::new();
        for digest in self.manifests()? {
            // What is no manifest, is not whole, or refers to nothing is none of our business here.
            let Ok(Some(manifest)) = self.manifest(digest) else {
                continue;
            };
            if let Ok(Some(subject)) = manifest.subject() {
                let descriptor = manifest
                    .referrer_descriptor()
                    .unwrap_or_else(|_| manifest.descriptor());
                found.push((subject, descriptor));
            }
        }
        Ok(found)
    }

    /// Digests of what may be a manifest: those of the index, then small blobs that begin like JSON.
    fn manifests(&self) -> Result<Vec<ImageDigest>, OciError> {
        let mut all: Vec<_> = self.index.iter().map(|one| one.digest).collect();
        let blobs = match &self.files {
            Files::Folder(folder) => folder.blobs()?,
            Files::Archive(archive) => archive.blobs(),
        };
        let small = u64::try_from(limits::MANIFEST_BYTES).unwrap_or(u64::MAX);
        for (digest, size) in blobs {
            if size <= small && !all.contains(&digest) && self.begins_like_json(digest)? {
                all.push(digest);
            }
            if all.len() > limits::LAYOUT_SCAN {
                return Err(OciError::TooMany {
                    what: format!("manifests in {}", self.path.display()),
                    limit: limits::LAYOUT_SCAN,
                });
            }
        }
        Ok(all)
    }

    fn begins_like_json(&self, digest: ImageDigest) -> Result<bool, OciError> {
        let Some(mut file) = self.open_file(&blob_path(digest))? else {
            return Ok(false);
        };
        let mut first = [0; 1];
        let have = file
            .reader
            .read(&mut first)
            .map_err(|error| self.io(error))?;
        Ok(have == 1 && first == *b"{")
    }

    /// Reads a blob into memory; its bytes have the digest.
    pub(crate) fn blob(&self, digest: ImageDigest, limit: usize) -> Result<Vec<u8>, OciError> {
        let what = || format!("the blob {digest} of {}", self.path.display());
        let bytes = self
            .read(&blob_path(digest), limit)?
            .ok_or_else(|| OciError::Missing(what()))?;
        let have = ImageDigest::of(&bytes);
        if have == digest {
            Ok(bytes)
        } else {
            Err(OciError::Digest { what: what(), have })
        }
    }

    /// Reads a blob of any size, piece by piece; the stream fails unless size and digest are right.
    pub(crate) fn open_blob(&self, digest: ImageDigest, size: u64) -> Result<BlobStream, OciError> {
        let file = self.open_file(&blob_path(digest))?.ok_or_else(|| {
            OciError::Missing(format!("the blob {digest} of {}", self.path.display()))
        })?;
        let stream = blob::from_reader(file.reader, self.path.clone());
        Ok(blob::verified(stream, digest, size))
    }

    fn json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Option<T>, OciError> {
        let Some(bytes) = self.read(name, limit)? else {
            return Ok(None);
        };
        formats::json::parse(&bytes, limit)
            .map(Some)
            .map_err(|error| self.not_one(&format!("its {name} cannot be read: {error}")))
    }

    fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, OciError> {
        let Some(file) = self.open_file(name)? else {
            return Ok(None);
        };
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.reader
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| self.io(error))?;
        if file.size > limit || manifest::length(&bytes) > limit {
            return Err(OciError::TooLarge {
                what: format!("{name} of {}", self.path.display()),
                limit,
            });
        }
        Ok(Some(bytes))
    }

    /// A file of the layout and its size; `None` when there is none. Names come from us and digests, never from outside.
    fn open_file(&self, name: &str) -> Result<Option<Opened>, OciError> {
        match &self.files {
            Files::Folder(folder) => folder.open_file(name),
            Files::Archive(archive) => archive.open_file(name),
        }
    }

    fn not_one(&self, reason: &str) -> OciError {
        OciError::Layout {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }

    fn io(&self, source: std::io::Error) -> OciError {
        OciError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Where a blob is in a layout.
fn blob_path(digest: ImageDigest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn has_kind(descriptor: &Descriptor, kinds: &[&str]) -> bool {
    let have = descriptor.annotations.get(KIND);
    have.is_some_and(|have| kinds.contains(&have.as_str()))
}

/// Whether the index itself says that a manifest belongs to another: by cosign's kind, or by a name that is a tag for
/// signatures (`sha256-….sig`) or referrers (`sha256-…`).
fn is_attached(descriptor: &Descriptor) -> bool {
    let name = descriptor.annotations.get(REF_NAME).map(String::as_str);
    has_kind(descriptor, &[KIND_SIGNATURES, KIND_ATTESTATIONS])
        || name.is_some_and(|name| {
            name.strip_prefix("sha256-")
                .and_then(|rest| rest.get(..64))
                .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}
