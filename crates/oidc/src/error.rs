//! Why a token or a configuration is refused.
//!
//! Every error has two texts. `Display` is for the operator's log. [`TokenError::public`] is for the
//! bearer of the token: it names the claim, the value and the cure, and leaves out what only the
//! operator should see (addresses that answered, transport errors). Neither ever holds the token.

use crate::limits::{SHOWN_CHARS, WILDCARD_FETCHES_AT_ONCE};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Why a token does not give a principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum TokenError {
    /// No token in the request.
    #[error(
        "the request has no identity token; send it as credentials.oidcIdentityToken or as `Authorization: Bearer`"
    )]
    Missing,
    /// Longer than [`crate::limits::TOKEN_BYTES`].
    #[error("the token has {have} bytes, at most {max} are read")]
    TooLong { have: usize, max: usize },
    /// Not three parts: something other than a compact JWS (GHSA-f83f-xpx7-ffpw guard).
    #[error(
        "the token has {dots} dots; a compact JWT has exactly two, without spaces or a `bearer` prefix"
    )]
    NotCompact { dots: usize },
    /// A part is not base64url, or not a JSON object.
    #[error("the token's {part} is not {expected}")]
    Malformed {
        part: &'static str,
        expected: &'static str,
    },
    /// More than [`crate::limits::TOKEN_VALUES`].
    #[error(
        "the token's payload has {have} JSON values, at most {max} are read; let the issuer leave out claims, such as group lists"
    )]
    TooManyValues { have: usize, max: usize },
    /// A header that changes the meaning of the token and is not understood (RFC 7515 section 4.1.11).
    #[error("the token's header marks extensions as critical (`crit`); none is supported")]
    CriticalHeader,
    /// Signed with something the issuer or we do not allow.
    #[error("the token is signed with alg {alg}; issuer {issuer} allows {allowed}")]
    Algorithm {
        alg: String,
        issuer: String,
        allowed: String,
    },
    /// A claim is absent or empty.
    #[error("claim `{claim}` is missing or empty")]
    ClaimMissing { claim: String },
    /// A claim has the wrong JSON type.
    #[error("claim `{claim}` is not {expected}")]
    ClaimType {
        claim: String,
        expected: &'static str,
    },
    /// A claim's value does not fit the issuer's rule.
    #[error("claim `{claim}` is {value}: {rule}")]
    ClaimValue {
        claim: String,
        value: String,
        rule: String,
    },
    /// No exact issuer and no wildcard matches.
    #[error(
        "issuer {issuer} is not configured here; GET /api/v2/configuration lists those that are (exact spelling, trailing slash included)"
    )]
    UnknownIssuer { issuer: String },
    /// `aud` does not contain the client ID.
    #[error("claim `aud` is {have}, it must contain {want}; request the token for that audience")]
    Audience { have: String, want: String },
    /// At or past `exp`. There is no leeway.
    #[error("it expired at {}; get a new token", shown_time(*.at))]
    Expired { at: i64 },
    /// More than five minutes before `nbf`.
    #[error("it is not valid before {}; check the clocks of issuer and authority", shown_time(*.at))]
    NotYetValid { at: i64 },
    /// No key of the issuer's key set fits `kid`, also after a fresh look.
    #[error("issuer {issuer} publishes no key with kid {kid} for alg {alg}")]
    UnknownKey {
        issuer: String,
        kid: String,
        alg: String,
    },
    /// Keys fit, but none verifies.
    #[error("the signature does not verify with the keys of issuer {issuer}")]
    Signature { issuer: String },
    /// Discovery or key set could not be read.
    #[error("the keys of issuer {issuer} are not available: {detail}")]
    IssuerUnavailable { issuer: String, detail: String },
    /// The issuer matches a wildcard, and [`WILDCARD_FETCHES_AT_ONCE`] others that do are being asked.
    #[error(
        "the keys of issuer {issuer} are not at hand, and {WILDCARD_FETCHES_AT_ONCE} other issuers that match wildcards are being asked for theirs; try again in a few seconds"
    )]
    TooManyIssuers { issuer: String },
}

impl TokenError {
    /// The reason that may be told to the bearer of the token.
    pub fn public(&self) -> String {
        match self {
            // What answered and how is the operator's business (it may name inner hosts).
            Self::IssuerUnavailable { issuer, .. } => {
                format!(
                    "the keys of issuer {issuer} could not be fetched; try again, or ask the operator to look at the log"
                )
            }
            other => other.to_string(),
        }
    }
}

/// Why the claims of a good token cannot go into a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum EmbedError {
    /// A plain template names a key that neither the token nor the defaults have.
    #[error("{template}: value <{key}> not present in either claims or defaults")]
    KeyMissing { template: String, key: String },
    /// A template could not be evaluated.
    #[error("{template}: {source}")]
    Template {
        template: String,
        source: crate::template::RenderError,
    },
    /// The name is empty.
    #[error("{template}: the subject alternative name is empty")]
    NameEmpty { template: String },
    /// The name is longer than [`crate::limits::NAME_BYTES`].
    #[error("the subject alternative name has {have} bytes, at most {max} are allowed")]
    NameTooLong { have: usize, max: usize },
    /// The name does not parse as a URL.
    #[error("the subject alternative name {value} is not a URL: {source}")]
    NameUrl {
        value: String,
        source: crate::gourl::UrlError,
    },
    /// The name has characters that a certificate's IA5String cannot hold.
    #[error("the subject alternative name {value} has characters outside ASCII")]
    NameNotAscii { value: String },
}

/// Why the issuer configuration does not load. All problems at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum ConfigError {
    /// Longer than [`crate::limits::CONFIG_BYTES`].
    #[error("the issuer configuration has {have} bytes, at most {max} are read")]
    TooLong { have: usize, max: usize },
    /// Neither JSON nor YAML of the known shape.
    #[error("the issuer configuration does not parse: {0}")]
    Syntax(String),
    /// It parses, but cannot work.
    #[error("the issuer configuration has {} problem(s):{}", .0.len(), listed(.0))]
    Problems(Vec<Problem>),
}

/// One thing to mend in the issuer configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the setting, e.g. `oidc-issuers."https://a.example".client-id`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub cure: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.what, self.cure)
    }
}

/// A value from a token, fit for a log line and an answer: quoted, escaped, shortened.
pub(crate) fn shown(value: &str) -> String {
    let short: String = value.chars().take(SHOWN_CHARS).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

fn shown_time(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("Unix time {seconds}"))
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  {p}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_value_is_escaped_and_short() {
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert!(shown(&"x".repeat(500)).len() < 140);
    }

    #[test]
    fn the_public_text_hides_transport_details() {
        let e = TokenError::IssuerUnavailable {
            issuer: "https://i.example".into(),
            detail: "connect to 10.0.0.7:443 refused".into(),
        };
        assert!(e.to_string().contains("10.0.0.7"));
        assert!(!e.public().contains("10.0.0.7"));
    }

    #[test]
    fn an_expired_token_says_when_and_what_to_do() {
        let e = TokenError::Expired { at: 1_600_000_000 };
        assert_eq!(
            e.public(),
            "it expired at 2020-09-13T12:26:40Z; get a new token"
        );
    }

    #[test]
    fn absurd_times_are_still_shown() {
        assert_eq!(shown_time(i64::MAX), format!("Unix time {}", i64::MAX));
    }
}
