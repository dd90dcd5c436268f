//! Where images are, as one: a repository in a registry, or a layout.

use crate::blob::BlobStream;
use crate::layout::{KIND_ATTESTATIONS, KIND_SIGNATURES, Layout};
use crate::manifest::{Descriptor, Manifest};
use crate::registry::Registry;
use crate::{Access, ImageDigest, OciError, Source};

/// Something that images are read from.
pub(crate) enum Store {
    Registry(Box<Registry>),
    Layout(Layout),
}

/// One thing that refers to an image.
pub(crate) struct Referrer {
    pub(crate) descriptor: Result<Descriptor, OciError>,
    /// Found under the tag that stands for a list of referrers.
    pub(crate) by_tag: bool,
}

impl Store {
    /// Opens it and reads the image that is named.
    pub(crate) async fn open(
        source: &Source,
        access: &Access,
    ) -> Result<(Self, Manifest), OciError> {
        match source {
            Source::Registry(reference) => {
                let registry = Registry::open(reference, access).await?;
                let manifest = match reference.digest() {
                    Some(digest) => registry.manifest(digest.parse()?).await?,
                    None => registry.tagged(reference.tag().unwrap_or("latest")).await?,
                };
                let manifest = manifest.ok_or_else(|| OciError::NoImage(reference.to_string()))?;
                Ok((Self::Registry(Box::new(registry)), manifest))
            }
            Source::Folder(reference) => {
                let layout = Layout::open_folder(&reference.path)?;
                let manifest = layout.named(reference)?;
                Ok((Self::Layout(layout), manifest))
            }
            Source::Archive(reference) => {
                let layout = Layout::open_archive(&reference.path)?;
                let manifest = layout.named(reference)?;
                Ok((Self::Layout(layout), manifest))
            }
        }
    }

    /// Reads a manifest by digest.
    pub(crate) async fn manifest(&self, digest: ImageDigest) -> Result<Option<Manifest>, OciError> {
        match self {
            Self::Registry(registry) => registry.manifest(digest).await,
            Self::Layout(layout) => layout.manifest(digest),
        }
    }

    /// Reads a manifest that must be there.
    pub(crate) async fn need_manifest(&self, digest: ImageDigest) -> Result<Manifest, OciError> {
        self.manifest(digest)
            .await?
            .ok_or_else(|| OciError::Missing(format!("the manifest {digest}")))
    }

    /// Reads a manifest by tag.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<Option<Manifest>, OciError> {
        match self {
            Self::Registry(registry) => registry.tagged(tag).await,
            Self::Layout(layout) => layout.tagged(tag),
        }
    }

    /// Legacy manifests of an image: those under its tag with this suffix, and in layouts those that cosign marked.
    pub(crate) async fn attached(
        &self,
        image: ImageDigest,
        suffix: &str,
    ) -> Result<Vec<Manifest>, OciError> {
        let mut found: Vec<_> = self.tagged(&image.tag(suffix)).await?.into_iter().collect();
        if let Self::Layout(layout) = self {
            let kind = match suffix {
                ".sig" => KIND_SIGNATURES,
                ".att" => KIND_ATTESTATIONS,
                _ => return Ok(found),
            };
            for manifest in layout.of_kind(image, kind)? {
                if found.iter().all(|one| one.digest != manifest.digest) {
                    found.push(manifest);
                }
            }
        }
        Ok(found)
    }

    /// Everything that refers to an image, each digest once.
    pub(crate) async fn referrers(&self, image: ImageDigest) -> Result<Vec<Referrer>, OciError> {
        let mut all = Vec::new();
        let mut known = Vec::new();
        let lists = match self {
            Self::Registry(registry) => registry.referrers(image).await?,
            Self::Layout(layout) => {
                let found = layout.referrers(image)?;
                all.extend(found.into_iter().map(|descriptor| Referrer {
                    descriptor: Ok(descriptor),
                    by_tag: false,
                }));
                return Ok(all);
            }
        };
        for list in lists {
            for descriptor in list.descriptors {
                if let Ok(descriptor) = &descriptor {
                    if known.contains(&descriptor.digest) {
                        continue;
                    }
                    known.push(descriptor.digest);
                }
                all.push(Referrer {
                    descriptor,
                    by_tag: !list.by_api,
                });
            }
        }
        Ok(all)
    }

    /// Reads a small blob into memory.
    pub(crate) async fn blob(
        &self,
        digest: ImageDigest,
        limit: usize,
    ) -> Result<Vec<u8>, OciError> {
        match self {
            Self::Registry(registry) => registry.blob(digest, limit).await,
            Self::Layout(layout) => layout.blob(digest, limit),
        }
    }

    /// Reads a blob of any size.
    pub(crate) async fn open_blob(
        &self,
        digest: ImageDigest,
        size: u64,
    ) -> Result<BlobStream, OciError> {
        match self {
            Self::Registry(registry) => registry.open_blob(digest, size).await,
            Self::Layout(layout) => layout.open_blob(digest, size),
        }
    }

    /// Registry and repository; a layout has none, and its path is nobody else's business.
    pub(crate) fn repository(&self) -> Option<String> {
        match self {
            Self::Registry(registry) => {
                let reference = registry.reference();
                Some(format!(
                    "{}/{}",
                    reference.registry(),
                    reference.repository()
                ))
            }
            Self::Layout(_) => None,
        }
    }
}
