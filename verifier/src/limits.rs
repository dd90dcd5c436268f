//! Limits on untrusted input, each with its reason.
//!
//! A `Bundle` or `TrustedRoot` need not come from the parsers of `formats`, so their limits are checked here again.

pub(crate) use formats::limits::{
    BODY_BYTES, BUNDLE_BYTES as PAYLOAD_BYTES, CERTIFICATE_BYTES, CHAIN_CERTIFICATES as CHAIN,
    PROOF_HASHES, TIMESTAMP_BYTES as TOKEN_BYTES, TIMESTAMPS, TLOG_ENTRIES,
    TRUST_INSTANCES as TRUST_ENTRIES,
};

/// Certificates embedded in one timestamp token.
pub(crate) const TOKEN_CERTIFICATES: usize = 10;
/// Subjects of one statement: the bound of sigstore-go.
pub(crate) const SUBJECTS: usize = 1024;
/// SCTs in one certificate. Fulcio embeds one.
pub(crate) const SCTS: usize = 16;
/// Signature lines of one checkpoint that may claim to be the log's own.
pub(crate) const OWN_SIGNATURES: usize = 4;
/// Signature checks one bundle may cost. A bundle at all other limits needs about 200; at half a
/// millisecond each (P-384, the slowest common one) the budget ends after an eighth of a second.
pub(crate) const SIGNATURE_CHECKS: u32 = 256;
/// Bytes of an identity or issuer pattern.
pub(crate) const PATTERN_BYTES: usize = 4 * 1024;
/// Bytes a compiled pattern may take: bounds what nested repetitions cost.
pub(crate) const PATTERN_COMPILED_BYTES: usize = 1024 * 1024;
/// Characters of outside text quoted in a report line.
pub(crate) const QUOTED_CHARS: usize = 300;

/// Nesting of a statement. Predicates are other people's documents, an SBOM's components nest in each other; nothing of
/// them is built, so the bound is generous: serde_json's own for what is built.
pub(crate) const STATEMENT_DEPTH: usize = 128;
