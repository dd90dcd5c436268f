//! Digests of what was signed: computed once, or as the caller has them.

use crate::Artifact;
use formats::dsse::{self, Envelope};
use pki::key::HashAlgorithm;
use std::cell::OnceCell;

/// Digests by algorithm, each computed when it is first asked for.
#[derive(Default)]
struct Digests {
    sha256: OnceCell<Vec<u8>>,
    sha384: OnceCell<Vec<u8>>,
    sha512: OnceCell<Vec<u8>>,
}

impl Digests {
    fn get_or_init(&self, algorithm: HashAlgorithm, digest: impl FnOnce() -> Vec<u8>) -> &[u8] {
        let cell = match algorithm {
            HashAlgorithm::Sha256 => &self.sha256,
            HashAlgorithm::Sha384 => &self.sha384,
            HashAlgorithm::Sha512 => &self.sha512,
        };
        cell.get_or_init(digest)
    }
}

/// Digests of the artifact by algorithm; bytes are hashed at most once per algorithm.
pub(crate) struct ArtifactDigests<'a> {
    artifact: &'a Artifact<'a>,
    computed: Digests,
}

impl<'a> ArtifactDigests<'a> {
    pub(crate) fn new(artifact: &'a Artifact<'a>) -> Self {
        Self {
            artifact,
            computed: Digests::default(),
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
                let digest = || algorithm.digest(bytes);
                Some(self.computed.get_or_init(algorithm, digest))
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

/// Digests of an envelope's pre-authentication encoding and of its payload: a payload of megabytes is not copied, and
/// hashed at most once per algorithm for each.
pub(crate) struct EnvelopeDigests<'a> {
    envelope: &'a Envelope,
    encoded: Digests,
    payload: Digests,
}

impl<'a> EnvelopeDigests<'a> {
    pub(crate) fn new(envelope: &'a Envelope) -> Self {
        Self {
            envelope,
            encoded: Digests::default(),
            payload: Digests::default(),
        }
    }

    pub(crate) fn envelope(&self) -> &'a Envelope {
        self.envelope
    }

    /// The bytes under the signature, for schemes that take nothing else.
    pub(crate) fn encoding(&self) -> Vec<u8> {
        self.envelope.pae()
    }

    /// The digest of the bytes under the signature.
    pub(crate) fn of_encoding(&self, algorithm: HashAlgorithm) -> &[u8] {
        self.encoded.get_or_init(algorithm, || {
            let payload = self.envelope.payload.0.as_slice();
            let head = dsse::pae_head(&self.envelope.payload_type, payload.len());
            algorithm.digest_parts(&[head.as_bytes(), payload])
        })
    }

    /// The digest of the payload alone.
    pub(crate) fn of_payload(&self, algorithm: HashAlgorithm) -> &[u8] {
        let digest = || algorithm.digest(&self.envelope.payload.0);
        self.payload.get_or_init(algorithm, digest)
    }
}
