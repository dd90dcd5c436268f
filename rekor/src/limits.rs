//! Bounds on what outsiders may send, each with its reason.

/// Default request body bound of the v1 API: what the public instance uses (32 MiB).
pub const V1_MAX_BODY: usize = 32 * 1024 * 1024;

/// Default request body bound of the v2 API: rekor-tiles' `max-request-body-size` (4 MiB).
pub const V2_MAX_BODY: usize = 4 * 1024 * 1024;

/// Entry bodies of a v2 log: C2SP tlog-tiles stores each behind a 16-bit length.
pub const V2_MAX_ENTRY: usize = 65_535;

/// Items in each list of `entries/retrieve`, and in all its lists together (openapi.yaml of Rekor v1).
pub(crate) const QUERY_ITEMS: usize = 10;

/// Verifiers in one entry: signature checks grow with verifiers times signatures.
pub(crate) const VERIFIERS: usize = 10;

/// Signatures in one DSSE envelope: as [`VERIFIERS`]; rekor-tiles 2.0 used the same bound.
pub(crate) const SIGNATURES: usize = 10;

/// PEM text of one verifier: ten certificates of about 6 KiB each.
pub(crate) const VERIFIER_PEM: usize = 64 * 1024;

/// Certificates in one verifier's chain (Rekor v1 reads at most ten).
pub(crate) const CHAIN: usize = 10;

/// Bytes of one raw signature: RSA-8192 has 1,024, an Ed25519 or ECDSA signature far fewer.
pub(crate) const SIGNATURE_BYTES: usize = 1024;

/// Bytes that pure Ed25519 checks of one envelope may hash in all. The other schemes hash the
/// envelope once, Ed25519 hashes it in every attempt.
pub(crate) const ED25519_HASHED: usize = 128 * 1024 * 1024;

/// Bytes of a DSSE payload type; media types have at most 127 + 1 + 127 characters (RFC 6838 section 4.2).
pub(crate) const PAYLOAD_TYPE: usize = 1024;

/// Request bodies up to this size are parsed and verified on the async worker; larger ones, where
/// hashing and base64 take milliseconds, go to the blocking pool.
pub(crate) const INLINE_BODY: usize = 16 * 1024;

/// Characters of a value from a request that an error message repeats.
pub(crate) const ECHO: usize = 64;
