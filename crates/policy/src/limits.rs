//! Bounds on what others write, each with its reason.

/// Bytes of one policy document. A policy with a hundred identities has about 20 KB.
pub(crate) const DOCUMENT_BYTES: usize = 256 << 10;
/// Values in one document, counted after YAML's aliases are followed: what an alias bomb multiplies.
pub(crate) const DOCUMENT_NODES: usize = 20_000;
/// Nesting of a document. A policy has seven levels.
pub(crate) const DOCUMENT_DEPTH: usize = 16;
/// Problems that one refusal lists.
pub(crate) const PROBLEMS: usize = 50;
/// Identities in one list.
pub(crate) const IDENTITIES: usize = 1000;
/// Globs in one document; each compiles in microseconds.
pub(crate) const GLOBS: usize = 1000;
/// Regular expressions in one document: the costliest that is accepted takes milliseconds to compile.
pub(crate) const REGEXPS: usize = 100;
/// Keys in one list: each is tried on each bundle that was signed with a key.
pub(crate) const KEYS: usize = 16;
/// Attestations that one document demands.
pub(crate) const ATTESTATIONS: usize = 64;
/// Trusted roots that one document names: each is tried on each bundle.
pub(crate) const ROOTS: usize = 16;
/// The highest threshold: no bundle carries more entries or timestamps (`formats::limits`).
pub(crate) const THRESHOLD: u32 = 32;
/// Bundles that one evaluation looks at. Images with more attestations than this have not been seen.
pub(crate) const CANDIDATES: usize = 256;
/// Verifications (one bundle, one signer list, one root) of one evaluation; each costs about a millisecond.
pub(crate) const VERIFICATIONS: usize = 4096;
/// Nesting of a statement, as the engine reads it.
pub(crate) const STATEMENT_DEPTH: usize = 128;
/// Bytes of a statement, as the engine reads it.
pub(crate) const STATEMENT_BYTES: usize = formats::limits::BUNDLE_BYTES;
