//! Public keys and signature checks (aws-lc-rs; Ed25519ph by ed25519-dalek).
#![allow(clippy::todo, missing_docs)]

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind { EcdsaP256, EcdsaP384, EcdsaP521, Rsa { bits: u32 }, Ed25519 }

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm { Sha256, Sha384, Sha512 }
impl HashAlgorithm {
    pub fn digest(self, data: &[u8]) -> Vec<u8> { todo!() }
    pub fn len(self) -> usize { todo!() }
    /// `sha256`, `sha384`, `sha512` (rekor v1, cosign).
    pub fn name(self) -> &'static str { todo!() }
    pub fn from_name(name: &str) -> Option<Self> { todo!() }
    /// `SHA2_256` … (protobuf-specs).
    pub fn proto_name(self) -> &'static str { todo!() }
    pub fn from_proto_name(name: &str) -> Option<Self> { todo!() }
}

/// How a signature is made: key type, hash, padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme { EcdsaP256Sha256, EcdsaP384Sha384, EcdsaP521Sha512, EcdsaP256Sha384, EcdsaP256Sha512, EcdsaP384Sha256, EcdsaP384Sha512, EcdsaP521Sha256, EcdsaP521Sha384, RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512, RsaPssSha256, RsaPssSha384, RsaPssSha512, Ed25519, Ed25519ph }
impl Scheme {
    /// Hash of the scheme (Ed25519: None, it has no prehash).
    pub fn hash(self) -> Option<HashAlgorithm> { todo!() }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey { /* spki_der, kind, parsed raw */ }
impl PublicKey {
    pub fn parse_spki(der: &[u8]) -> Result<Self, KeyError> { todo!() }
    /// PEM `PUBLIC KEY` or `RSA PUBLIC KEY`; lenient as Go (CRLF, one-line base64, no trailing newline).
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> { todo!() }
    pub fn spki_der(&self) -> &[u8] { todo!() }
    /// Canonical PEM: 64 columns, LF, trailing LF.
    pub fn to_pem(&self) -> String { todo!() }
    pub fn kind(&self) -> KeyKind { todo!() }
    /// SHA-256 of the SPKI: log ID of v1 and CT, issuer key hash.
    pub fn key_id(&self) -> [u8; 32] { todo!() }
    /// SHA-1 of the subjectPublicKey bits: subject key identifier.
    pub fn subject_key_identifier(&self) -> [u8; 20] { todo!() }
    /// RSA size/exponent/weak primes, curve allowed.
    pub fn check_strength(&self) -> Result<(), KeyError> { todo!() }
    /// The registry-default scheme of the key when the message is at hand: P-256/SHA-256, P-384/SHA-384, P-521/SHA-512, RSA PKCS1v15/SHA-256, Ed25519 pure.
    pub fn default_scheme(&self) -> Scheme { todo!() }
    /// The default scheme when only a digest is at hand: as above but Ed25519ph for Ed25519.
    pub fn default_digest_scheme(&self) -> Scheme { todo!() }
    /// protobuf-specs PublicKeyDetails name for (key, scheme), e.g. `PKIX_ECDSA_P256_SHA_256`, `PKIX_ED25519`, `PKIX_ED25519_PH`, `PKIX_RSA_PKCS1V15_2048_SHA256`.
    pub fn key_details(&self, scheme: Scheme) -> Option<&'static str> { todo!() }
    /// Inverse: the scheme that a keyDetails name means for this key; None when it does not fit the key.
    pub fn scheme_for_details(&self, name: &str) -> Option<Scheme> { todo!() }
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), KeyError> { todo!() }
    /// Verifies over a precomputed digest (not for pure Ed25519).
    pub fn verify_digest(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> Result<(), KeyError> { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError { #[error("TODO")] Todo }
