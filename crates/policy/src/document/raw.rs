//! The document as it is written. The JSON Schema is made of these types: their comments are what an editor shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The version that is read and written.
pub(crate) const API_VERSION: &str = "sigstead.dev/policy/v1";

/// A verification policy of Sigstead: who must have signed an artifact, and which attestations there must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Sigstead policy")]
pub(crate) struct RawDocument {
    /// Version of the format: `sigstead.dev/policy/v1`.
    #[schemars(extend("const" = "sigstead.dev/policy/v1"))]
    pub(crate) api_version: String,
    /// Name of the policy, shown in reports.
    pub(crate) name: String,
    /// What the policy is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// Names of trusted roots, any of which a bundle may verify under. Absent: the default root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roots: Vec<String>,
    /// Signatures of the artifact itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signatures: Option<RawSignatures>,
    /// Attestations that there must be, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attestations: Vec<RawAttestation>,
    /// Distinct transparency logs that must hold each bundle's entry. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<RawThreshold>,
    /// Distinct sources of trusted time (timestamp authorities, logs with signed time). Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamps: Option<RawThreshold>,
    /// Distinct certificate-transparency logs that must have seen the certificate. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sct: Option<RawThreshold>,
    /// When signatures must have been made, by trusted time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed: Option<RawWindow>,
}

/// Who may sign, and how many of them must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Signatures")]
pub(crate) struct RawSignatures {
    /// Certificate identities, any of which may sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<RawIdentity>,
    /// Managed keys (PEM `PUBLIC KEY`), any of which may sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Distinct identities or keys that must have signed. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<u32>,
}

/// One identity: name, OIDC issuer and certificate fields, all of which must match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Identity")]
pub(crate) struct RawIdentity {
    /// The certificate's name: e-mail address or URI.
    pub(crate) identity: RawMatch,
    /// The OIDC issuer that vouched for the name.
    pub(crate) issuer: RawMatch,
    /// Further fields of the certificate by name, e.g. `source-repository-uri`, `source-repository-ref`,
    /// `build-signer-uri`, `runner-environment`, `build-trigger`; camel case is read as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) certificate: BTreeMap<String, RawMatch>,
}

/// How a text is compared: plain text is compared byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Match")]
pub(crate) enum RawMatch {
    /// The exact value.
    Plain(String),
    /// The exact value, a glob or a regular expression.
    Pattern(RawPattern),
}

/// Exactly one of the three.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Pattern")]
pub(crate) enum RawPattern {
    /// The exact value.
    Exact(String),
    /// A glob for the whole value: `*` is anything without `/` and `@`, `**` is anything.
    Glob(String),
    /// A regular expression that the whole value must match.
    Regexp(String),
}

/// By hand: YAML would write a tag, `!glob`, where everybody writes a member.
impl Serialize for RawPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (name, value) = match self {
            Self::Exact(value) => ("exact", value),
            Self::Glob(value) => ("glob", value),
            Self::Regexp(value) => ("regexp", value),
        };
        to.collect_map([(name, value)])
    }
}

/// One attestation that there must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Attestation")]
pub(crate) struct RawAttestation {
    /// Predicate type of the in-toto statement.
    pub(crate) predicate_type: RawMatch,
    /// Who may attest. Identities and keys absent: those of `signatures`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<RawIdentity>,
    /// Managed keys (PEM `PUBLIC KEY`) that may attest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Distinct identities or keys that must have attested. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<u32>,
    /// Expressions in CEL, each of which must be true. They see `predicate`, `predicateType`, `statement`, `subject`,
    /// `identity`, `issuer`, `certificate` and `signedAt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cel: Vec<String>,
    /// A Rego module. `allow` (or `isCompliant`) must be true; members of `deny` are reasons against. `input` holds
    /// what CEL expressions see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rego: Option<String>,
}

/// How many distinct parties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Threshold")]
pub(crate) struct RawThreshold {
    /// At least so many; 0 asks for none.
    pub(crate) threshold: u32,
}

/// A window of time. The earliest trusted time of a signature must lie in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Window")]
pub(crate) struct RawWindow {
    /// Not before this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// Before this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// Not longer ago than this: a number with `s`, `m`, `h` or `d`, e.g. `90d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<String>,
}

/// The JSON Schema of a document.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(RawDocument).to_value()
}
