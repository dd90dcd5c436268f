//! The keys of the repository: where they are, what clients call them, and signatures by them.

use crate::TufError;
use keys::{Algorithm, KeyError, KeyFolder, Purpose, Signer};
use pki::key::{PublicKey, Scheme};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::schema::{Role, RoleType, Root, Signature, Signed};

/// The ID of a key in TUF metadata.
pub(crate) type KeyId = Decoded<Hex>;

/// Every purpose of a key of the repository.
const PURPOSES: [Purpose; 3] = [Purpose::TufRoot, Purpose::TufTargets, Purpose::TufOnline];
/// Folders of keys that came by rotation: `tuf-2` has those that root 2 names first.
const ROTATED: &str = "tuf-";

/// Where the keys of the repository are: a folder of key files, and folders `tuf-N` in it for those of later roots.
///
/// It is read at every use, because a command beside a serving process may have changed it.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    folder: PathBuf,
    extra: Vec<Signer>,
}

impl KeyFiles {
    /// Points at a folder, which may be missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            extra: Vec::new(),
        }
    }

    /// Adds a key that is here for this once, from a medium that is kept elsewhere.
    pub fn add(&mut self, signer: Signer) {
        self.extra.push(signer);
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All keys that are here.
    pub(crate) fn load(&self) -> Result<Ring, TufError> {
        let mut signers = self.extra.clone();
        for (folder, purpose) in self.found()? {
            signers.push(folder.load(purpose)?);
        }
        let named = signers.into_iter().map(|signer| {
            let id = key_id(&tuf_key(signer.public_key())?)?;
            Ok((id, signer))
        });
        Ok(Ring(named.collect::<Result<_, TufError>>()?))
    }

    /// Loads or makes the key of the first root.
    pub(crate) fn make_first(&self, purpose: Purpose) -> Result<Signer, TufError> {
        make(&self.folder, purpose)
    }

    /// Loads or makes a key that the root of this version is to name first.
    pub(crate) fn make_next(&self, purpose: Purpose, version: u64) -> Result<Signer, TufError> {
        make(&self.folder.join(format!("{ROTATED}{version}")), purpose)
    }

    /// Removes the key files that `root` does not name. Answers their number.
    pub(crate) fn forget_all_but(&self, root: &Root) -> Result<usize, TufError> {
        let mut removed = 0;
        for (folder, purpose) in self.found()? {
            let id = key_id(&tuf_key(folder.load(purpose)?.public_key())?)?;
            if !root.keys.contains_key(&id) {
                folder.remove(purpose)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn found(&self) -> Result<Vec<(KeyFolder, Purpose)>, TufError> {
        let mut found = Vec::new();
        for path in self.folders()? {
            for purpose in PURPOSES {
                let folder = KeyFolder::open(&path)?;
                if folder.exists(purpose) {
                    found.push((folder, purpose));
                }
            }
        }
        Ok(found)
    }

    fn folders(&self) -> Result<Vec<PathBuf>, TufError> {
        let mut folders = vec![self.folder.clone()];
        let read = |error| TufError::store(format!("read {}", self.folder.display()), error);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(folders),
            entries => entries.map_err(read)?,
        };
        for entry in entries {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(ROTATED));
            if number.is_some_and(|number| number.parse::<u64>().is_ok()) {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}

fn make(folder: &Path, purpose: Purpose) -> Result<Signer, TufError> {
    let folder = KeyFolder::open(folder)?;
    Ok(folder.load_or_create(purpose, Algorithm::EcdsaP256)?.0)
}

/// The keys that are here, with their IDs.
pub(crate) struct Ring(Vec<(KeyId, Signer)>);

impl Ring {
    /// Those of a role's keys that are here.
    pub(crate) fn of(&self, root: &Root, role: RoleType) -> Vec<&(KeyId, Signer)> {
        let named = root.roles.get(&role);
        let is_named = |id: &KeyId| named.is_some_and(|keys| keys.keyids.contains(id));
        let mut of: Vec<&(KeyId, Signer)> = Vec::new();
        for key in self.0.iter().filter(|(id, _)| is_named(id)) {
            // The same key may be in two files.
            if of.iter().all(|(id, _)| *id != key.0) {
                of.push(key);
            }
        }
        of
    }

    /// Whether enough of a role's keys are here.
    pub(crate) fn can_sign(&self, root: &Root, role: RoleType) -> bool {
        let threshold = root.roles.get(&role).map(|keys| keys.threshold.get());
        let here = u64::try_from(self.of(root, role).len()).unwrap_or(u64::MAX);
        threshold.is_some_and(|threshold| here >= threshold)
    }

    pub(crate) fn has(&self, id: &KeyId) -> bool {
        self.0.iter().any(|(here, _)| here == id)
    }

    /// Signs with the keys that these roots give the role, each once.
    pub(crate) async fn sign<T: Role>(
        &self,
        role: T,
        roots: &[&Root],
    ) -> Result<Signed<T>, TufError> {
        let message = role.canonical_form().map_err(TufError::library)?;
        let mut signatures: Vec<Signature> = Vec::new();
        for root in roots {
            for (id, signer) in self.of(root, T::TYPE) {
                if signatures.iter().all(|signature| signature.keyid != *id) {
                    signatures.push(signature(id, signer, &message).await?);
                }
            }
        }
        Ok(Signed {
            signed: role,
            signatures,
        })
    }
}

/// Signs the canonical form of a role. ECDSA: SHA-256, ASN.1 DER.
pub(crate) async fn signature(
    id: &KeyId,
    signer: &Signer,
    message: &[u8],
) -> Result<Signature, KeyError> {
    Ok(Signature {
        keyid: id.clone(),
        sig: signer.sign(message).await?.into(),
    })
}

/// A public key as TUF metadata spells it: PEM for ECDSA P-256, hex of 32 bytes for Ed25519.
pub(crate) fn tuf_key(key: &PublicKey) -> Result<Key, TufError> {
    let scheme = key.default_scheme();
    let text = match scheme {
        Scheme::EcdsaP256Sha256 => key.to_pem(),
        // RFC 8410 section 4: an Ed25519 SPKI is twelve bytes and the key.
        Scheme::Ed25519 => hex::encode(key.spki_der().get(12..).unwrap_or_default()),
        other => return Err(TufError::Algorithm(format!("{other:?}"))),
    };
    text.parse().map_err(TufError::library)
}

/// SHA-256 of the key's canonical JSON.
pub(crate) fn key_id(key: &Key) -> Result<KeyId, TufError> {
    key.key_id().map_err(TufError::library)
}

/// The bytes of a file: the JSON for people, names in order, with a newline at the end.
pub(crate) fn to_bytes<T: Serialize>(signed: &T) -> Result<Vec<u8>, TufError> {
    let value = serde_json::to_value(signed).map_err(TufError::library)?;
    let mut bytes = serde_json::to_vec_pretty(&value).map_err(TufError::library)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_that_clients_read() {
        let key = |algorithm| {
            let signer = Signer::in_memory(Purpose::TufRoot, algorithm).unwrap();
            serde_json::to_value(tuf_key(signer.public_key()).unwrap()).unwrap()
        };
        let ecdsa = key(Algorithm::EcdsaP256);
        assert_eq!(ecdsa["keytype"], "ecdsa");
        assert_eq!(ecdsa["scheme"], "ecdsa-sha2-nistp256");
        let pem = ecdsa["keyval"]["public"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
        let ed25519 = key(Algorithm::Ed25519);
        assert_eq!(ed25519["keytype"], "ed25519");
        assert_eq!(ed25519["keyval"]["public"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn a_kind_of_key_that_clients_do_not_read_is_refused() {
        let signer = Signer::in_memory(Purpose::TufRoot, Algorithm::EcdsaP384).unwrap();
        let error = tuf_key(signer.public_key()).unwrap_err();
        assert!(matches!(error, TufError::Algorithm(_)));
    }

    #[test]
    fn keys_of_later_roots_are_found_beside_the_first() {
        let root = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(root.path().join("keys"));
        assert!(files.load().unwrap().0.is_empty());
        files.make_first(Purpose::TufOnline).unwrap();
        let next = files.make_next(Purpose::TufOnline, 2).unwrap();
        // Made once: an interrupted rotation goes on with the same key.
        let again = files.make_next(Purpose::TufOnline, 2).unwrap();
        assert_eq!(next.public_key(), again.public_key());
        assert_eq!(files.load().unwrap().0.len(), 2);
    }
}
