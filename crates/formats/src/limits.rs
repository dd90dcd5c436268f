//! Bounds on untrusted input. Each has its reason; a parser names the one that was exceeded.

/// Bytes of one bundle. Rekor deployments cap a request at 32 MiB, so no larger envelope was ever logged.
pub const BUNDLE_BYTES: usize = 32 << 20;

/// Bytes of a trusted root, signing config or client trust config. The public root has 9 KB after five years.
pub const TRUST_BYTES: usize = 4 << 20;

/// Bytes of one canonical entry body. An intoto 0.0.2 body may hold a whole attestation.
pub const BODY_BYTES: usize = 32 << 20;

/// Nesting of JSON objects and arrays. The deepest Sigstore document has nine levels.
pub const JSON_DEPTH: usize = 32;

/// Log entries in one bundle: the bound of sigstore-go.
pub const TLOG_ENTRIES: usize = 32;

/// RFC 3161 timestamps in one bundle: the bound of sigstore-go and sigstore-python.
pub const TIMESTAMPS: usize = 32;

/// Certificates in one chain: leaf, root, and room for eight intermediates.
pub const CHAIN_CERTIFICATES: usize = 10;

/// Bytes of one DER certificate. Fulcio leaves have about 2 KB, with an RSA or static-CT chain 3 KB.
pub const CERTIFICATE_BYTES: usize = 64 << 10;

/// Bytes of one DER time-stamp response with its embedded certificates.
pub const TIMESTAMP_BYTES: usize = 64 << 10;

/// Bytes of one raw signature. RSA-16384 has 2 KiB; the largest post-quantum scheme in use 50 KiB.
pub const SIGNATURE_BYTES: usize = 64 << 10;

/// Bytes of a checkpoint with its cosignatures (C2SP witnesses add about 120 bytes each).
pub const CHECKPOINT_BYTES: usize = 64 << 10;

/// Hashes in an inclusion proof: a tree of 2^63 leaves is 63 levels high.
pub const PROOF_HASHES: usize = 64;

/// Signatures in a logged DSSE or in-toto entry; Rekor v2 stops at ten, v1 has no bound.
pub const ENTRY_SIGNATURES: usize = 64;

/// Logs or authorities of one kind in a trusted root; services of one kind in a signing config.
pub const TRUST_INSTANCES: usize = 1024;
