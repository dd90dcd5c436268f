//! Everything that can be said against a bundle: facts, cause for people, cure.

use crate::budget::Exhausted;
use crate::timestamp::TimestampFailure;
use crate::tlog::EntryFailure;
use pki::cert::CertError;
use pki::key::KeyError;
use pki::path::PathError;
use pki::sct::SctError;

/// Why a step failed. `Display` is the cause; [`Failure::cure`] says what to do.
///
/// Positions count from 0. Quoted outside text is bounded in length, but not free of control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the messages are the documentation; fields are the facts in them
pub enum Failure {
    // Material
    #[error("the bundle's media type `{have}` is not known (v0.1, v0.2 and v0.3 are)")]
    MediaType { have: String },
    #[error(
        "the bundle holds {have} of certificate, chain and public key hint instead of exactly one"
    )]
    CredentialForms { have: usize },
    #[error("the bundle was signed with a managed key, the policy names an identity")]
    KeyBundleForIdentity,
    #[error("the bundle was signed with a certificate, the policy names a managed key")]
    CertificateBundleForKey,
    #[error("the policy's public key cannot be used: {source}")]
    PolicyKey { source: KeyError },
    #[error("a v0.3 bundle holds a certificate chain instead of the one signing certificate")]
    ChainInV03,
    #[error("the bundle's chain has {have} certificates (1 to 10 are read)")]
    ChainLength { have: usize },
    #[error("certificate {position} of the bundle is a root (issued by itself)")]
    RootInBundle { position: usize },
    #[error("certificate {position} of the bundle has {have} bytes, more than any real one")]
    CertificateSize { position: usize, have: usize },
    #[error("certificate {position} of the bundle does not parse: {source}")]
    Certificate { position: usize, source: CertError },
    #[error("the envelope has {have} signatures instead of exactly one")]
    DsseSignatures { have: usize },
    #[error("the signature is empty")]
    EmptySignature,
    #[error("the bundle has {have} log entries, at most {limit} are read")]
    TooManyEntries { have: usize, limit: usize },
    #[error("the bundle has {have} timestamps, at most {limit} are read")]
    TooManyTimestamps { have: usize, limit: usize },
    #[error("log entry {position} has a negative index or time")]
    NegativeNumber { position: usize },
    #[error("log entry {position} has a body of {have} bytes, at most {limit} are read")]
    BodySize {
        position: usize,
        have: usize,
        limit: usize,
    },
    #[error("log entry {position} has no signed entry timestamp, which v0.1 bundles must have")]
    NoPromise { position: usize },
    #[error(
        "log entry {position} has no inclusion proof with a checkpoint, which bundles since v0.2 must have"
    )]
    NoProof { position: usize },

    // Certificate chain
    #[error("timestamp {position}: {reason}")]
    Timestamp {
        position: usize,
        reason: TimestampFailure,
    },
    #[error(
        "nothing trusted says when the signature was made: no verified timestamp and no verified integrated time"
    )]
    NoTrustedTime,
    #[error("no certificate authority of the trusted root is called `{issuer}`")]
    UnknownCa { issuer: String },
    #[error("the signature is of {at}, outside validFor of {ca} in the trusted root")]
    CaValidity { ca: String, at: String },
    #[error("the signing certificate is a CA certificate")]
    LeafIsCa,
    #[error("the certificate (valid {valid}) does not lead to {ca} at {at}: {source}")]
    Path {
        ca: String,
        at: String,
        /// First and last second of the certificate.
        valid: String,
        source: Box<PathError>,
    },

    // Identity
    #[error("the certificate's subject alternative name cannot be used: {source}")]
    San { source: CertError },
    #[error("the certificate does not name an OIDC issuer")]
    NoIssuer,
    #[error("the certificate's {what} is `{have}`, the policy asks for {want}")]
    Identity {
        what: &'static str,
        have: String,
        want: String,
    },
    #[error("the certificate has no {field}, the policy asks for {want}")]
    FieldAbsent { field: &'static str, want: String },
    #[error("certificate fields of the name `{name}` do not exist")]
    UnknownField { name: String },
    #[error("none of the policy's {alternatives} identities fits; number {nearest} comes nearest")]
    NoAlternative { alternatives: usize, nearest: usize },
    #[error("the policy's pattern `{pattern}` cannot be used: {reason}")]
    Pattern { pattern: String, reason: String },

    // SCT
    #[error("the certificate's SCT list does not parse: {source}")]
    SctList { source: SctError },
    #[error("the certificate carries {have} SCTs, at most {limit} are read")]
    TooManyScts { have: usize, limit: usize },
    #[error("the certificate carries no SCT")]
    NoSct,
    #[error("the SCT of log {log} has the impossible time {millis} ms")]
    SctTime { log: String, millis: u64 },
    #[error(
        "the SCT of log {log} is of {at}, outside publicKey.validFor of that log in the trusted root"
    )]
    SctValidity { log: String, at: String },
    #[error(
        "the SCT of log {log} cannot be checked: the certificate's issuer is not in the trusted root"
    )]
    SctIssuer { log: String },
    #[error("the SCT of log {log} does not verify: {source}")]
    Sct { log: String, source: SctError },
    #[error("SCTs of {have} trusted certificate-transparency logs, the policy asks for {want}")]
    SctThreshold { have: usize, want: usize },

    // Signature
    #[error("the signature does not verify")]
    SignatureMismatch,
    #[error("the bundle's digest algorithm `{have}` is not accepted")]
    DigestAlgorithm { have: String },
    #[error("the artifact's {algorithm} digest is needed and was not given")]
    DigestMissing { algorithm: &'static str },
    #[error(
        "the artifact's digest is {algorithm}:{artifact}, the bundle is about {algorithm}:{bundle}"
    )]
    ArtifactDigest {
        algorithm: &'static str,
        artifact: String,
        bundle: String,
    },
    #[error("payload type `{have}` does not say which artifact it is about")]
    PayloadType { have: String },
    #[error("the payload is not an in-toto statement: {reason}")]
    Statement { reason: String },
    #[error("statement type `{have}` is not known (v0.1 and v1 are)")]
    StatementType { have: String },
    #[error("none of the statement's {subjects} subject(s) has the artifact's digest {artifact}")]
    Subject { artifact: String, subjects: usize },

    // Transparency log
    #[error("the bundle carries no log entry")]
    NoEntry,
    #[error("log entry {position} ({log}): {reason}")]
    Entry {
        position: usize,
        log: String,
        reason: EntryFailure,
    },
    #[error("{have} trusted transparency logs hold the entry, the policy asks for {want}")]
    TlogThreshold { have: usize, want: usize },

    // Policy
    #[error("{have} independent sources of trusted time, the policy asks for {want}")]
    TimestampThreshold { have: usize, want: usize },
    #[error("not checked: the bundle asks for more signature checks than any honest one")]
    Budget,
}

impl From<Exhausted> for Failure {
    fn from(_: Exhausted) -> Self {
        Self::Budget
    }
}

impl Failure {
    /// Says what the reader can do about it, in one sentence.
    pub fn cure(&self) -> String {
        let text = match self {
            Self::Timestamp { reason, .. } => return reason.cure(),
            Self::Entry { reason, .. } => return reason.cure(),
            Self::DigestMissing { algorithm } => {
                return format!("give the artifact's {algorithm} digest too, or its bytes");
            }
            Self::Identity { what, have, .. } => {
                return format!(
                    "if `{have}` is whom you trust, ask for that {what}; else the wrong party signed"
                );
            }
            Self::FieldAbsent { .. } => {
                "the certificate's issuer does not state it: ask for another field, or sign where it is stated"
            }
            Self::UnknownField { .. } => {
                "write the field's name as Fulcio's list of extensions has it, e.g. source-repository-uri"
            }
            Self::NoAlternative { .. } => {
                "compare with the alternatives below; add the signer to the policy only if you trust it"
            }
            Self::MediaType { .. } => "upgrade, or ask the signer for a bundle of version 0.3",
            Self::KeyBundleForIdentity => {
                "verify with the signer's public key instead of an identity"
            }
            Self::CertificateBundleForKey => {
                "verify with the signer's identity and issuer instead of a key"
            }
            Self::PolicyKey { .. } => "give a PEM file that begins with -----BEGIN PUBLIC KEY-----",
            Self::ChainInV03 => {
                "keep only the signing certificate, as `certificate`; intermediates belong in the trusted root"
            }
            Self::RootInBundle { .. } => {
                "remove the root certificate; anchors come from the trusted root only"
            }
            Self::NoTrustedTime => {
                "sign again with a timestamp authority (Rekor v2 entries carry no time), or add the authority or log to the trusted root"
            }
            Self::UnknownCa { .. } => {
                "use the trusted root of the instance that issued the certificate"
            }
            Self::CaValidity { .. } | Self::SctValidity { .. } => {
                "correct validFor in the trusted root if it was in use then; else do not trust the bundle"
            }
            Self::Path { .. } => {
                "compare the signing time with the certificate's validity; check the chain in the trusted root (issuing CA first, root last)"
            }
            Self::Pattern { .. } => {
                "correct the regular expression; it is matched against the whole value"
            }
            Self::NoIssuer | Self::San { .. } => {
                "the certificate was not issued by a Fulcio-compatible authority; sign again with one"
            }
            Self::NoSct | Self::SctThreshold { .. } => {
                "use a certificate authority that logs to a certificate-transparency log of the trusted root, or lower sct_threshold"
            }
            Self::Sct { .. } | Self::SctIssuer { .. } => {
                "check that the trusted root has the log's current key and the issuing CA's certificate"
            }
            Self::SignatureMismatch => {
                "the artifact, the bundle or the key is not the one that was signed: fetch them again from the signer"
            }
            Self::ArtifactDigest { .. } | Self::Subject { .. } => {
                "this bundle is about another file: fetch artifact and bundle again, together"
            }
            Self::PayloadType { .. } | Self::Statement { .. } | Self::StatementType { .. } => {
                "sign an in-toto statement (application/vnd.in-toto+json) of version 0.1 or 1"
            }
            Self::NoEntry | Self::TlogThreshold { .. } => {
                "sign again with upload to a log of the trusted root, or add the log to it"
            }
            Self::NoPromise { .. } | Self::NoProof { .. } => {
                "fetch the entry again from the log and store all of it in the bundle"
            }
            Self::TimestampThreshold { .. } => {
                "sign again with more timestamp authorities, or lower timestamp_threshold"
            }
            _ => "the bundle is damaged or was made by hand: ask the signer for it again",
        };
        text.to_owned()
    }
}
