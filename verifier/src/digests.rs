//! The artifact's digests: computed once, or as the caller has them.

use crate::Artifact;
use pki::key::HashAlgorithm;
use std::cell::OnceCell;

/// Digests of the artifact by algorithm; bytes are hashed at most once per algorithm.
pub(crate) struct ArtifactDigests<'a> {
    artifact: &'a Artifact<'a>,
    sha256: OnceCell<Vec<u8>>,
    sha384: OnceCell<Vec<u8>>,
    sha512: OnceCell<Vec<u8>>,
}

impl<'a> ArtifactDigests<'a> {
    pub(crate) fn new(artifact: &'a Artifact<'a>) -> Self {
        Self {
            artifact,
            sha256: OnceCell::new(),
            sha384: OnceCell::new(),
            sha512: OnceCell::new(),
        }
    }

    /// The bytes, when the caller gave them.
    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        match self.artifact {
            Artifact::Bytes(bytes) => Some(bytes),
            Artifact::Digests { .. } => None,
        }
    }

    /// The digest, unless the caller gave digests and this one is not among them.
    pub(crate) fn get(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        match self.artifact {
            Artifact::Bytes(bytes) => {
                let cell = match algorithm {
                    HashAlgorithm::Sha256 => &self.sha256,
                    HashAlgorithm::Sha384 => &self.sha384,
                    HashAlgorithm::Sha512 => &self.sha512,
                };
                Some(cell.get_or_init(|| algorithm.digest(bytes)))
            }
            Artifact::Digests {
                sha256,
                sha384,
                sha512,
            } => match algorithm {
                HashAlgorithm::Sha256 => Some(sha256),
                HashAlgorithm::Sha384 => sha384.as_ref().map(|digest| digest.as_slice()),
                HashAlgorithm::Sha512 => sha512.as_ref().map(|digest| digest.as_slice()),
            },
        }
    }
}
