//! Bounds on what clients send and ask for, each with its reason.

/// Bytes of an add-chain body: [`MAX_CHAIN`] certificates of 16 KiB in base64. Fulcio's chains have about 4 KiB.
pub const MAX_BODY: usize = 192 * 1024;

/// Certificates of a submitted chain, leaf and root included; each costs a signature check. Sigstore's have two to four.
pub const MAX_CHAIN: usize = 8;

/// Entries of a get-entries answer: what public logs give at most.
pub const MAX_ENTRIES: u64 = 1000;
