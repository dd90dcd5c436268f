//! Moving an image with everything that belongs to it: blobs, images of an index, referrers, legacy signatures.
//!
//! Everything is looked up before anything is written, so that what is missing is named at once. Then the order is: blobs,
//! manifests, signatures, and the image's own tag at last: who pulls by tag finds the signatures there.

use crate::attach;
use crate::blob::BlobStream;
use crate::find;
use crate::layout::{
    KIND, KIND_ATTESTATIONS, KIND_IMAGE, KIND_INDEX, KIND_SIGNATURES, Layout, REF_NAME, Writer,
};
use crate::manifest::{Content, Descriptor, Manifest, READABLE};
use crate::registry::Registry;
use crate::source::Selector;
use crate::store::Store;
use crate::{Access, ImageDigest, OciError, Source, limits};
use futures::StreamExt;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What happens while an image is moved.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// So much there is.
    Planned {
        /// Blobs.
        blobs: usize,
        /// Their bytes in all.
        bytes: u64,
    },
    /// So many bytes of a blob went over.
    Moved(u64),
    /// A blob was there already; its size.
    Present(u64),
}

/// Hears what happens; called often.
pub type Progress = Arc<dyn Fn(Event) + Send + Sync>;

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Of the image.
    pub digest: ImageDigest,
    /// Manifests, the image's own and the signatures' included.
    pub manifests: usize,
    /// Referrers among them: bundles, and what else refers to the image.
    pub referrers: usize,
    /// Legacy signatures and attestations: sets, each of a tag.
    pub legacy_tags: usize,
    /// Blobs that were sent.
    pub blobs_moved: usize,
    /// Blobs that were there already.
    pub blobs_present: usize,
    /// Layers that stay where their URLs say, because they may not be distributed.
    pub left_out: Vec<ImageDigest>,
}

/// Moves an image with all that belongs to it.
pub(crate) async fn copy(
    from: (&Source, &Access),
    to: (&Source, &Access),
    progress: &Progress,
) -> Result<Copied, OciError> {
    let (store, image) = Store::open(from.0, from.1).await?;
    let name = target_name(from.0, to.0, image.digest)?;
    let plan = Plan::make(&store, image).await?;
    let mut target = Target::open(to.0, to.1).await?;
    target.check(&plan)?;

    let bytes = plan.blobs.values().sum();
    progress(Event::Planned {
        blobs: plan.blobs.len(),
        bytes,
    });
    let mut copied = plan.summary();
    for (digest, size) in &plan.blobs {
        if target.has_blob(*digest).await? {
            copied.blobs_present += 1;
            progress(Event::Present(*size));
            continue;
        }
        let stream = watched(store.open_blob(*digest, *size).await?, progress);
        target.put_blob(*digest, *size, stream).await?;
        copied.blobs_moved += 1;
    }
    for manifest in &plan.images {
        target.put_image(manifest).await?;
    }
    for attached in &plan.attached {
        target.put_attached(&plan.image, attached).await?;
    }
    target.put_named(&plan.image, name.as_deref()).await?;
    target.finish()?;
    Ok(copied)
}

/// Everything that is moved.
struct Plan {
    image: Manifest,
    /// The images of an index, those that contain others last; then the image itself.
    images: Vec<Manifest>,
    attached: Vec<Attached>,
    /// With their sizes.
    blobs: BTreeMap<ImageDigest, u64>,
    left_out: Vec<ImageDigest>,
}

/// What belongs to one image.
struct Attached {
    image: ImageDigest,
    referrers: Vec<Manifest>,
    /// With the suffixes of their tags.
    sets: Vec<(&'static str, Manifest)>,
}

impl Plan {
    async fn make(store: &Store, image: Manifest) -> Result<Self, OciError> {
        let mut images = find::children(store, &image).await?;
        images.reverse();
        images.push(image.clone());
        let mut plan = Self {
            image,
            images: Vec::new(),
            attached: Vec::new(),
            blobs: BTreeMap::new(),
            left_out: Vec::new(),
        };
        for manifest in &images {
            plan.need(manifest)?;
            let attached = Attached::of(store, manifest.digest).await?;
            for manifest in attached.manifests() {
                plan.need(manifest)?;
            }
            plan.attached.push(attached);
        }
        plan.images = images;
        Ok(plan)
    }

    /// Notes the blobs of a manifest.
    fn need(&mut self, manifest: &Manifest) -> Result<(), OciError> {
        let descriptors = match manifest.content()? {
            Content::Image(image) => {
                let mut all = vec![image.config().clone()];
                all.extend(image.layers().iter().cloned());
                all
            }
            // What an index lists besides manifests is a blob like any other.
            Content::Index(index) => {
                let all = index.manifests().iter();
                all.filter(|one| !READABLE.contains(&one.media_type().as_ref()))
                    .cloned()
                    .collect()
            }
        };
        for descriptor in &descriptors {
            let descriptor = Descriptor::try_from(descriptor)?;
            if is_not_distributed(&descriptor.media_type) {
                self.left_out.push(descriptor.digest);
            } else {
                self.blobs.insert(descriptor.digest, descriptor.size);
            }
        }
        Ok(())
    }

    fn summary(&self) -> Copied {
        let referrers = self.attached.iter().map(|one| one.referrers.len()).sum();
        let legacy_tags = self.attached.iter().map(|one| one.sets.len()).sum();
        Copied {
            digest: self.image.digest,
            manifests: self.images.len() + referrers + legacy_tags,
            referrers,
            legacy_tags,
            blobs_moved: 0,
            blobs_present: 0,
            left_out: self.left_out.clone(),
        }
    }
}

impl Attached {
    async fn of(store: &Store, image: ImageDigest) -> Result<Self, OciError> {
        let mut found = Self {
            image,
            referrers: Vec::new(),
            sets: Vec::new(),
        };
        for referrer in store.referrers(image).await? {
            // One that cannot be read cannot be moved: that is said, not passed over.
            let descriptor = referrer.descriptor?;
            found
                .referrers
                .push(store.need_manifest(descriptor.digest).await?);
        }
        for suffix in [".sig", ".att", ".sbom"] {
            for manifest in store.attached(image, suffix).await? {
                found.sets.push((suffix, manifest));
            }
        }
        Ok(found)
    }

    fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.referrers
            .iter()
            .chain(self.sets.iter().map(|(_, manifest)| manifest))
    }
}

/// Layers of others that registries need not hold (Docker's "foreign", OCI's "non-distributable").
fn is_not_distributed(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
}

/// The name at the target. One by digest must be the image's own: a copy cannot change it.
fn target_name(from: &Source, to: &Source, image: ImageDigest) -> Result<Option<String>, OciError> {
    let by_digest = |digest: ImageDigest| {
        if digest == image {
            return Ok(None);
        }
        Err(OciError::Reference {
            text: to.to_string(),
            reason: format!("the image is {image}, and a copy has the same digest"),
        })
    };
    match to {
        Source::Registry(reference) => {
            if let Some(digest) = reference.digest() {
                by_digest(digest.parse()?)?;
            }
            Ok(reference.tag().map(str::to_owned))
        }
        Source::Folder(layout) | Source::Archive(layout) => match (&layout.image, from) {
            (Some(Selector::Digest(digest)), _) => by_digest(*digest),
            (Some(Selector::Tag(tag)), _) => Ok(Some(tag.clone())),
            (None, Source::Registry(reference)) => Ok(reference.tag().map(str::to_owned)),
            (None, Source::Folder(source) | Source::Archive(source)) => match &source.image {
                Some(Selector::Tag(tag)) => Ok(Some(tag.clone())),
                _ => Ok(None),
            },
        },
    }
}

fn watched(stream: BlobStream, progress: &Progress) -> BlobStream {
    let progress = Arc::clone(progress);
    stream
        .inspect(move |piece| {
            if let Ok(piece) = piece {
                progress(Event::Moved(crate::manifest::length(piece)));
            }
        })
        .boxed()
}

/// Where an image goes.
enum Target {
    Registry(Box<Registry>),
    Layout {
        writer: Box<Writer>,
        /// What was there before.
        before: Option<Layout>,
    },
}

impl Target {
    async fn open(target: &Source, access: &Access) -> Result<Self, OciError> {
        match target {
            Source::Registry(reference) => Ok(Self::Registry(Box::new(
                Registry::open(reference, access).await?,
            ))),
            Source::Folder(layout) => {
                let before = if layout.path.join("index.json").exists() {
                    Some(Layout::open_folder(&layout.path)?)
                } else {
                    None
                };
                let writer = Box::new(Writer::folder(&layout.path)?);
                Ok(Self::Layout { writer, before })
            }
            Source::Archive(layout) => Ok(Self::Layout {
                writer: Box::new(Writer::archive(&layout.path)?),
                before: None,
            }),
        }
    }

    /// Refuses early what would fail late.
    fn check(&self, plan: &Plan) -> Result<(), OciError> {
        for attached in &plan.attached {
            if attached.referrers.len() > limits::REFERRERS {
                return Err(OciError::TooMany {
                    what: format!("referrers of {}", plan.image.digest),
                    limit: limits::REFERRERS,
                });
            }
        }
        Ok(())
    }

    async fn has_blob(&self, digest: ImageDigest) -> Result<bool, OciError> {
        match self {
            Self::Registry(registry) => registry.has_blob(digest).await,
            Self::Layout { writer, .. } => Ok(writer.has_blob(digest)),
        }
    }

    async fn put_blob(
        &mut self,
        digest: ImageDigest,
        size: u64,
        stream: BlobStream,
    ) -> Result<(), OciError> {
        match self {
            Self::Registry(registry) => registry.put_blob(digest, size, stream).await,
            Self::Layout { writer, .. } => writer.put_blob(digest, size, stream).await,
        }
    }

    /// Stores an image without a name.
    async fn put_image(&mut self, manifest: &Manifest) -> Result<(), OciError> {
        match self {
            Self::Registry(registry) => registry.put_manifest(manifest, None).await.map(drop),
            // On the index stands only what has a name; the images of an index are found through it.
            Self::Layout { writer, .. } => writer.put_bytes(&manifest.bytes).await.map(drop),
        }
    }

    async fn put_attached(&mut self, main: &Manifest, attached: &Attached) -> Result<(), OciError> {
        let image = attached.image;
        match self {
            Self::Registry(registry) => {
                let mut unlisted = Vec::new();
                for manifest in &attached.referrers {
                    if !registry.put_manifest(manifest, None).await? {
                        unlisted.push(manifest.referrer_descriptor()?);
                    }
                }
                registry.list_referrers(image, &unlisted).await?;
            }
            Self::Layout { writer, .. } => {
                for manifest in &attached.referrers {
                    writer.put_manifest(manifest, &[]).await?;
                }
            }
        }
        for (suffix, set) in &attached.sets {
            self.put_set(image, image == main.digest, suffix, set)
                .await?;
        }
        Ok(())
    }

    /// Stores a legacy set under its tag, together with what the target has under it already.
    async fn put_set(
        &mut self,
        image: ImageDigest,
        is_main: bool,
        suffix: &str,
        set: &Manifest,
    ) -> Result<(), OciError> {
        let tag = image.tag(suffix);
        let there = match self {
            Self::Registry(registry) => registry.tagged(&tag).await?,
            Self::Layout { before, .. } => match before {
                Some(layout) => layout.tagged(&tag)?,
                None => None,
            },
        };
        let both = match there {
            Some(there) if there.digest != set.digest => {
                if suffix == ".sbom" {
                    return Err(OciError::ForeignTag {
                        tag,
                        have: format!("another document, {}", there.digest),
                    });
                }
                let set: Value = serde_json::from_slice(&set.bytes).unwrap_or_default();
                let layers = set.get("layers").and_then(Value::as_array);
                Some(attach::merged(
                    &tag,
                    Some(&there),
                    layers.map_or(&[], |all| all),
                )?)
            }
            _ => None,
        };
        let manifest = both.as_ref().map_or(set, |both| &both.manifest);
        match self {
            Self::Registry(registry) => {
                if let Some(both) = &both {
                    attach::put_bytes(registry, &both.config).await?;
                }
                registry.put_manifest(manifest, Some(&tag)).await.map(drop)
            }
            Self::Layout { writer, before } => {
                if let Some(both) = &both {
                    writer.put_bytes(&both.config).await?;
                }
                let mut annotations = vec![(REF_NAME, tag.as_str())];
                let kind = match suffix {
                    ".sig" => Some(KIND_SIGNATURES),
                    ".att" => Some(KIND_ATTESTATIONS),
                    _ => None,
                };
                // cosign reads one image of a layout, and takes all marked signatures for that image's.
                let is_cosigns = is_main
                    && before
                        .as_ref()
                        .is_none_or(|layout| !layout.has_main() || layout.is_main(image));
                if let Some(kind) = kind
                    && is_cosigns
                {
                    annotations.push((KIND, kind));
                }
                writer.put_manifest(manifest, &annotations).await
            }
        }
    }

    async fn put_named(&mut self, image: &Manifest, name: Option<&str>) -> Result<(), OciError> {
        match (self, name) {
            (Self::Registry(registry), Some(tag)) => {
                registry.put_manifest(image, Some(tag)).await.map(drop)
            }
            (Self::Registry(_), None) => Ok(()),
            (Self::Layout { writer, .. }, name) => {
                let kind = if image.is_index() {
                    KIND_INDEX
                } else {
                    KIND_IMAGE
                };
                let mut annotations = vec![(KIND, kind)];
                if let Some(name) = name {
                    annotations.push((REF_NAME, name));
                }
                writer.put_manifest(image, &annotations).await
            }
        }
    }

    fn finish(self) -> Result<(), OciError> {
        match self {
            Self::Registry(_) => Ok(()),
            Self::Layout { writer, .. } => writer.finish(),
        }
    }
}
