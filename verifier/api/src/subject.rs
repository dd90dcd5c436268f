//! The artifact of a question: its bytes, or its digests.

use crate::error::ApiError;
use crate::limits;
use crate::wire::ArtifactRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha384, Sha512};
use verifier::Artifact;

/// What was signed, as far as the caller gave it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bytes {
        bytes: Vec<u8>,
        sha256: [u8; 32],
    },
    Digests {
        sha256: [u8; 32],
        sha384: Option<[u8; 48]>,
        sha512: Option<[u8; 64]>,
    },
}

const DIGEST_CURE: &str = "write sha256: and 64 hexadecimal digits, as sha256sum prints them";

impl Subject {
    /// Reads the artifact of a JSON request.
    pub(crate) fn read(artifact: ArtifactRef) -> Result<Self, ApiError> {
        match (artifact.digest, artifact.base64) {
            (Some(digest), None) => {
                let hex = digest.strip_prefix("sha256:").ok_or_else(|| {
                    ApiError::unreadable("artifact.digest", "it is no SHA-256", DIGEST_CURE)
                })?;
                Ok(Self::Digests {
                    sha256: digits("artifact.digest", hex)?,
                    sha384: optional("artifact.sha384", artifact.sha384)?,
                    sha512: optional("artifact.sha512", artifact.sha512)?,
                })
            }
            (None, Some(text)) if artifact.sha384.is_none() && artifact.sha512.is_none() => {
                let bytes = STANDARD.decode(text.trim_end()).map_err(|error| {
                    let cure = "send standard base64 with padding, as `base64 -w0` prints it";
                    ApiError::unreadable("artifact.base64", error.to_string(), cure)
                })?;
                Ok(Self::whole(bytes))
            }
            _ => Err(ApiError::unreadable(
                "artifact",
                "it has neither or both of digest and base64, or digests beside base64",
                "give {\"digest\": \"sha256:…\"} or {\"base64\": \"…\"}",
            )),
        }
    }

    /// An artifact that is all there.
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self::Bytes { bytes, sha256 }
    }

    /// What summaries and logs call it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Bytes { sha256, .. } | Self::Digests { sha256, .. } => *sha256,
        }
    }

    pub(crate) fn as_artifact(&self) -> Artifact<'_> {
        match self {
            Self::Bytes { bytes, .. } => Artifact::Bytes(bytes),
            Self::Digests {
                sha256,
                sha384,
                sha512,
            } => Artifact::Digests {
                sha256: *sha256,
                sha384: *sha384,
                sha512: *sha512,
            },
        }
    }
}

fn digits<const N: usize>(field: &str, hex: &str) -> Result<[u8; N], ApiError> {
    let mut digest = [0; N];
    match hex::decode_to_slice(hex, &mut digest) {
        Ok(()) => Ok(digest),
        Err(error) => {
            let message = format!("it has to be {} hexadecimal digits: {error}", 2 * N);
            Err(ApiError::unreadable(field, message, DIGEST_CURE))
        }
    }
}

fn optional<const N: usize>(field: &str, hex: Option<String>) -> Result<Option<[u8; N]>, ApiError> {
    hex.map(|hex| digits(field, &hex)).transpose()
}

/// Digests of an artifact that streams by; a small one is kept as well.
pub(crate) struct Stream {
    sha256: Sha256,
    sha384: Sha384,
    sha512: Sha512,
    kept: Option<Vec<u8>>,
    length: u64,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            sha256: Sha256::new(),
            sha384: Sha384::new(),
            sha512: Sha512::new(),
            kept: Some(Vec::new()),
            length: 0,
        }
    }

    /// Takes the next bytes; all so far.
    pub(crate) fn update(&mut self, chunk: &[u8]) -> u64 {
        self.sha256.update(chunk);
        self.sha384.update(chunk);
        self.sha512.update(chunk);
        self.length = self
            .length
            .saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if let Some(kept) = &mut self.kept {
            match kept.len() + chunk.len() <= limits::WHOLE_ARTIFACT_BYTES {
                true => kept.extend_from_slice(chunk),
                false => self.kept = None,
            }
        }
        self.length
    }

    pub(crate) fn finish(self) -> Subject {
        let sha256 = self.sha256.finalize().into();
        match self.kept {
            Some(bytes) => Subject::Bytes { bytes, sha256 },
            None => Subject::Digests {
                sha256,
                sha384: Some(self.sha384.finalize().into()),
                sha512: Some(self.sha512.finalize().into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_digests_of_the_whole_however_it_is_cut() {
        let bytes = vec![7; limits::WHOLE_ARTIFACT_BYTES + 1];
        let mut stream = Stream::new();
        for chunk in bytes.chunks(1000) {
            stream.update(chunk);
        }
        let want = Subject::Digests {
            sha256: Sha256::digest(&bytes).into(),
            sha384: Some(Sha384::digest(&bytes).into()),
            sha512: Some(Sha512::digest(&bytes).into()),
        };
        assert_eq!(stream.finish(), want);
    }

    #[test]
    fn a_small_stream_is_kept_whole() {
        let mut stream = Stream::new();
        stream.update(b"a");
        stream.update(b"b");
        assert_eq!(stream.finish(), Subject::whole(b"ab".to_vec()));
    }

    #[test]
    fn an_artifact_is_one_thing_and_the_error_names_which() {
        let field = |artifact| Subject::read(artifact).unwrap_err().body.field.unwrap();
        let digest = Some(format!("sha256:{}", "ab".repeat(32)));
        assert_eq!(field(ArtifactRef::default()), "artifact");
        let both = ArtifactRef {
            digest: digest.clone(),
            base64: Some("AA==".into()),
            ..ArtifactRef::default()
        };
        assert_eq!(field(both), "artifact");
        let md5 = ArtifactRef {
            digest: Some("md5:00".into()),
            ..ArtifactRef::default()
        };
        assert_eq!(field(md5), "artifact.digest");
        let short = ArtifactRef {
            digest,
            sha512: Some("00".into()),
            ..ArtifactRef::default()
        };
        assert_eq!(field(short), "artifact.sha512");
        let garbage = ArtifactRef {
            base64: Some("!".into()),
            ..ArtifactRef::default()
        };
        assert_eq!(field(garbage), "artifact.base64");
    }
}
