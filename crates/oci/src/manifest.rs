//! Manifests and indexes as they come from outside. Pure.

use crate::{ImageDigest, OciError, limits};
use oci_spec::image::{ImageIndex, ImageManifest};
use serde_json::Value;
use std::collections::BTreeMap;

/// Media type of an OCI image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media types that are read: OCI's and Docker's, images and indexes.
pub(crate) const READABLE: [&str; 4] = [
    IMAGE_MANIFEST,
    IMAGE_INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest or an index: its bytes, and what they hash to.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Of the bytes.
    pub digest: ImageDigest,
    /// One of OCI's or Docker's.
    pub media_type: String,
    /// As they were stored.
    pub bytes: Vec<u8>,
}

/// What a manifest holds.
#[derive(Debug)]
pub enum Content {
    /// Config, layers, and perhaps a subject.
    Image(Box<ImageManifest>),
    /// Other manifests.
    Index(Box<ImageIndex>),
}

/// Points to a manifest or blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: ImageDigest,
    pub(crate) size: u64,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Hashes the bytes and settles the media type: the one that they state, else the one that came with them
    /// (`Content-Type`, or a descriptor's). Two that differ are refused: readers would disagree about the content.
    pub fn new(bytes: Vec<u8>, announced: Option<&str>) -> Result<Self, OciError> {
        let digest = ImageDigest::of(&bytes);
        let malformed = |reason: String| OciError::Malformed {
            what: format!("the manifest {digest}"),
            reason,
        };
        let value: Head = formats::json::parse_nested(&bytes, limits::MANIFEST_BYTES, DEPTH)
            .map_err(|error| malformed(error.to_string()))?;
        let announced = announced.filter(|name| READABLE.contains(name));
        let media_type = match (value.media_type, announced) {
            (Some(stated), Some(announced)) if stated != announced => {
                return Err(malformed(format!(
                    "it says that it is {stated}, but came as {announced}"
                )));
            }
            (Some(stated), _) => stated,
            (None, Some(announced)) => announced.to_owned(),
            // OCI manifests may leave it out (image-spec, manifest.md): then the members tell.
            (None, None) if value.manifests.is_some() => IMAGE_INDEX.to_owned(),
            (None, None) => IMAGE_MANIFEST.to_owned(),
        };
        if !READABLE.contains(&media_type.as_str()) {
            return Err(malformed(format!(
                "it is of type {media_type:?}, not an image or an index"
            )));
        }
        Ok(Self {
            digest,
            media_type,
            bytes,
        })
    }

    /// Whether it is an index of other manifests.
    pub fn is_index(&self) -> bool {
        self.media_type == IMAGE_INDEX || self.media_type == READABLE[3]
    }

    /// Parses it according to its media type. All descriptors have digests in form; nothing is verified.
    pub fn content(&self) -> Result<Content, OciError> {
        Ok(if self.is_index() {
            Content::Index(Box::new(self.parse()?))
        } else {
            Content::Image(Box::new(self.parse()?))
        })
    }

    pub(crate) fn image(&self) -> Result<ImageManifest, OciError> {
        match self.content()? {
            Content::Image(image) => Ok(*image),
            Content::Index(_) => Err(OciError::Malformed {
                what: format!("the manifest {}", self.digest),
                reason: "it is an index".to_owned(),
            }),
        }
    }

    /// The descriptor that points to it.
    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: length(&self.bytes),
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The descriptor for a list of referrers: with artifact type and annotations of the manifest (distribution-spec,
    /// "Pushing Manifests with Subject"). Without an artifact type the config's media type stands for it.
    pub(crate) fn referrer_descriptor(&self) -> Result<Descriptor, OciError> {
        let (artifact_type, annotations) = match self.content()? {
            Content::Image(image) => {
                let own = image.artifact_type().as_ref().map(ToString::to_string);
                let config = || image.config().media_type().to_string();
                (
                    Some(own.unwrap_or_else(config)),
                    image.annotations().clone(),
                )
            }
            Content::Index(index) => (
                index.artifact_type().as_ref().map(ToString::to_string),
                index.annotations().clone(),
            ),
        };
        Ok(Descriptor {
            artifact_type,
            annotations: annotations.unwrap_or_default().into_iter().collect(),
            ..self.descriptor()
        })
    }

    /// What it refers to, if it does.
    pub(crate) fn subject(&self) -> Result<Option<ImageDigest>, OciError> {
        let head: Head = self.parse()?;
        head.subject
            .map(|subject| subject.digest.parse())
            .transpose()
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, OciError> {
        formats::json::parse_nested(&self.bytes, limits::MANIFEST_BYTES, DEPTH).map_err(|error| {
            OciError::Malformed {
                what: format!("the manifest {}", self.digest),
                reason: error.to_string(),
            }
        })
    }
}

impl Descriptor {
    /// Reads one as oci-spec does, and its digest as ours.
    pub(crate) fn read(value: Value) -> Result<Self, OciError> {
        let descriptor: oci_spec::image::Descriptor =
            serde_json::from_value(value).map_err(|error| OciError::Malformed {
                what: "a descriptor".to_owned(),
                reason: error.to_string(),
            })?;
        Self::try_from(&descriptor)
    }

    /// Writes it as JSON, with what it has.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::json!({
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        });
        if let Some(artifact_type) = &self.artifact_type {
            json["artifactType"] = artifact_type.as_str().into();
        }
        if !self.annotations.is_empty() {
            json["annotations"] = self
                .annotations
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().into()))
                .collect::<serde_json::Map<_, _>>()
                .into();
        }
        json
    }
}

impl TryFrom<&oci_spec::image::Descriptor> for Descriptor {
    type Error = OciError;

    fn try_from(other: &oci_spec::image::Descriptor) -> Result<Self, OciError> {
        Ok(Self {
            media_type: other.media_type().to_string(),
            digest: other.digest().as_ref().parse()?,
            size: other.size(),
            artifact_type: other.artifact_type().as_ref().map(ToString::to_string),
            annotations: other
                .annotations()
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })
    }
}

/// Reads the descriptors of an index one by one: one that cannot be read does not hide the others.
pub(crate) fn descriptors(
    index: &[u8],
    what: &str,
) -> Result<Vec<Result<Descriptor, OciError>>, OciError> {
    let head: Head =
        formats::json::parse_nested(index, limits::MANIFEST_BYTES, DEPTH).map_err(|error| {
            OciError::Malformed {
                what: what.to_owned(),
                reason: error.to_string(),
            }
        })?;
    let manifests = head.manifests.ok_or_else(|| OciError::Malformed {
        what: what.to_owned(),
        reason: "it has no member manifests".to_owned(),
    })?;
    Ok(manifests.into_iter().map(Descriptor::read).collect())
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Levels of JSON. Images have five; `data` and annotations add none.
const DEPTH: usize = 32;

/// What can be told without knowing the kind.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    media_type: Option<String>,
    manifests: Option<Vec<Value>>,
    subject: Option<Pointer>,
}

#[derive(serde::Deserialize)]
struct Pointer {
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,
        "digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#;

    #[test]
    fn the_stated_type_and_the_announced_one_must_agree() {
        let read = |announced| Manifest::new(IMAGE.into(), announced);
        assert_eq!(read(None).unwrap().media_type, IMAGE_MANIFEST);
        assert_eq!(
            read(Some(IMAGE_MANIFEST)).unwrap().media_type,
            IMAGE_MANIFEST
        );
        assert!(matches!(
            read(Some(IMAGE_INDEX)),
            Err(OciError::Malformed { .. })
        ));
        // Some registries send a type that means nothing.
        assert!(read(Some("application/json")).is_ok());
    }

    #[test]
    fn members_tell_the_type_when_nothing_else_does() {
        let index = Manifest::new(br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), None).unwrap();
        assert!(index.is_index());
        assert!(matches!(index.content(), Ok(Content::Index(_))));
        assert!(Manifest::new(br#"{"mediaType":"text/html"}"#.to_vec(), None).is_err());
        assert!(Manifest::new(b"<html>".to_vec(), None).is_err());
    }

    #[test]
    fn a_descriptor_that_cannot_be_read_does_not_hide_the_others() {
        let good = serde_json::json!({"mediaType": "m", "size": 1, "digest": ImageDigest([1; 32])});
        let bad = serde_json::json!({"mediaType": "m", "size": 1, "digest": "../../etc/passwd"});
        let index = serde_json::json!({"manifests": [bad, good]}).to_string();
        let list = descriptors(index.as_bytes(), "x").unwrap();
        assert!(list[0].is_err());
        assert_eq!(list[1].as_ref().unwrap().digest, ImageDigest([1; 32]));
    }

    #[test]
    fn a_referrer_is_listed_with_its_type_and_annotations() {
        let with = IMAGE.replace(
            r#""layers""#,
            r#""artifactType":"a/b","annotations":{"k":"v"},"layers""#,
        );
        let manifest = Manifest::new(with.into_bytes(), None).unwrap();
        let json = manifest.referrer_descriptor().unwrap().to_json();
        assert_eq!(json["artifactType"], "a/b");
        assert_eq!(json["annotations"]["k"], "v");
        let plain = Manifest::new(IMAGE.into(), None).unwrap();
        let json = plain.referrer_descriptor().unwrap().to_json();
        assert_eq!(json["artifactType"], "application/vnd.oci.empty.v1+json");
    }
}
