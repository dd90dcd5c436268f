//! Trusted root v0.1, signing config v0.2, client trust config (spec/clients.md section a).
#![allow(clippy::todo, missing_docs)]
use crate::b64::B64;
use crate::bundle::{CertificateChain, LogId};
use serde::{Deserialize, Serialize};
pub const TRUSTED_ROOT: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
pub const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
pub const CLIENT_TRUST_CONFIG: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedRoot { pub media_type: String, #[serde(default)] pub tlogs: Vec<LogInstance>, #[serde(default)] pub certificate_authorities: Vec<CertificateAuthority>, #[serde(default)] pub ctlogs: Vec<LogInstance>, #[serde(default)] pub timestamp_authorities: Vec<CertificateAuthority> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogInstance { pub base_url: String, pub hash_algorithm: String, pub public_key: PublicKey, pub log_id: LogId, #[serde(default, skip_serializing_if = "Option::is_none")] pub checkpoint_key_id: Option<LogId>, #[serde(default, skip_serializing_if = "String::is_empty")] pub operator: String }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey { pub raw_bytes: B64, pub key_details: String, #[serde(default, skip_serializing_if = "Option::is_none")] pub valid_for: Option<TimeRange> }
/// RFC 3339 text, kept as text; `start_time()`/`end_time()` parse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange { #[serde(default, skip_serializing_if = "Option::is_none")] pub start: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] pub end: Option<String> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority { #[serde(default)] pub subject: Subject, #[serde(default)] pub uri: String, pub cert_chain: CertificateChain, #[serde(default)] pub valid_for: TimeRange, #[serde(default, skip_serializing_if = "String::is_empty")] pub operator: String }
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject { #[serde(default)] pub organization: String, #[serde(default)] pub common_name: String }

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningConfig { pub media_type: String, #[serde(default)] pub ca_urls: Vec<Service>, #[serde(default)] pub oidc_urls: Vec<Service>, #[serde(default)] pub rekor_tlog_urls: Vec<Service>, #[serde(default)] pub rekor_tlog_config: Option<ServiceConfiguration>, #[serde(default)] pub tsa_urls: Vec<Service>, #[serde(default)] pub tsa_config: Option<ServiceConfiguration> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service { pub url: String, pub major_api_version: u32, #[serde(default)] pub valid_for: TimeRange, #[serde(default)] pub operator: String }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfiguration { pub selector: String, #[serde(default, skip_serializing_if = "Option::is_none")] pub count: Option<u32> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTrustConfig { pub media_type: String, pub trusted_root: TrustedRoot, pub signing_config: SigningConfig }

impl TimeRange { pub fn contains(&self, at: time::OffsetDateTime) -> bool { todo!() } pub fn start_time(&self) -> Option<time::OffsetDateTime> { todo!() } pub fn end_time(&self) -> Option<time::OffsetDateTime> { todo!() } }
impl TrustedRoot { pub fn parse(json: &[u8]) -> Result<Self, TrustError> { todo!() } pub fn to_json(&self) -> String { todo!() } }
impl SigningConfig {
    pub fn parse(json: &[u8]) -> Result<Self, TrustError> { todo!() } pub fn to_json(&self) -> String { todo!() }
    /// Selection rule of spec/clients.md a.2: valid at `now`, supported version, grouped by operator, highest version, newest first, then the selector.
    pub fn select<'a>(services: &'a [Service], supported: &[u32], config: Option<&ServiceConfiguration>, now: time::OffsetDateTime) -> Result<Vec<&'a Service>, TrustError> { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError { #[error("TODO")] Todo }
