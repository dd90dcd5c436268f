//! Canonical entry bodies (the Merkle leaf data of Rekor logs): build and read.
//!
//! Shapes: spec/rekor.md A.11 (v1 kinds) and B.4 (v2). Building gives JCS bytes; reading gives what
//! a verifier compares with a bundle.

mod build;
mod read;

pub use build::{dsse_v001, hashedrekord_v001, hashedrekord_v002, set_input};

use crate::json::JsonError;

/// A parsed body, for verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// hashedrekord 0.0.1.
    HashedRekordV001 {
        /// `sha256`, `sha384` or `sha512`, as submitted.
        hash_algorithm: String,
        /// Hex, as submitted.
        hash_value: String,
        /// Raw signature bytes.
        signature: Vec<u8>,
        /// The decoded PEM text of a key or certificate.
        public_key: Vec<u8>,
    },
    /// dsse 0.0.1.
    DsseV001 {
        /// Hex SHA-256 of the envelope text as it was submitted.
        envelope_hash: String,
        /// Hex SHA-256 of the decoded payload.
        payload_hash: String,
        /// (base64 signature text, decoded PEM verifier), as stored: sorted by text.
        signatures: Vec<(String, Vec<u8>)>,
    },
    /// hashedrekord 0.0.2 (Rekor v2).
    HashedRekordV002 {
        /// `SHA2_256`, `SHA2_384` or `SHA2_512`.
        algorithm: String,
        /// Digest of the artifact, or of the PAE when a DSSE envelope was signed.
        digest: Vec<u8>,
        /// Raw signature bytes.
        signature: Vec<u8>,
        /// Who signed.
        verifier: Verifier,
    },
    /// dsse 0.0.2 (old Rekor v2).
    DsseV002 {
        /// `SHA2_256`.
        algorithm: String,
        /// Digest of the decoded payload.
        payload_digest: Vec<u8>,
        /// (raw signature bytes, who signed).
        signatures: Vec<(Vec<u8>, Verifier)>,
    },
    /// intoto 0.0.2.
    IntotoV002 {
        /// As in the envelope.
        payload_type: String,
        /// Hex SHA-256 of the decoded payload; old entries lack it.
        payload_hash: Option<String>,
        /// Hex, supplied by the client and not verified by the log.
        envelope_hash: String,
        /// (`sig` decoded once, which is base64 text again; decoded PEM key).
        signatures: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// intoto 0.0.1.
    IntotoV001 {
        /// Hex SHA-256 of the envelope text as it was submitted.
        envelope_hash: String,
        /// Hex SHA-256 of the decoded payload; old entries lack it.
        payload_hash: Option<String>,
        /// The decoded PEM text.
        public_key: Vec<u8>,
    },
}

/// Key or certificate of a v2 entry with the scheme that it signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// protobuf-specs name, e.g. `PKIX_ECDSA_P256_SHA_256`.
    pub key_details: String,
    /// DER.
    pub material: VerifierMaterial,
}

/// The DER in a v2 verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierMaterial {
    /// SubjectPublicKeyInfo.
    PublicKey(Vec<u8>),
    /// X.509 certificate.
    Certificate(Vec<u8>),
}

impl VerifierMaterial {
    /// The DER bytes of either.
    pub fn der(&self) -> &[u8] {
        match self {
            Self::PublicKey(der) | Self::Certificate(der) => der,
        }
    }
}

impl Body {
    /// Parses a canonical body; gives kind, version and body.
    pub fn parse(json: &[u8]) -> Result<(String, String, Self), EntryError> {
        read::body(json)
    }
}

/// Reads only kind and version of a canonical body, of whatever kind.
pub fn kind_version(json: &[u8]) -> Result<(String, String), EntryError> {
    read::kind_version(json)
}

/// Why an entry or its body was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, too large, or not of the shape of its kind.
    #[error("the entry body is malformed: {0}")]
    Json(#[from] JsonError),
    /// A kind or version that no bundle can hold.
    #[error(
        "entries of kind {kind:?} version {version:?} cannot be read here; known are hashedrekord and dsse 0.0.1 and 0.0.2, intoto 0.0.1 and 0.0.2"
    )]
    UnknownKind {
        /// `kind` as given.
        kind: String,
        /// `apiVersion` as given.
        version: String,
    },
    /// A required member is absent or empty.
    #[error("the entry has no {0}")]
    Missing(&'static str),
    /// A hash other than SHA-256 where the kind allows no other.
    #[error("{member} has algorithm {algorithm:?}; this kind of entry uses sha256")]
    HashAlgorithm {
        /// JSON name of the member.
        member: &'static str,
        /// Algorithm given.
        algorithm: String,
    },
    /// Not exactly one of `publicKey` and `x509Certificate`.
    #[error("a verifier must have exactly one of publicKey and x509Certificate")]
    VerifierForm,
    /// A list is longer than its limit.
    #[error("{list} has {have} items, the limit is {limit}")]
    TooMany {
        /// JSON name of the list.
        list: &'static str,
        /// Items given.
        have: usize,
        /// Items allowed.
        limit: usize,
    },
    /// A text is longer than its limit.
    #[error("{member} has {have} bytes, the limit is {limit}")]
    TooLong {
        /// JSON name of the member.
        member: &'static str,
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Text that is not base64.
    #[error("{0} is not base64")]
    NotBase64(&'static str),
    /// Text that is not hex, or of another length than 32 bytes.
    #[error("{0} is not the hex of 32 bytes")]
    NotHash(&'static str),
    /// A negative index, size or time.
    #[error("{member} is {value}; it must not be negative")]
    Negative {
        /// JSON name of the member.
        member: &'static str,
        /// Value given.
        value: i64,
    },
}
