//! Why signing failed, and what to do about it.

use formats::trust::TrustError;
use std::fmt;

/// Which service an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// Fulcio.
    Ca,
    /// Rekor.
    Log,
    /// RFC 3161.
    Tsa,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "certificate authority",
            Self::Log => "transparency log",
            Self::Tsa => "timestamp authority",
        })
    }
}

/// Why signing failed. Texts name the cause and the next step; none holds the token.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The token cannot be an identity token.
    #[error("the identity token cannot be used: {0}; pass the compact JWS as the issuer gave it")]
    Token(#[from] TokenProblem),
    /// A version that is neither 1 nor 2.
    #[error("Rekor has API versions 1 and 2, not {0}")]
    RekorVersion(u32),
    /// No service could be selected.
    #[error("the signing config's {list} gives nothing to use: {source}")]
    Services {
        /// JSON name of the list.
        list: &'static str,
        /// What was in the way.
        source: TrustError,
    },
    /// Rekor v2 keeps no time, so a bundle without timestamp could never be verified.
    #[error(
        "a Rekor v2 log was selected but the signing config has no timestamp authority: add one to tsaUrls, or use Rekor v1"
    )]
    NoTimestampAuthority,
    /// A URL that cannot be called.
    #[error(
        "the {service}'s URL {url:?} cannot be used: it must be http or https with a host, without user name, query and fragment"
    )]
    Url {
        /// Which service.
        service: ServiceName,
        /// As the signing config has it.
        url: String,
    },
    /// The statement is not an in-toto statement that a verifier could use.
    #[error("the in-toto statement cannot be signed: {0}")]
    Statement(String),
    /// The ephemeral key failed.
    #[error("the one-time key failed: {0}")]
    Key(#[from] keys::KeyError),
    /// The system's random source failed.
    #[error("the system's random source failed")]
    Randomness,
    /// No HTTP client could be built.
    #[error("the HTTP client could not start: {0}")]
    HttpClient(String),
    /// No answer.
    #[error(
        "the {service} at {url} did not answer: {reason}; check that it runs and that this machine may reach it"
    )]
    Unreachable {
        /// Which service.
        service: ServiceName,
        /// The URL that was called.
        url: String,
        /// What failed.
        reason: String,
    },
    /// An answer other than success.
    #[error("the {service} at {url} refused with status {status}: {message}; {advice}")]
    Refused {
        /// Which service.
        service: ServiceName,
        /// The URL that was called.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's message, shortened.
        message: String,
        /// What to do next.
        advice: &'static str,
    },
    /// More bytes than any honest answer has.
    #[error(
        "the {service} at {url} answered with more than {limit} bytes; check that the URL is the service's"
    )]
    AnswerTooLarge {
        /// Which service.
        service: ServiceName,
        /// The URL that was called.
        url: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// Success, but not in the service's format.
    #[error(
        "the {service} at {url} gave an answer that cannot be read: {reason}; check that the URL is the service's"
    )]
    Answer {
        /// Which service.
        service: ServiceName,
        /// The URL that was called.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate is for another key.
    #[error(
        "the certificate authority at {url} certified another key than the one sent; do not trust it"
    )]
    ForeignCertificate {
        /// The URL that was called.
        url: String,
    },
    /// The timestamp does not answer the request.
    #[error("the timestamp authority at {url} gave no usable timestamp: {problem}")]
    Timestamp {
        /// The URL that was called.
        url: String,
        /// What is wrong with it.
        problem: TimestampProblem,
    },
    /// The entry is about something else.
    #[error(
        "the transparency log at {url} answered with an entry for something else than was sent; do not trust it"
    )]
    ForeignEntry {
        /// The URL that was called.
        url: String,
    },
    /// The assembled bundle breaks a rule of its own format.
    #[error("the services' answers do not make a bundle: {0}")]
    Bundle(#[from] formats::bundle::BundleError),
    /// The trusted root cannot be used.
    #[error("the trusted root cannot be used: {0}")]
    TrustedRoot(#[from] verifier::TrustMaterialError),
    /// The new bundle does not verify.
    #[error(
        "the new bundle does not verify against the trusted root ({cause}); {cure}. The entry is in the log, the bundle was not kept"
    )]
    NotVerified {
        /// The verifier's cause.
        cause: String,
        /// The verifier's cure.
        cure: String,
    },
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// Longer than any issuer's.
    #[error("it has {have} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not three parts.
    #[error("it has {0} dots, a signed token has 2")]
    Dots(usize),
    /// Characters outside base64url.
    #[error("a part is empty or not base64url")]
    Encoding,
    /// The payload is not a JSON object of claims.
    #[error("its payload is not a JSON object with text claims")]
    Claims,
    /// A claim that the CA needs is absent.
    #[error("it has no claim {0:?}")]
    NoClaim(&'static str),
}

/// What is wrong with a time-stamp response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampProblem {
    /// Not a TimeStampResp with a CMS token.
    #[error(
        "the answer is not an RFC 3161 response; tsaUrls must hold the complete endpoint, usually …/api/v1/timestamp"
    )]
    Malformed,
    /// PKIStatus other than granted.
    #[error("it answered PKI status {status} {text:?} instead of granted (0)")]
    NotGranted {
        /// PKIStatus.
        status: u32,
        /// The authority's text, shortened.
        text: String,
    },
    /// Granted without a token.
    #[error("it granted, but sent no token")]
    NoToken,
    /// Another digest or algorithm than was sent.
    #[error("it stamped another digest than was sent")]
    OtherImprint,
    /// Another nonce than was sent, or none: an old answer replayed.
    #[error("it did not return the nonce that was sent")]
    OtherNonce,
}
