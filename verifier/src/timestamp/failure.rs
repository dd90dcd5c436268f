//! Why a timestamp token does not verify, and what to do about it.

use crate::budget::Exhausted;
use pki::path::PathError;
use pki::tlv::DerError;

/// Why a timestamp token does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFailure {
    /// Over the limit.
    #[error("the token has {have} bytes, at most {limit} are read")]
    Size {
        /// Length found.
        have: usize,
        /// The limit.
        limit: usize,
    },
    /// Not DER, or not the expected structure.
    #[error("the token does not parse: {what}")]
    Malformed {
        /// The part that does not parse.
        what: &'static str,
    },
    /// Not DER, or beyond the bounds of what is decoded.
    #[error("the token does not parse: {0}")]
    Der(#[from] DerError),
    /// The authority did not grant the request.
    #[error("the authority's status is not `granted`")]
    NotGranted,
    /// More or fewer signers than the one RFC 3161 asks for.
    #[error("the token has {have} signers instead of one")]
    Signers {
        /// Signers found.
        have: usize,
    },
    /// An algorithm that is not accepted.
    #[error("algorithm {oid} is not accepted in a token")]
    Algorithm {
        /// Its object identifier.
        oid: String,
    },
    /// The token is about another signature.
    #[error("the token was made for another signature (imprint {have})")]
    Imprint {
        /// The imprint in the token, hex.
        have: String,
    },
    /// A signed attribute is missing or does not match the content.
    #[error("the signed attribute `{attribute}` is missing or does not match")]
    SignedAttribute {
        /// Which.
        attribute: &'static str,
    },
    /// No timestamp authority of the trusted root made it.
    #[error("no timestamp authority of the trusted root made this token")]
    UnknownAuthority,
    /// The signature does not verify under the authority's certificate.
    #[error("the token's signature does not verify under the certificate of {authority}")]
    Signature {
        /// The authority's URI.
        authority: String,
    },
    /// The signing certificate does not lead to the trusted anchor at that time.
    #[error("the certificate chain of {authority} does not hold at {at}: {source}")]
    Chain {
        /// The authority's URI.
        authority: String,
        /// The token's time.
        at: String,
        /// What does not hold.
        source: Box<PathError>,
    },
    /// The trusted root does not trust the authority at that time.
    #[error("the token says {at}, outside validFor of {authority} in the trusted root")]
    Validity {
        /// The authority's URI.
        authority: String,
        /// The token's time.
        at: String,
    },
    /// The work budget is spent.
    #[error("not checked: the bundle asks for too many signature checks")]
    Budget,
}

impl TimestampFailure {
    pub(crate) fn cure(&self) -> String {
        match self {
            Self::UnknownAuthority | Self::Validity { .. } => {
                "add the authority's chain with its validity to `timestampAuthorities` of the trusted root, if you trust it".into()
            }
            Self::Chain { .. } => "list the authority's whole chain, signing certificate first and root last, in the trusted root".into(),
            Self::Imprint { .. } => "request a new timestamp over the raw bytes of this bundle's signature".into(),
            Self::NotGranted => "ask the authority again; its answer says why it refused".into(),
            _ => "request a new timestamp and sign again".into(),
        }
    }
}

impl From<Exhausted> for TimestampFailure {
    fn from(_: Exhausted) -> Self {
        Self::Budget
    }
}
