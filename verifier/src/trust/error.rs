//! Why a trusted root cannot be used: which entry, and what to write there.

use pki::cert::CertError;
use pki::key::{KeyError, KeyKind};

/// The four lists of a trusted root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustList {
    /// `tlogs`
    Tlogs,
    /// `ctlogs`
    Ctlogs,
    /// `certificateAuthorities`
    CertificateAuthorities,
    /// `timestampAuthorities`
    TimestampAuthorities,
}

impl std::fmt::Display for TrustList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TrustList::Tlogs => "tlogs",
            TrustList::Ctlogs => "ctlogs",
            TrustList::CertificateAuthorities => "certificateAuthorities",
            TrustList::TimestampAuthorities => "timestampAuthorities",
        })
    }
}

/// Which bound of a validity period is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `validFor.start`
    Start,
    /// `validFor.end`
    End,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Bound::Start => "validFor.start",
            Bound::End => "validFor.end",
        })
    }
}

/// Why a trusted root cannot be used. `index` counts from 0 in `list`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustMaterialError {
    /// More entries than any real root has.
    #[error("{list}: {have} entries, at most {limit} are read; remove retired ones")]
    TooMany {
        /// The list.
        list: TrustList,
        /// Its length.
        have: usize,
        /// The limit.
        limit: usize,
    },
    /// The log ID has another length than 32 bytes.
    #[error(
        "{list}[{index}].logId.keyId: {have} bytes, a log ID has 32 (never the 4-byte checkpoint hint)"
    )]
    LogId {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// Length found.
        have: usize,
    },
    /// The tree is not hashed with SHA-256.
    #[error("{list}[{index}].hashAlgorithm: `{have}`, only SHA2_256 trees are known")]
    HashAlgorithm {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// Name found.
        have: String,
    },
    /// The public key does not parse.
    #[error(
        "{list}[{index}].publicKey.rawBytes: {source}; put the base64 of the DER SubjectPublicKeyInfo there"
    )]
    Key {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// The key's fault.
        source: KeyError,
    },
    /// keyDetails names another algorithm than the key has.
    #[error(
        "{list}[{index}].publicKey.keyDetails: `{details}` does not fit the key, which is {kind:?}"
    )]
    KeyDetails {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// The name found.
        details: String,
        /// What the key is.
        kind: KeyKind,
    },
    /// A validity bound is missing or no RFC 3339 time. A missing start is never "always".
    #[error(
        "{list}[{index}].{bound} is missing or not an RFC 3339 time; write when the key or chain came into use"
    )]
    Validity {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// Which bound.
        bound: Bound,
    },
    /// An authority without certificates, or with more than any real chain has.
    #[error(
        "{list}[{index}].certChain: {have} certificates, 1 to 10 are read (issuing CA first, root last)"
    )]
    ChainLength {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// Length found.
        have: usize,
    },
    /// The last certificate of a chain is no CA: the chain ends before its root.
    #[error(
        "{list}[{index}].certChain: the last certificate is no CA, so it cannot be an anchor; list the whole chain up to the root"
    )]
    AnchorNotCa {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
    },
    /// A certificate does not parse.
    #[error("{list}[{index}].certChain.certificates[{certificate}]: {source}")]
    Certificate {
        /// The list.
        list: TrustList,
        /// The entry.
        index: usize,
        /// Position in the chain.
        certificate: usize,
        /// The certificate's fault.
        source: CertError,
    },
}
