//! Where an image is: what stands on a command line.

use crate::{ImageDigest, OciError};
use oci_client::Reference;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:…`.
    Registry(Reference),
    /// `oci:FOLDER[:TAG|@DIGEST]`: a folder in the OCI image layout.
    Folder(LayoutReference),
    /// `oci-archive:FILE[:TAG|@DIGEST]`: the same as an uncompressed tar.
    Archive(LayoutReference),
}

/// An image in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutReference {
    /// Folder or tar.
    pub path: PathBuf,
    /// Which image; needed when there are several.
    pub image: Option<Selector>,
}

/// Names one image of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By the annotation `org.opencontainers.image.ref.name`.
    Tag(String),
    /// By its digest.
    Digest(ImageDigest),
}

impl Source {
    /// Reads what a user wrote. Layouts have a prefix, everything else is a registry's reference; a name without
    /// registry is one of Docker Hub, a name without tag means `latest`.
    ///
    /// In a layout's argument the part after the last colon is a tag, unless a file or folder of the whole name exists.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return Ok(Self::Archive(LayoutReference::parse(text, rest)?));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            return Ok(Self::Folder(LayoutReference::parse(text, rest)?));
        }
        let reference = Reference::try_from(text).map_err(|error| OciError::Reference {
            text: shortened(text),
            reason: error.to_string(),
        })?;
        if let Some(digest) = reference.digest() {
            digest.parse::<ImageDigest>()?;
        }
        Ok(Self::Registry(reference))
    }

    /// Whether reading it needs no network.
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Registry(_))
    }

    /// The same place, and the image with this digest in it.
    pub fn with_digest(&self, digest: ImageDigest) -> Self {
        match self {
            Self::Registry(reference) => {
                Self::Registry(reference.clone_with_digest(digest.to_string()))
            }
            Self::Folder(layout) => Self::Folder(layout.with_digest(digest)),
            Self::Archive(layout) => Self::Archive(layout.with_digest(digest)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "{reference}"),
            Self::Folder(layout) => write!(f, "oci:{layout}"),
            Self::Archive(layout) => write!(f, "oci-archive:{layout}"),
        }
    }
}

impl LayoutReference {
    fn parse(whole: &str, rest: &str) -> Result<Self, OciError> {
        let bad = |reason: &str| OciError::Reference {
            text: shortened(whole),
            reason: reason.to_owned(),
        };
        let (path, image) = if let Some((path, digest)) = rest.rsplit_once('@') {
            (path, Some(Selector::Digest(digest.parse()?)))
        } else if Path::new(rest).exists() {
            (rest, None)
        } else {
            match rest.rsplit_once(':') {
                Some((path, tag)) if is_tag(tag) => (path, Some(Selector::Tag(tag.to_owned()))),
                _ => (rest, None),
            }
        };
        if path.is_empty() {
            return Err(bad("the path is empty"));
        }
        Ok(Self {
            path: PathBuf::from(path),
            image,
        })
    }

    fn with_digest(&self, digest: ImageDigest) -> Self {
        Self {
            path: self.path.clone(),
            image: Some(Selector::Digest(digest)),
        }
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.image {
            Some(Selector::Tag(tag)) => write!(f, ":{tag}"),
            Some(Selector::Digest(digest)) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// The distribution specification's form of a tag: 128 characters at most.
fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(path: &str, image: Option<Selector>) -> LayoutReference {
        LayoutReference {
            path: path.into(),
            image,
        }
    }

    #[test]
    fn a_prefix_makes_a_layout() {
        let digest = ImageDigest([7; 32]);
        assert_eq!(
            Source::parse("oci:some/folder").unwrap(),
            Source::Folder(layout("some/folder", None))
        );
        assert_eq!(
            Source::parse("oci:some/folder:v1.0").unwrap(),
            Source::Folder(layout("some/folder", Some(Selector::Tag("v1.0".into()))))
        );
        assert_eq!(
            Source::parse(&format!("oci-archive:/x/a.tar@{digest}")).unwrap(),
            Source::Archive(layout("/x/a.tar", Some(Selector::Digest(digest))))
        );
        assert!(Source::parse("oci:").is_err());
        assert!(Source::parse("oci:x@sha256:zz").is_err());
    }

    #[test]
    fn a_colon_in_a_path_that_exists_is_no_tag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a:b");
        std::fs::create_dir(&path).unwrap();
        let text = format!("oci:{}", path.display());
        assert_eq!(
            Source::parse(&text).unwrap(),
            Source::Folder(layout(path.to_str().unwrap(), None))
        );
    }

    #[test]
    fn everything_else_is_a_registry() {
        let Source::Registry(reference) = Source::parse("127.0.0.1:5000/a/b").unwrap() else {
            panic!("not a registry");
        };
        assert_eq!(reference.registry(), "127.0.0.1:5000");
        assert_eq!(reference.tag(), Some("latest"));
        assert!(Source::parse("two words").is_err());
        assert!(Source::parse("").is_err());
        assert!(matches!(
            Source::parse(&format!("r.example/a@sha512:{}", "0".repeat(128))),
            Err(OciError::DigestForm(_))
        ));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let digest = ImageDigest([7; 32]);
        for text in [
            "r.example/a/b:v1".to_owned(),
            format!("r.example/a@{digest}"),
            "oci:x/y:t".to_owned(),
            format!("oci-archive:x@{digest}"),
        ] {
            assert_eq!(Source::parse(&text).unwrap().to_string(), text);
        }
    }
}
