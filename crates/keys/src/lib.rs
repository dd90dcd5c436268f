//! Private keys: the only room that may touch them. Everyone else holds a [`Signer`] bound to one purpose.
#![allow(clippy::todo, missing_docs)]
use pki::key::{PublicKey, Scheme};
use std::sync::Arc;

/// What a key may be used for; also its file name `<purpose>.pem` in the key folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose { RootCa, IssuingCa, CtLog, RekorV1, RekorV2, TsaRoot, TsaIntermediate, Tsa, DevIssuer }
impl Purpose { pub fn name(self) -> &'static str { todo!() } }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm { EcdsaP256, EcdsaP384, Ed25519, Rsa2048 }

/// A handle that can sign for one purpose. Cheap to clone. Debug shows purpose and key ID only.
#[derive(Clone)]
pub struct Signer { /* purpose, public: Arc<PublicKey>, backend: Arc<dyn Backend> */ inner: Arc<()> }
impl Signer {
    pub fn purpose(&self) -> Purpose { todo!() }
    pub fn public_key(&self) -> &PublicKey { todo!() }
    /// The scheme this key signs with (registry default; RSA: PKCS#1 v1.5 SHA-256).
    pub fn scheme(&self) -> Scheme { todo!() }
    /// Signs a message (hashing it as the scheme says). ECDSA signatures are ASN.1 DER. Async so that HSM and KMS keys fit.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> { todo!() }
}
impl std::fmt::Debug for Signer { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }

/// A folder of PKCS#8 PEM files, mode 0600 in a 0700 folder, written atomically (temp file, fsync, rename), never overwritten.
pub struct KeyFolder { path: std::path::PathBuf }
impl KeyFolder {
    pub fn open(path: impl Into<std::path::PathBuf>) -> Result<Self, KeyError> { todo!() }
    /// Loads an existing key. Refuses files that others can read (mode & 0o077 != 0), naming the chmod that cures it.
    pub fn load(&self, purpose: Purpose) -> Result<Signer, KeyError> { todo!() }
    /// Generates the key if (and only if) its file does not exist. Returns (signer, created).
    pub fn load_or_create(&self, purpose: Purpose, algorithm: Algorithm) -> Result<(Signer, bool), KeyError> { todo!() }
    pub fn exists(&self, purpose: Purpose) -> bool { todo!() }
}

/// A one-time key for a signing client; lives in memory only and is zeroised on drop.
pub struct EphemeralKey { _private: () }
impl EphemeralKey {
    pub fn generate() -> Result<Self, KeyError> { todo!() } // ECDSA P-256
    pub fn public_key(&self) -> &PublicKey { todo!() }
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> { todo!() }
    pub fn sign_digest(&self, sha256: &[u8; 32]) -> Result<Vec<u8>, KeyError> { todo!() }
}

pub mod authority {
    //! Makes CA and TSA certificate chains with rcgen (root, intermediate, TSA leaf).
    use super::{KeyError, Signer};
    use time::OffsetDateTime;
    pub struct Names { pub organization: String, pub common_name: String }
    /// Self-signed root CA: KU keyCertSign+cRLSign critical, BasicConstraints CA critical, no EKU, SKI, 10 y. Returns DER.
    pub async fn root(signer: &Signer, names: &Names, not_before: OffsetDateTime, years: i32, serial: [u8; 20]) -> Result<Vec<u8>, KeyError> { todo!() }
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Profile { CodeSigningCa, TimeStampingCa, TimeStampingLeaf }
    /// A certificate for `subject_key` signed by `issuer` (EKU by profile; TSA leaf: EKU timeStamping critical, KU digitalSignature, not CA).
    pub async fn issue(issuer: &Signer, issuer_cert_der: &[u8], subject_key: &pki::key::PublicKey, names: &Names, profile: Profile, not_before: OffsetDateTime, not_after: OffsetDateTime, serial: [u8; 20]) -> Result<Vec<u8>, KeyError> { todo!() }
}

/// Warms aws-lc-rs's random source (32 ms the first time); call on a thread at start.
pub fn warm_randomness() { todo!() }

#[derive(Debug, thiserror::Error)]
pub enum KeyError { #[error("TODO")] Todo }
