//! Finding the signatures of an image, in every form that clients store them.

use crate::found::{Found, FoundSignature, Kind, Place, Subject};
use crate::legacy;
use crate::manifest::{Content, Descriptor, Manifest, READABLE};
use crate::store::{Referrer, Store};
use crate::{ImageDigest, OciError, limits};
use formats::bundle::Bundle;
use futures::stream::{self, StreamExt, TryStreamExt};
use oci_spec::image::ImageManifest;
use std::sync::atomic::{AtomicU64, Ordering};

/// What layers and artifact types of bundles begin with, of every version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Bytes that one search has read: what is found is held together.
struct Room(AtomicU64);

impl Room {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts what came.
    fn take(&self, bytes: usize) -> Result<(), OciError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > limits::FOUND_BYTES {
            return Err(OciError::TooLarge {
                what: "everything that is attached to the image".to_owned(),
                limit: limits::FOUND_BYTES,
            });
        }
        Ok(())
    }
}

/// Finds everything about one image; for an index that is asked for recursively, about each of its images as well.
pub(crate) async fn find(
    store: &Store,
    manifest: &Manifest,
    recursive: bool,
) -> Result<Found, OciError> {
    let room = Room::new();
    let mut found = find_one(store, manifest, &room).await?;
    if recursive {
        for child in children(store, manifest).await? {
            found.children.push(find_one(store, &child, &room).await?);
        }
    }
    Ok(found)
}

async fn find_one(store: &Store, manifest: &Manifest, room: &Room) -> Result<Found, OciError> {
    let image = manifest.digest;
    let mut found = Found {
        digest: image,
        media_type: manifest.media_type.clone(),
        signatures: Vec::new(),
        looked: Vec::new(),
        children: Vec::new(),
    };
    // Side by side: a registry is far away, and most of the time is waiting for it.
    let (referrers, signatures, attestations) = futures::try_join!(
        all_referrers((store, room), image),
        all_legacy((store, room), image, ".sig"),
        all_legacy((store, room), image, ".att"),
    )?;
    found.looked.push(format!("referrers of {image}"));
    found.looked.push(format!("tag {}", image.tag(".sig")));
    found.looked.push(format!("tag {}", image.tag(".att")));
    for several in [referrers, signatures, attestations] {
        found.signatures.extend(several);
    }
    Ok(found)
}

/// Where to read, and how much may still come.
type Reading<'a> = (&'a Store, &'a Room);

async fn all_referrers(
    (store, room): Reading<'_>,
    image: ImageDigest,
) -> Result<Vec<FoundSignature>, OciError> {
    let referrers = store.referrers(image).await?.into_iter();
    let reading = referrers.map(|referrer| of_referrer((store, room), image, referrer));
    let found: Vec<Vec<FoundSignature>> = stream::iter(reading)
        .buffered(limits::PARALLEL)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

async fn all_legacy(
    (store, room): Reading<'_>,
    image: ImageDigest,
    suffix: &str,
) -> Result<Vec<FoundSignature>, OciError> {
    let mut found = Vec::new();
    for manifest in store.attached(image, suffix).await? {
        found.extend(of_legacy((store, room), image, &manifest, suffix).await?);
    }
    Ok(found)
}

/// The images below an index, each once; none for an image.
pub(crate) async fn children(
    store: &Store,
    manifest: &Manifest,
) -> Result<Vec<Manifest>, OciError> {
    let mut found: Vec<Manifest> = Vec::new();
    let mut level = vec![manifest.clone()];
    for _ in 0..limits::INDEX_DEPTH {
        let mut next = Vec::new();
        for parent in &level {
            for digest in below(parent)? {
                let known = |one: &Manifest| one.digest == digest;
                if found.iter().any(known) || digest == manifest.digest {
                    continue;
                }
                if found.len() == limits::INDEX_CHILDREN {
                    return Err(OciError::TooMany {
                        what: format!("images below {}", manifest.digest),
                        limit: limits::INDEX_CHILDREN,
                    });
                }
                let child = store.need_manifest(digest).await?;
                found.push(child.clone());
                next.push(child);
            }
        }
        level = next;
    }
    if level.iter().any(Manifest::is_index) {
        return Err(OciError::TooMany {
            what: format!("indexes inside indexes of {}", manifest.digest),
            limit: limits::INDEX_DEPTH,
        });
    }
    Ok(found)
}

/// What an index lists that is a manifest.
fn below(manifest: &Manifest) -> Result<Vec<ImageDigest>, OciError> {
    let Content::Index(index) = manifest.content()? else {
        return Ok(Vec::new());
    };
    let manifests = index
        .manifests()
        .iter()
        .filter(|one| READABLE.contains(&one.media_type().as_ref()));
    manifests.map(|one| one.digest().as_ref().parse()).collect()
}

/// Reads what refers to an image. What is no signature is passed over; what says that it is one, and cannot be read, is
/// reported.
async fn of_referrer(
    (store, room): Reading<'_>,
    image: ImageDigest,
    referrer: Referrer,
) -> Result<Vec<FoundSignature>, OciError> {
    let place = |digest| {
        if referrer.by_tag {
            Place::FallbackTag { digest }
        } else {
            Place::Referrer { digest }
        }
    };
    let descriptor = match referrer.descriptor {
        Ok(descriptor) => descriptor,
        Err(error) => return Ok(vec![unreadable(place(None), image, error.to_string())]),
    };
    let place = place(Some(descriptor.digest));
    let claims = descriptor
        .artifact_type
        .as_deref()
        .is_some_and(|text| text.starts_with(BUNDLE));
    let read = async {
        let manifest = store.need_manifest(descriptor.digest).await?;
        let parsed = manifest.image()?;
        Ok((manifest, parsed))
    };
    let (manifest, parsed) = match read.await {
        Ok(read) => read,
        Err(error) if is_fatal(&error) => return Err(error),
        Err(error) if claims => return Ok(vec![unreadable(place, image, error.to_string())]),
        Err(_) => return Ok(Vec::new()),
    };
    let layers = layers(&parsed)?;
    if !layers.iter().any(is_signature) {
        let nothing = "it has no layer with a bundle".to_owned();
        return Ok(if claims {
            vec![unreadable(place, image, nothing)]
        } else {
            Vec::new()
        });
    }
    // The list is the registry's word; the manifest's own word counts.
    if manifest.subject()? != Some(image) {
        let reason = "its manifest refers to another image".to_owned();
        return Ok(vec![unreadable(place, image, reason)]);
    }
    let mut found = Vec::new();
    for layer in layers.iter().filter(|layer| is_signature(layer)) {
        found.push(of_layer((store, room), image, layer, place.clone()).await?);
    }
    Ok(found)
}

/// Reads the layers of a `.sig` or `.att` manifest.
async fn of_legacy(
    (store, room): Reading<'_>,
    image: ImageDigest,
    manifest: &Manifest,
    suffix: &str,
) -> Result<Vec<FoundSignature>, OciError> {
    let place = |layer| match suffix {
        ".sig" => Place::LegacySignature {
            digest: manifest.digest,
            layer,
        },
        _ => Place::LegacyAttestation {
            digest: manifest.digest,
            layer,
        },
    };
    let parsed = match manifest.image() {
        Ok(parsed) => parsed,
        Err(error) => return Ok(vec![unreadable(place(0), image, error.to_string())]),
    };
    let layers = layers(&parsed)?;
    let reading = layers.iter().enumerate();
    let reading =
        reading.map(|(position, layer)| of_layer((store, room), image, layer, place(position)));
    stream::iter(reading)
        .buffered(limits::PARALLEL)
        .try_collect()
        .await
}

async fn of_layer(
    (store, room): Reading<'_>,
    image: ImageDigest,
    layer: &Descriptor,
    place: Place,
) -> Result<FoundSignature, OciError> {
    let limit = match layer.media_type.as_str() {
        legacy::SIMPLE_SIGNING => limits::PAYLOAD_BYTES,
        _ => limits::SIGNATURE_BLOB_BYTES,
    };
    let blob = match store.blob(layer.digest, limit).await {
        Ok(blob) => blob,
        Err(error) if is_fatal(&error) => return Err(error),
        Err(error) => return Ok(unreadable(place, image, error.to_string())),
    };
    room.take(blob.len())?;
    let bundle = match layer.media_type.as_str() {
        legacy::SIMPLE_SIGNING => legacy::read_signature(&layer.annotations, &blob, image)
            .map_err(|error| error.to_string()),
        legacy::DSSE => {
            legacy::read_attestation(&layer.annotations, &blob).map_err(|error| error.to_string())
        }
        media_type if media_type.starts_with(BUNDLE) => {
            Bundle::parse(&blob).map_err(|error| format!("its bundle cannot be read: {error}"))
        }
        other => Err(format!("its layer is of type {other:?}")),
    };
    let artifact = match layer.media_type.as_str() {
        legacy::SIMPLE_SIGNING => Subject::Payload(blob),
        _ => Subject::Manifest(image),
    };
    Ok(FoundSignature {
        place,
        kind: bundle.as_ref().map_or(Kind::Unreadable, Kind::of),
        bundle,
        artifact,
    })
}

fn layers(manifest: &ImageManifest) -> Result<Vec<Descriptor>, OciError> {
    let layers = manifest.layers();
    if layers.len() > limits::SIGNATURE_LAYERS {
        return Err(OciError::TooMany {
            what: "signatures in one manifest".to_owned(),
            limit: limits::SIGNATURE_LAYERS,
        });
    }
    layers.iter().map(Descriptor::try_from).collect()
}

fn is_signature(layer: &Descriptor) -> bool {
    matches!(
        layer.media_type.as_str(),
        legacy::SIMPLE_SIGNING | legacy::DSSE
    ) || layer.media_type.starts_with(BUNDLE)
}

/// Whether an error is about the registry or the disk, not about one signature.
fn is_fatal(error: &OciError) -> bool {
    !matches!(
        error,
        OciError::Missing(_)
            | OciError::Digest { .. }
            | OciError::DigestForm(_)
            | OciError::TooLarge { .. }
            | OciError::TooMany { .. }
            | OciError::Malformed { .. }
    )
}

fn unreadable(place: Place, image: ImageDigest, reason: String) -> FoundSignature {
    FoundSignature {
        place,
        kind: Kind::Unreadable,
        bundle: Err(reason),
        artifact: Subject::Manifest(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_bounded_as_a_whole() {
        let room = Room::new();
        let half = usize::try_from(limits::FOUND_BYTES / 2).unwrap();
        assert!(room.take(half).is_ok() && room.take(half).is_ok());
        assert!(matches!(room.take(1), Err(OciError::TooLarge { .. })));
    }
}
