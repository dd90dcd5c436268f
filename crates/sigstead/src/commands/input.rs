//! Files that commands read, with their limits.

use crate::trust_files::TRUSTED_ROOT_FILE;
use anyhow::{Context, Result, bail};
use formats::trust::TrustedRoot;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Trust files and predicates: the public instance's trusted root has 8 KiB, a large SBOM some MiB.
pub(crate) const MAX_JSON: u64 = 32 << 20;
/// Files up to this size are kept whole, because pure Ed25519 signatures have no digest form.
const MAX_WHOLE: u64 = 16 << 20;
const CHUNK: usize = 256 << 10;

/// Reads a file of at most `max` bytes.
pub(crate) fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    read_stream(file, max).with_context(|| format!("cannot read {}", path.display()))
}

fn read_stream(stream: impl Read, max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(max + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len())? > max {
        bail!("it has more than {max} bytes");
    }
    Ok(bytes)
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read_file_or_stdin(path: &Path, max: u64) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        return read_stream(std::io::stdin(), max).context("cannot read standard input");
    }
    read_limited(path, max)
}

/// SHA-256 of a file of any size, in constant memory.
pub(crate) fn sha256_of(path: &Path) -> Result<[u8; 32]> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    stream(&mut file, |chunk| hash.update(chunk))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hash.finalize().into())
}

/// What `verify` was given: bytes, or digests of a large file, or a digest alone.
pub(crate) enum Subject {
    Bytes(Vec<u8>),
    Digests {
        sha256: [u8; 32],
        sha384: Option<[u8; 48]>,
        sha512: Option<[u8; 64]>,
    },
}

impl Subject {
    /// Reads `FILE` or `sha256:HEX`. A file of that very name wins.
    pub(crate) fn read(argument: &str) -> Result<Self> {
        let path = Path::new(argument);
        if let Some(hex) = argument.strip_prefix("sha256:")
            && !path.exists()
        {
            let bytes = hex::decode(hex).context("sha256: wants 64 hexadecimal digits")?;
            let sha256 = <[u8; 32]>::try_from(bytes)
                .ok()
                .context("sha256: wants 64 hexadecimal digits")?;
            return Ok(Self::Digests {
                sha256,
                sha384: None,
                sha512: None,
            });
        }
        let size = std::fs::metadata(path)
            .with_context(|| format!("cannot open {argument}"))?
            .len();
        if size <= MAX_WHOLE {
            return Ok(Self::Bytes(read_limited(path, MAX_WHOLE)?));
        }
        Self::digest(path)
    }

    fn digest(path: &Path) -> Result<Self> {
        let mut file =
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let (mut sha256, mut sha384, mut sha512) = (Sha256::new(), Sha384::new(), Sha512::new());
        stream(&mut file, |chunk| {
            sha256.update(chunk);
            sha384.update(chunk);
            sha512.update(chunk);
        })
        .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::Digests {
            sha256: sha256.finalize().into(),
            sha384: Some(sha384.finalize().into()),
            sha512: Some(sha512.finalize().into()),
        })
    }

    /// What summaries call it by.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Bytes(bytes) => Sha256::digest(bytes).into(),
            Self::Digests { sha256, .. } => *sha256,
        }
    }

    pub(crate) fn as_artifact(&self) -> verifier::Artifact<'_> {
        match self {
            Self::Bytes(bytes) => verifier::Artifact::Bytes(bytes),
            Self::Digests {
                sha256,
                sha384,
                sha512,
            } => verifier::Artifact::Digests {
                sha256: *sha256,
                sha384: *sha384,
                sha512: *sha512,
            },
        }
    }
}

fn stream(file: &mut File, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => each(&buffer[..n]),
        }
    }
}

/// The trust file that was named, or the one that `up` wrote into the data folder.
pub(crate) fn trust_file(
    named: Option<&PathBuf>,
    data_dir: &Path,
    name: &str,
    flag: &str,
) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let path = data_dir.join("trust").join(name);
    if path.exists() {
        return Ok(path);
    }
    bail!(
        "no {} in {}: name one with {flag}, or the instance's folder with --data-dir",
        name,
        data_dir.display()
    )
}

/// Loads the trusted root that was named, or the data folder's. `sigstore` names the public instance's embedded one,
/// unless there is a file of that name.
pub(crate) fn load_trusted_root(named: Option<&PathBuf>, data_dir: &Path) -> Result<TrustedRoot> {
    if named.is_some_and(|path| path == Path::new(trust::SIGSTORE) && !path.exists()) {
        return TrustedRoot::parse(trust::PUBLIC_GOOD).context("the embedded trusted root");
    }
    let path = trust_file(named, data_dir, TRUSTED_ROOT_FILE, "--trusted-root")?;
    TrustedRoot::parse(&read_limited(&path, MAX_JSON)?)
        .with_context(|| format!("{} is not a trusted root", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_argument_must_have_32_bytes() {
        assert!(Subject::read(&format!("sha256:{}", "ab".repeat(32))).is_ok());
        assert!(Subject::read("sha256:abcd").is_err());
        assert!(Subject::read("sha256:zz").is_err());
    }

    #[test]
    fn the_public_instance_is_known_by_name() {
        let named = PathBuf::from("sigstore");
        let root = load_trusted_root(Some(&named), Path::new("nowhere")).unwrap();
        assert_eq!(root.tlogs[0].base_url, "https://rekor.sigstore.dev");
        let other = PathBuf::from("staging");
        assert!(load_trusted_root(Some(&other), Path::new("nowhere")).is_err());
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        std::fs::write(&path, [0; 11]).unwrap();
        assert!(read_limited(&path, 10).is_err());
        assert_eq!(read_limited(&path, 11).unwrap().len(), 11);
    }
}
