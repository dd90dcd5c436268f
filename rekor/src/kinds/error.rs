//! Why a proposed entry is refused.

use crate::json::JsonError;
use pki::cert::CertError;
use pki::key::{HashAlgorithm, KeyError};

/// Why a proposed entry is not logged. Messages say which member and which value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The request body is empty.
    #[error("proposedEntry in body is required")]
    EmptyBody,
    /// The request is not the JSON that is asked for.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// `spec` is JSON, but not of the shape of its kind.
    #[error("spec: {0}")]
    Spec(JsonError),
    /// A member of the entry's frame (kind, apiVersion, spec) is absent.
    #[error("{0} in body is required")]
    Required(&'static str),
    /// `kind` or `apiVersion` is not a string.
    #[error("{0} in body must be of type string")]
    NotText(&'static str),
    /// `apiVersion` is not a semantic version.
    #[error("apiVersion in body should be a semantic version such as \"0.0.1\", got {0:?}")]
    NotVersion(String),
    /// No Rekor has this kind.
    #[error("invalid kind value: {0:?}")]
    UnknownKind(String),
    /// A kind of Rekor that this server does not take.
    #[error("entry kind '{0}' is not enabled for submission on this server")]
    KindNotEnabled(&'static str),
    /// A version of a kind that this server does not take.
    #[error("entry kind '{kind}' does not support inserting entries of version '{version}'")]
    VersionNotSupported {
        /// The kind.
        kind: &'static str,
        /// The version that was asked for.
        version: String,
    },
    /// The committed form of an entry, which lacks what is needed to verify it.
    #[error("entry not insertable into log: {0}")]
    NotInsertable(&'static str),
    /// A dsse entry with both the proposed and the committed form.
    #[error(
        "either proposedContent or envelopeHash, payloadHash, and signatures must be present but not both"
    )]
    BothForms,
    /// A member of `spec` (or of a v2 request) is absent, empty or of the wrong type.
    #[error("missing {0}")]
    Missing(&'static str),
    /// A member is not base64.
    #[error("{0} is not valid base64")]
    NotBase64(&'static str),
    /// A member is longer than its bound.
    #[error("{what} has {have} bytes, at most {max} are accepted")]
    TooLong {
        /// The member.
        what: &'static str,
        /// Its length in bytes.
        have: usize,
        /// Its bound in bytes.
        max: usize,
    },
    /// More verifiers or signatures than accepted.
    #[error("more than {max} {what} in one entry")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// Checking the envelope would hash too many bytes.
    #[error(
        "the envelope is too large for so many Ed25519 verifiers and signatures; submit them one by one"
    )]
    TooMuchWork,
    /// The digest's algorithm is not sha256, sha384 or sha512.
    #[error("unsupported hash algorithm {0:?}, use sha256, sha384 or sha512")]
    HashAlgorithm(String),
    /// The digest's value is not hex of the algorithm's length.
    #[error(
        "invalid value for hash: {algorithm} needs {want} hexadecimal digits, got {have} characters"
    )]
    HashValue {
        /// The algorithm.
        algorithm: &'static str,
        /// Digits needed.
        want: usize,
        /// Characters given.
        have: usize,
    },
    /// The digest's length does not fit the hash.
    #[error("digest has {have} bytes, {} has {want}", .hash.name())]
    DigestLength {
        /// The hash of the key's algorithm.
        hash: HashAlgorithm,
        /// Bytes needed.
        want: usize,
        /// Bytes given.
        have: usize,
    },
    /// The verifier is not PEM.
    #[error("invalid public key: failure decoding PEM")]
    NotPem,
    /// The verifier is PEM of something else.
    #[error("invalid public key: cannot handle PEM type {0:?}, use PUBLIC KEY or CERTIFICATE")]
    PemType(String),
    /// The verifier's key does not parse.
    #[error("invalid public key: {0}")]
    Key(KeyError),
    /// The verifier's certificate does not parse.
    #[error("invalid certificate: {0}")]
    Certificate(CertError),
    /// The verifier's certificates are not a chain.
    #[error(
        "certificate {0} of the chain is not issued by a later one that was valid with the first"
    )]
    Chain(usize),
    /// Ed25519 signs a digest only as Ed25519ph, over SHA-512.
    #[error(
        "verifying signature: an Ed25519 key signs a digest as Ed25519ph, which needs sha512; this digest is {}",
        .0.name()
    )]
    Ed25519phHash(HashAlgorithm),
    /// The signature does not verify over the digest.
    #[error("verifying signature: {0}")]
    Signature(KeyError),
    /// A signature of an Ed25519 key that does not verify as Ed25519ph.
    #[error(
        "verifying signature: {0}; only Ed25519ph signatures can be checked by digest, not pure Ed25519 ones"
    )]
    NotEd25519ph(KeyError),
    /// The signature verifies, but the log does not take the algorithm.
    #[error("entry algorithms are not allowed: {key} with {hash}")]
    AlgorithmNotAllowed {
        /// The key's kind.
        key: String,
        /// The hash's name.
        hash: &'static str,
    },
    /// `keyDetails` is absent, unknown, or not accepted for this key.
    #[error("keyDetails {have:?} does not fit the verifier's key, expected {want:?}")]
    KeyDetails {
        /// The only name accepted for this key.
        want: &'static str,
        /// The name that was given.
        have: String,
    },
    /// A key that the registry of a v2 log does not have.
    #[error("a verifier of this kind is not accepted: {0}")]
    KeyNotAccepted(String),
    /// The DSSE envelope does not parse.
    #[error("envelope: {0}")]
    Envelope(JsonError),
    /// A DSSE envelope without signature.
    #[error("envelope has no signatures")]
    NoSignature,
    /// A verifier that verifies none of the envelope's signatures.
    #[error("could not verify envelope: verifier {0} verifies none of the signatures")]
    UselessVerifier(usize),
    /// A signature that no verifier verifies.
    #[error("all signatures must have a key that verifies it: none for signature {0}")]
    Uncovered(usize),
    /// A v2 request that is neither of the two known ones.
    #[error("invalid type, must be hashedrekord")]
    NotHashedRekord,
    /// A v2 request with several members of a oneof.
    #[error("{0} may be set only once")]
    OneOf(&'static str),
    /// A DSSE request to a v2 log with other than one signature and one verifier.
    #[error(
        "a DSSE envelope is logged as a hashedrekord, so it needs exactly one signature and one verifier; \
         got {signatures} and {verifiers}"
    )]
    DsseCount {
        /// Signatures given.
        signatures: usize,
        /// Verifiers given.
        verifiers: usize,
    },
    /// The canonical body is longer than the log stores.
    #[error("the entry would have {have} bytes, this log stores at most {max}")]
    EntryTooLarge {
        /// Bytes of the canonical body.
        have: usize,
        /// The bound.
        max: usize,
    },
}
