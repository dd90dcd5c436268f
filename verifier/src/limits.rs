//! Limits on untrusted input, each with its reason.

/// Log entries in one bundle. The limit of sigstore-go; honest bundles carry one or two.
pub(crate) const TLOG_ENTRIES: usize = 32;
/// RFC 3161 tokens in one bundle. The limit of sigstore-go and sigstore-python.
pub(crate) const TIMESTAMPS: usize = 32;
/// Certificates in a bundle's chain. Fulcio issues under one or two intermediates.
pub(crate) const CHAIN: usize = 10;
/// Bytes of one certificate. Fulcio's have one to two KiB, with an SCT list.
pub(crate) const CERTIFICATE_BYTES: usize = 64 * 1024;
/// Bytes of one timestamp token. With a whole embedded chain they have about six KiB.
pub(crate) const TOKEN_BYTES: usize = 64 * 1024;
/// Certificates embedded in one timestamp token.
pub(crate) const TOKEN_CERTIFICATES: usize = 10;
/// Bytes of one canonical entry body. The kinds read here hold digests, signatures and keys, never artifacts.
pub(crate) const BODY_BYTES: usize = 1024 * 1024;
/// Hashes in an inclusion proof: a tree of 2^63 leaves has no longer path.
pub(crate) const PROOF_HASHES: usize = 64;
/// SCTs in one certificate. Fulcio embeds one.
pub(crate) const SCTS: usize = 16;
/// Signature lines of one checkpoint that may claim to be the log's own.
pub(crate) const OWN_SIGNATURES: usize = 4;
/// Logs or authorities of one kind in a trusted root. The public one has two of each after five years.
pub(crate) const TRUST_ENTRIES: usize = 256;
/// Signature checks one bundle may cost. A bundle at all other limits needs about 200; at half a
/// millisecond each (P-384, the slowest common one) the budget ends after an eighth of a second.
pub(crate) const SIGNATURE_CHECKS: u32 = 256;
/// Bytes of an identity or issuer pattern.
pub(crate) const PATTERN_BYTES: usize = 4 * 1024;
/// Bytes a compiled pattern may take: bounds what nested repetitions cost.
pub(crate) const PATTERN_COMPILED_BYTES: usize = 1024 * 1024;
/// Characters of outside text quoted in a report line.
pub(crate) const QUOTED_CHARS: usize = 300;
