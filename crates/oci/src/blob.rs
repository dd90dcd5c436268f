//! Blobs in motion: streams that end well only when size and digest are what was announced.

use crate::{ImageDigest, OciError, limits};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::PathBuf;

/// The bytes of a blob, piece by piece.
pub(crate) type BlobStream = BoxStream<'static, Result<Bytes, OciError>>;

/// Passes pieces on, and ends with an error unless there were `size` bytes with this digest. A longer stream ends as
/// soon as it is longer.
pub(crate) fn verified(inner: BlobStream, digest: ImageDigest, size: u64) -> BlobStream {
    let state = Verifying {
        inner,
        digest,
        left: size,
        size,
        hash: Sha256::new(),
    };
    stream::try_unfold(Some(state), |state| async move {
        let Some(mut state) = state else {
            return Ok(None);
        };
        match state.inner.next().await {
            Some(piece) => {
                let piece = piece?;
                state.take(&piece)?;
                Ok(Some((piece, Some(state))))
            }
            None => {
                state.finish()?;
                Ok(None)
            }
        }
    })
    .boxed()
}

struct Verifying {
    inner: BlobStream,
    digest: ImageDigest,
    size: u64,
    left: u64,
    hash: Sha256,
}

impl Verifying {
    fn take(&mut self, piece: &[u8]) -> Result<(), OciError> {
        self.hash.update(piece);
        let have = crate::manifest::length(piece);
        self.left = self
            .left
            .checked_sub(have)
            .ok_or_else(|| OciError::TooLarge {
                what: format!("the blob {}", self.digest),
                limit: self.size,
            })?;
        Ok(())
    }

    fn finish(self) -> Result<(), OciError> {
        let have = ImageDigest(self.hash.finalize().into());
        if have == self.digest && self.left == 0 {
            return Ok(());
        }
        Err(OciError::Digest {
            what: format!("the blob {}", self.digest),
            have,
        })
    }
}

/// Reads a local file piece by piece, with blocking calls: layouts belong to one command, not to a server.
pub(crate) fn from_reader(reader: impl Read + Send + 'static, path: PathBuf) -> BlobStream {
    stream::try_unfold((reader, path), |(mut reader, path)| async move {
        let mut piece = vec![0; limits::CHUNK];
        match reader.read(&mut piece) {
            Ok(0) => Ok(None),
            Ok(have) => {
                piece.truncate(have);
                Ok(Some((Bytes::from(piece), (reader, path))))
            }
            Err(source) => Err(OciError::Io { path, source }),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use futures::executor::block_on;

    fn read(bytes: &'static [u8], digest: ImageDigest, size: u64) -> Result<Vec<Bytes>, OciError> {
        let inner = from_reader(bytes, "x".into());
        block_on(verified(inner, digest, size).try_collect())
    }

    #[test]
    fn size_and_digest_must_be_those_announced() {
        let digest = ImageDigest::of(b"abc");
        assert_eq!(read(b"abc", digest, 3).unwrap().concat(), b"abc");
        assert!(matches!(
            read(b"abd", digest, 3),
            Err(OciError::Digest { .. })
        ));
        assert!(matches!(
            read(b"abc", digest, 4),
            Err(OciError::Digest { .. })
        ));
        assert!(matches!(
            read(b"abc", digest, 2),
            Err(OciError::TooLarge { .. })
        ));
    }
}
