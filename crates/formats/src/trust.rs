//! Trusted root v0.1, signing config v0.2, client trust config (spec/clients.md section a).
//!
//! Parsing is as strict as sigstore-go's and sigstore-python's: a member that the messages do not
//! have is an error, because a rule that one reader ignores and another obeys is no rule.

mod check;
mod select;

use crate::b64::B64;
use crate::bundle::{CertificateChain, LogId};
use crate::json::{self, JsonError, null_default};
use crate::limits;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The media type of trusted roots that is written: v0.2 is refused by sigstore-go, -python and -java.
pub const TRUSTED_ROOT: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
/// The newer media type, read as well; it adds `operator` and `checkpointKeyId`.
pub const TRUSTED_ROOT_V02: &str = "application/vnd.dev.sigstore.trustedroot.v0.2+json";
/// The media type of signing configs.
pub const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
/// The media type of client trust configs.
pub const CLIENT_TRUST_CONFIG: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

/// The keys and certificates of a Sigstore instance, past and present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedRoot {
    /// [`TRUSTED_ROOT`].
    #[serde(default, deserialize_with = "null_default")]
    pub media_type: String,
    /// Signature logs, oldest first.
    #[serde(default, deserialize_with = "null_default")]
    pub tlogs: Vec<LogInstance>,
    /// CAs for signing certificates.
    #[serde(default, deserialize_with = "null_default")]
    pub certificate_authorities: Vec<CertificateAuthority>,
    /// Certificate-transparency logs.
    #[serde(default, deserialize_with = "null_default")]
    pub ctlogs: Vec<LogInstance>,
    /// Timestamp authorities.
    #[serde(default, deserialize_with = "null_default")]
    pub timestamp_authorities: Vec<CertificateAuthority>,
}

/// One log with one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogInstance {
    /// URL of the API root; the host names the checkpoint's signer.
    #[serde(default, deserialize_with = "null_default")]
    pub base_url: String,
    /// `SHA2_256`.
    #[serde(default, deserialize_with = "null_default")]
    pub hash_algorithm: String,
    /// The key, with the time in which it may have signed.
    pub public_key: PublicKey,
    /// 32 bytes.
    pub log_id: LogId,
    /// v0.2 only, and not to be written unless equal to `log_id` (sigstore-js takes it for the log ID).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_key_id: Option<LogId>,
    /// v0.2 only.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub operator: String,
}

/// A log's public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicKey {
    /// DER SubjectPublicKeyInfo.
    #[serde(default)]
    pub raw_bytes: B64,
    /// protobuf-specs name, e.g. `PKIX_ECDSA_P256_SHA_256`.
    #[serde(default, deserialize_with = "null_default")]
    pub key_details: String,
    /// Must have a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<TimeRange>,
}

/// A span of time, inclusive at both ends. RFC 3339 text, kept as text; see
/// [`TimeRange::start_time`], [`TimeRange::end_time`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Required in every place where this project reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Absent: still valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// One certificate or timestamp authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateAuthority {
    /// For people; sigstore-python needs it to be there.
    #[serde(default, deserialize_with = "null_default")]
    pub subject: Subject,
    /// URL of the service.
    #[serde(default, deserialize_with = "null_default")]
    pub uri: String,
    /// CA: intermediates, root. TSA: signing certificate, intermediates, root.
    pub cert_chain: CertificateChain,
    /// When it may have issued, beyond what X.509 says.
    #[serde(default, deserialize_with = "null_default")]
    pub valid_for: TimeRange,
    /// v0.2 only.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub operator: String,
}

/// A name for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// O.
    #[serde(default, deserialize_with = "null_default")]
    pub organization: String,
    /// CN.
    #[serde(default, deserialize_with = "null_default")]
    pub common_name: String,
}

/// The services that a client signs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningConfig {
    /// [`SIGNING_CONFIG`].
    #[serde(default, deserialize_with = "null_default")]
    pub media_type: String,
    /// Fulcio base URLs, API version 1.
    #[serde(default, deserialize_with = "null_default")]
    pub ca_urls: Vec<Service>,
    /// OIDC issuers, API version 1.
    #[serde(default, deserialize_with = "null_default")]
    pub oidc_urls: Vec<Service>,
    /// Rekor base URLs, API version 1 or 2.
    #[serde(default, deserialize_with = "null_default")]
    pub rekor_tlog_urls: Vec<Service>,
    /// How many Rekor logs to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekor_tlog_config: Option<ServiceConfiguration>,
    /// Complete TSA endpoints, API version 1.
    #[serde(default, deserialize_with = "null_default")]
    pub tsa_urls: Vec<Service>,
    /// How many timestamps to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsa_config: Option<ServiceConfiguration>,
}

/// One service instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Base URL, or the whole endpoint of a TSA.
    pub url: String,
    /// 1, or 2 for Rekor v2.
    #[serde(default, deserialize_with = "null_default")]
    pub major_api_version: u32,
    /// When clients may use it.
    #[serde(default, deserialize_with = "null_default")]
    pub valid_for: TimeRange,
    /// Services of one operator count once.
    #[serde(default, deserialize_with = "null_default")]
    pub operator: String,
}

/// How many services of a kind to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfiguration {
    /// `ANY`, `ALL` or `EXACT`.
    pub selector: String,
    /// With `EXACT` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// Trusted root and signing config in one file (sigstore-python's `--trust-config`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientTrustConfig {
    /// [`CLIENT_TRUST_CONFIG`].
    #[serde(default, deserialize_with = "null_default")]
    pub media_type: String,
    /// For verifying.
    pub trusted_root: TrustedRoot,
    /// For signing.
    pub signing_config: SigningConfig,
}

impl TimeRange {
    /// True when `at` lies in the range, ends included. A range whose start is absent, or with a time
    /// that cannot be read, holds nothing.
    pub fn contains(&self, at: OffsetDateTime) -> bool {
        let Some(start) = self.start_time() else {
            return false;
        };
        let not_ended = match &self.end {
            None => true,
            Some(_) => self.end_time().is_some_and(|end| at <= end),
        };
        start <= at && not_ended
    }

    /// The start; `None` when absent or not RFC 3339.
    pub fn start_time(&self) -> Option<OffsetDateTime> {
        self.start.as_deref().and_then(parse_time)
    }

    /// The end; `None` when absent (open) or not RFC 3339.
    pub fn end_time(&self) -> Option<OffsetDateTime> {
        self.end.as_deref().and_then(parse_time)
    }
}

impl TrustedRoot {
    /// Parses and checks: media type, bounds, every key and authority with a start of validity.
    pub fn parse(json: &[u8]) -> Result<Self, TrustError> {
        let root: Self = json::parse(json, limits::TRUST_BYTES)?;
        check::trusted_root(&root)?;
        Ok(root)
    }

    /// Writes indented JSON without a trailing newline.
    pub fn to_json(&self) -> String {
        pretty(self)
    }

    /// Writes one line with its newline, as `gh attestation verify --custom-trusted-root` reads it.
    pub fn to_json_line(&self) -> String {
        let mut line =
            serde_json::to_string(self).expect("text, integers and lists of them always serialize");
        line.push('\n');
        line
    }
}

impl SigningConfig {
    /// Parses and checks: media type, bounds, times and selectors.
    pub fn parse(json: &[u8]) -> Result<Self, TrustError> {
        let config: Self = json::parse(json, limits::TRUST_BYTES)?;
        check::signing_config(&config)?;
        Ok(config)
    }

    /// Writes indented JSON without a trailing newline.
    pub fn to_json(&self) -> String {
        pretty(self)
    }

    /// Selects services (spec/clients.md a.2): valid at `now`, of a supported version, of each operator
    /// the one with the highest version and then the newest; then by the selector: `ANY` (or no
    /// configuration) one, `ALL` one of every operator, `EXACT` of `count` operators. Highest version
    /// first, then newest. Never returns an empty list.
    pub fn select<'a>(
        services: &'a [Service],
        supported: &[u32],
        config: Option<&ServiceConfiguration>,
        now: OffsetDateTime,
    ) -> Result<Vec<&'a Service>, TrustError> {
        select::services(services, supported, config, now)
    }
}

impl ClientTrustConfig {
    /// Joins the two parts.
    pub fn new(trusted_root: TrustedRoot, signing_config: SigningConfig) -> Self {
        Self {
            media_type: CLIENT_TRUST_CONFIG.to_owned(),
            trusted_root,
            signing_config,
        }
    }

    /// Parses and checks both parts.
    pub fn parse(json: &[u8]) -> Result<Self, TrustError> {
        let config: Self = json::parse(json, limits::TRUST_BYTES)?;
        check::media_type(&config.media_type, &[CLIENT_TRUST_CONFIG])?;
        check::trusted_root(&config.trusted_root)?;
        check::signing_config(&config.signing_config)?;
        Ok(config)
    }

    /// Writes indented JSON without a trailing newline.
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

fn parse_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("text, integers and lists of them always serialize")
}

/// Why a trust file was refused, or no service could be selected. `place` is a JSON path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not JSON, too large, or a member that the message does not have.
    #[error("the trust file cannot be read: {0}")]
    Json(#[from] JsonError),
    /// The media type is not one that is read here.
    #[error("mediaType is {have:?}, expected {expected:?}")]
    MediaType {
        /// Media type given.
        have: String,
        /// Media type that is written.
        expected: &'static str,
    },
    /// A list is longer than its limit.
    #[error("{place} has {have} items, the limit is {limit}")]
    TooMany {
        /// JSON path.
        place: String,
        /// Items given.
        have: usize,
        /// Items allowed.
        limit: usize,
    },
    /// A required member is absent or empty.
    #[error("{place} is absent or empty")]
    Missing {
        /// JSON path.
        place: String,
    },
    /// A range without start, which would be open to the past.
    #[error(
        "{place}.start is absent; give the time from which it may be trusted, such as \"2025-01-01T00:00:00Z\""
    )]
    MissingStart {
        /// JSON path of the range.
        place: String,
    },
    /// Text that is not a time.
    #[error("{place} is {text:?}, which is not an RFC 3339 time such as \"2025-01-01T00:00:00Z\"")]
    NotATime {
        /// JSON path.
        place: String,
        /// Text given.
        text: String,
    },
    /// A range whose end lies before its start.
    #[error("{place} ends before it starts")]
    EndBeforeStart {
        /// JSON path of the range.
        place: String,
    },
    /// A log with another hash than SHA-256.
    #[error("{place} is {have:?}; logs hash with SHA2_256")]
    HashAlgorithm {
        /// JSON path.
        place: String,
        /// Algorithm given.
        have: String,
    },
    /// A byte string is longer than its limit.
    #[error("{place} has {have} bytes, the limit is {limit}")]
    TooLong {
        /// JSON path.
        place: String,
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A selector that is not known, or `EXACT` without a count.
    #[error(
        "selector {selector:?} with count {count:?} cannot be obeyed; use ANY, ALL, or EXACT with a count of at least 1"
    )]
    Selector {
        /// Selector given.
        selector: String,
        /// Count given.
        count: Option<u32>,
    },
    /// Nothing to select from.
    #[error(
        "no usable service: {listed} listed, {invalid} of them not valid now, {unsupported} of an API version other than {supported:?}"
    )]
    NoService {
        /// Services in the list.
        listed: usize,
        /// Not valid at the time asked for.
        invalid: usize,
        /// Valid, of an unsupported version.
        unsupported: usize,
        /// Versions asked for.
        supported: Vec<u32>,
    },
    /// `EXACT` asks for more operators than there are.
    #[error("the selector asks for services of {want} operators, only {have} have a usable one")]
    TooFewOperators {
        /// Operators asked for.
        want: u32,
        /// Operators with a usable service.
        have: usize,
    },
}
