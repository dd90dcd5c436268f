//! Attaching signatures to an image, in the layouts of cosign 3 and of cosign 2.

use crate::found::{Place, predicate_type};
use crate::layout::{KIND, KIND_ATTESTATIONS, KIND_SIGNATURES, Layout, REF_NAME, Writer};
use crate::legacy::Layer;
use crate::manifest::{IMAGE_MANIFEST, Manifest, length};
use crate::registry::Registry;
use crate::store::Store;
use crate::{ImageDigest, OciError, limits};
use bytes::Bytes;
use formats::bundle::{Bundle, Content, MEDIA_TYPE_V03};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

/// Media type of the config of artifacts that have none, and its content (image-spec, "Guidance for an Empty
/// Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_CONTENT: &[u8] = b"{}";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Stores a bundle as a referrer of an image (spec/clients.md c.7). `created` is RFC 3339.
pub(crate) async fn bundle(
    store: &Store,
    image: &Manifest,
    bundle: &Bundle,
    created: &str,
) -> Result<Place, OciError> {
    let json = bundle.to_json().into_bytes();
    let manifest = referrer(image, bundle, &json, created)?;
    let digest = Some(manifest.digest);
    match store {
        Store::Registry(registry) => {
            put_bytes(registry, EMPTY_CONTENT).await?;
            put_bytes(registry, &json).await?;
            // A registry that says so lists the manifest by itself; the others are asked, or given the index.
            if registry.put_manifest(&manifest, None).await? {
                return Ok(Place::Referrer { digest });
            }
            let descriptor = manifest.referrer_descriptor()?;
            if registry.list_referrers(image.digest, &[descriptor]).await? {
                Ok(Place::FallbackTag { digest })
            } else {
                Ok(Place::Referrer { digest })
            }
        }
        Store::Layout(layout) => {
            let mut writer = writer(layout)?;
            writer.put_bytes(EMPTY_CONTENT).await?;
            writer.put_bytes(&json).await?;
            writer.put_manifest(&manifest, &[]).await?;
            writer.finish()?;
            Ok(Place::Referrer { digest })
        }
    }
}

/// Stores the empty config, which does no harm: who may not even do that may not attach anything.
pub(crate) async fn rehearse(store: &Store) -> Result<(), OciError> {
    match store {
        Store::Registry(registry) => put_always(registry, EMPTY_CONTENT).await,
        Store::Layout(layout) => writer(layout).map(drop),
    }
}

/// Adds a layer to the `.sig` or `.att` manifest of an image (spec/clients.md c.6), beside the others in it.
pub(crate) async fn layer(
    store: &Store,
    image: &Manifest,
    layer: &Layer,
) -> Result<Place, OciError> {
    let suffix = match layer.media_type {
        crate::legacy::SIMPLE_SIGNING => ".sig",
        _ => ".att",
    };
    let tag = image.digest.tag(suffix);
    let descriptor = json!({
        "mediaType": layer.media_type,
        "digest": ImageDigest::of(&layer.bytes),
        "size": length(&layer.bytes),
        "annotations": layer.annotations,
    });
    match store {
        Store::Registry(registry) => put_bytes(registry, &layer.bytes).await.map(drop)?,
        Store::Layout(layout) => {
            let mut writer = writer(layout)?;
            writer.put_bytes(&layer.bytes).await?;
            writer.finish()?;
        }
    }
    for _ in 0..limits::TAG_ATTEMPTS {
        let current = store
            .attached(image.digest, suffix)
            .await?
            .into_iter()
            .next();
        let merged = merged(&tag, current.as_ref(), std::slice::from_ref(&descriptor))?;
        put_set(store, image.digest, &tag, &merged).await?;
        // Read again after writing: a tag has no lock, and somebody may have written at the same moment.
        let now = reopened(store)?;
        let now = now.as_ref().unwrap_or(store);
        let after = now.attached(image.digest, suffix).await?.into_iter().next();
        if let Some(position) = after
            .as_ref()
            .and_then(|set| set_position(set, &descriptor))
        {
            let digest = after.map_or(merged.manifest.digest, |set| set.digest);
            return Ok(match suffix {
                ".sig" => Place::LegacySignature {
                    digest,
                    layer: position,
                },
                _ => Place::LegacyAttestation {
                    digest,
                    layer: position,
                },
            });
        }
    }
    Err(OciError::Contended { tag })
}

/// A set of legacy signatures, and its config.
pub(crate) struct Set {
    pub(crate) manifest: Manifest,
    pub(crate) config: Vec<u8>,
}

/// The set with `more` layers in it, each once, and all members and layers that others put there.
pub(crate) fn merged(
    tag: &str,
    current: Option<&Manifest>,
    more: &[Value],
) -> Result<Set, OciError> {
    let mut set: Value = match current {
        None => json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "layers": []}),
        Some(current) => serde_json::from_slice(&current.bytes).unwrap_or_default(),
    };
    let Some(Value::Array(layers)) = set.get_mut("layers") else {
        return Err(OciError::ForeignTag {
            tag: tag.to_owned(),
            have: current.map_or_else(String::new, |have| have.media_type.clone()),
        });
    };
    for layer in more {
        if !layers.contains(layer) {
            layers.push(layer.clone());
        }
    }
    if layers.len() > limits::SIGNATURE_LAYERS {
        return Err(OciError::TooMany {
            what: format!("signatures under the tag {tag}"),
            limit: limits::SIGNATURE_LAYERS,
        });
    }
    // Readers that take the set for an image want as many layers in the config. They are not compressed, so that the
    // digest of a layer is that of its content.
    let digests: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = json!({
        "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": digests},
    })
    .to_string()
    .into_bytes();
    set["config"] = json!({
        "mediaType": CONFIG, "digest": ImageDigest::of(&config), "size": length(&config),
    });
    let media_type = current.map_or(IMAGE_MANIFEST, |have| &have.media_type);
    let manifest = Manifest::new(set.to_string().into_bytes(), Some(media_type))?;
    Ok(Set { manifest, config })
}

async fn put_set(store: &Store, image: ImageDigest, tag: &str, set: &Set) -> Result<(), OciError> {
    match store {
        Store::Registry(registry) => {
            put_bytes(registry, &set.config).await?;
            registry
                .put_manifest(&set.manifest, Some(tag))
                .await
                .map(drop)
        }
        Store::Layout(layout) => {
            let kind = if tag.ends_with(".sig") {
                KIND_SIGNATURES
            } else {
                KIND_ATTESTATIONS
            };
            let mut annotations = vec![(REF_NAME, tag)];
            if layout.is_main(image) {
                annotations.push((KIND, kind));
            }
            let mut writer = writer(layout)?;
            writer.put_bytes(&set.config).await?;
            writer.put_manifest(&set.manifest, &annotations).await?;
            writer.finish()
        }
    }
}

fn set_position(set: &Manifest, layer: &Value) -> Option<usize> {
    let json: Value = serde_json::from_slice(&set.bytes).ok()?;
    json.get("layers")?
        .as_array()?
        .iter()
        .position(|one| one == layer)
}

/// A layout is read once; after writing it is another.
fn reopened(store: &Store) -> Result<Option<Store>, OciError> {
    match store {
        Store::Registry(_) => Ok(None),
        Store::Layout(layout) => Ok(Some(Store::Layout(Layout::open_folder(layout.path())?))),
    }
}

fn writer(layout: &Layout) -> Result<Writer, OciError> {
    if layout.path().is_dir() {
        return Writer::folder(layout.path());
    }
    Err(OciError::ReadOnly(format!(
        "{} is a tar, which cannot be extended: copy it to a folder first (sigstead copy oci-archive:{0} oci:FOLDER)",
        layout.path().display()
    )))
}

/// Stores a small blob unless it is there.
pub(crate) async fn put_bytes(registry: &Registry, bytes: &[u8]) -> Result<ImageDigest, OciError> {
    let digest = ImageDigest::of(bytes);
    if !registry.has_blob(digest).await? {
        put_always(registry, bytes).await?;
    }
    Ok(digest)
}

async fn put_always(registry: &Registry, bytes: &[u8]) -> Result<(), OciError> {
    let piece = Bytes::copy_from_slice(bytes);
    let stream = stream::once(async move { Ok(piece) }).boxed();
    registry
        .put_blob(ImageDigest::of(bytes), length(bytes), stream)
        .await
}

/// The manifest that holds a bundle, as cosign 3 writes it.
fn referrer(
    image: &Manifest,
    bundle: &Bundle,
    json: &[u8],
    created: &str,
) -> Result<Manifest, OciError> {
    let mut annotations = json!({"org.opencontainers.image.created": created});
    annotations["dev.sigstore.bundle.content"] = match &bundle.content {
        Content::Message(_) => "message-signature".into(),
        Content::Dsse(envelope) => {
            if let Some(text) = predicate_type(envelope) {
                annotations["dev.sigstore.bundle.predicateType"] = text.into();
            }
            "dsse-envelope".into()
        }
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": MEDIA_TYPE_V03,
        "config": {
            "mediaType": EMPTY, "artifactType": MEDIA_TYPE_V03,
            "digest": ImageDigest::of(EMPTY_CONTENT), "size": length(EMPTY_CONTENT),
        },
        "layers": [{
            "mediaType": MEDIA_TYPE_V03, "digest": ImageDigest::of(json), "size": length(json),
        }],
        "subject": image.descriptor().to_json(),
        "annotations": annotations,
    });
    Manifest::new(manifest.to_string().into_bytes(), Some(IMAGE_MANIFEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(signature: &str) -> Value {
        json!({"mediaType": "m", "digest": ImageDigest([1; 32]), "size": 1, "annotations": {"s": signature}})
    }

    #[test]
    fn a_set_grows_and_loses_nothing() {
        let first = merged("t", None, &[layer("a")]).unwrap();
        let mut theirs: Value = serde_json::from_slice(&first.manifest.bytes).unwrap();
        theirs["annotations"] = json!({"mine": "x"});
        let theirs = Manifest::new(theirs.to_string().into_bytes(), None).unwrap();
        let second = merged("t", Some(&theirs), &[layer("b"), layer("a")]).unwrap();
        let json: Value = serde_json::from_slice(&second.manifest.bytes).unwrap();
        assert_eq!(json["layers"], json!([layer("a"), layer("b")]));
        assert_eq!(json["annotations"]["mine"], "x");
        let config: Value = serde_json::from_slice(&second.config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        assert_eq!(
            json["config"]["digest"],
            ImageDigest::of(&second.config).to_string()
        );
        assert_eq!(set_position(&second.manifest, &layer("b")), Some(1));
    }

    #[test]
    fn a_tag_that_holds_an_index_is_left_alone() {
        let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
        let index = Manifest::new(index.into_bytes(), None).unwrap();
        assert!(matches!(
            merged("t", Some(&index), &[layer("a")]),
            Err(OciError::ForeignTag { .. })
        ));
    }
}
