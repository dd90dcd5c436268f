//! The JSON that callers send and get.

use crate::error::ErrorBody;
use crate::limits;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use utoipa::ToSchema;

/// A question: does this bundle vouch for this artifact, as this caller demands?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyRequest {
    /// The Sigstore bundle, v0.1 to v0.3. In an upload it may be a part of its own.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub(crate) bundle: Option<Box<RawValue>>,
    /// What was signed. In an upload it is the part `artifact`.
    pub(crate) artifact: Option<ArtifactRef>,
    /// Who must have signed, by certificate. Exactly one of `identity`, `key`, `policy` and `policyDocument`.
    pub(crate) identity: Option<IdentityDemand>,
    /// Who must have signed, by managed key: PEM `PUBLIC KEY`.
    pub(crate) key: Option<String>,
    /// Name of a policy of this verifier, see `/api/v1/policies`.
    pub(crate) policy: Option<String>,
    /// A policy of the caller: a JSON object, or YAML as text.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub(crate) policy_document: Option<Box<RawValue>>,
    /// Name of the trusted root; `default` when absent. A policy may name its own.
    pub(crate) trusted_root: Option<String>,
    /// Whether a positive verdict comes with a signed SLSA verification summary.
    #[serde(default)]
    pub(crate) vsa: bool,
    /// What the summary calls the artifact; `sha256:HEX` when absent.
    pub(crate) resource_uri: Option<String>,
}

/// A question about an image in a registry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRequest {
    /// `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:…`; the registry is one that the operator allows.
    #[schema(example = "registry.example.com/app:v1")]
    pub(crate) image: String,
    /// Whether each image of an index must hold as well, those of indexes inside it included.
    #[serde(default)]
    pub(crate) recursive: bool,
    /// With `identity` or `key`: the type of the attestation that is wanted; a signature when absent.
    pub(crate) predicate_type: Option<String>,
    /// Who must have signed, by certificate. Exactly one of `identity`, `key`, `policy` and `policyDocument`.
    pub(crate) identity: Option<IdentityDemand>,
    /// Who must have signed, by managed key: PEM `PUBLIC KEY`.
    pub(crate) key: Option<String>,
    /// Name of a policy of this verifier, see `/api/v1/policies`.
    pub(crate) policy: Option<String>,
    /// A policy of the caller: a JSON object, or YAML as text.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub(crate) policy_document: Option<Box<RawValue>>,
    /// Name of the trusted root; `default` when absent. A policy may name its own.
    pub(crate) trusted_root: Option<String>,
    /// Whether a positive verdict comes with a signed SLSA verification summary.
    #[serde(default)]
    pub(crate) vsa: bool,
}

/// A verdict about an image. HTTP 200 whether or not it is positive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageAnswer {
    /// The verdict, about the bytes with this digest; with `recursive` about every image below it, too.
    pub verified: bool,
    /// What was verified: `sha256:` and the digest of the manifest that the registry gave.
    pub digest: String,
    /// Of that manifest.
    pub media_type: String,
    /// What did not hold; empty when verified.
    pub reasons: Vec<Reason>,
    /// When it was reached, RFC 3339.
    pub verified_at: String,
    /// The trusted roots that were used.
    pub trusted_roots: Vec<UsedRoot>,
    /// The policy, when one was asked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<UsedPolicy>,
    /// Everything that was found, and how it was judged.
    pub signatures: Vec<ImageSignature>,
    /// What was checked, requirement by requirement, for `policy` and `policyDocument`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Box<RawValue>>,
    /// The images below an index, with `recursive`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ImageChild>,
    /// The verification summary: a Sigstore bundle v0.3 with a DSSE envelope. Only when asked for and verified.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsa: Option<Box<RawValue>>,
}

/// One image below an index, judged as the index itself is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChild {
    /// The verdict about this image alone.
    pub verified: bool,
    /// `sha256:` and the digest of its manifest.
    pub digest: String,
    /// Of that manifest.
    pub media_type: String,
    /// What did not hold; empty when verified.
    pub reasons: Vec<Reason>,
    /// Everything that was found about it, and how it was judged.
    pub signatures: Vec<ImageSignature>,
    /// What was checked, requirement by requirement, for `policy` and `policyDocument`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Box<RawValue>>,
}

/// One signature or attestation of an image.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSignature {
    /// Where it was.
    pub place: String,
    /// `signature`, `attestation` or `unreadable`, and the predicate type.
    #[schema(value_type = Object)]
    pub kind: oci::Kind,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// What was checked, step by step, for `identity` and `key`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<RawValue>>,
}

/// An artifact, by content or by digest: one of the two.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactRef {
    /// `sha256:` and 64 hexadecimal digits.
    #[schema(example = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")]
    pub(crate) digest: Option<String>,
    /// SHA-384 in hexadecimal digits, beside `digest`: P-384 keys usually need it.
    pub(crate) sha384: Option<String>,
    /// SHA-512 in hexadecimal digits, beside `digest`: Ed25519ph needs it.
    pub(crate) sha512: Option<String>,
    /// The whole artifact in base64.
    pub(crate) base64: Option<String>,
}

/// A certificate's name and OIDC issuer; each exact or as a regular expression that the whole value must match.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityDemand {
    /// The name: e-mail address or URI.
    pub certificate_identity: Option<String>,
    /// The name, as a glob that the whole value must match: `*` stops at `/` and `@`, `**` does not.
    pub certificate_identity_glob: Option<String>,
    /// The name, as a regular expression.
    pub certificate_identity_regexp: Option<String>,
    /// The OIDC issuer.
    pub certificate_oidc_issuer: Option<String>,
    /// The OIDC issuer, as a regular expression.
    pub certificate_oidc_issuer_regexp: Option<String>,
}

/// A verdict. HTTP 200 whether or not it is positive.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyAnswer {
    /// The verdict.
    pub verified: bool,
    /// What did not hold; empty when verified.
    pub reasons: Vec<Reason>,
    /// When it was reached, RFC 3339; earlier than the request when `cached`.
    pub verified_at: String,
    /// Until when the same question has the same answer, unless root or policy are changed; absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Whether an earlier answer to the same question was given.
    pub cached: bool,
    /// The trusted roots that were used.
    pub trusted_roots: Vec<UsedRoot>,
    /// The policy, when one was asked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<UsedPolicy>,
    /// What was checked, step by step, for `identity` and `key`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<RawValue>>,
    /// What was checked, requirement by requirement, for `policy` and `policyDocument`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Box<RawValue>>,
    /// The verification summary: a Sigstore bundle v0.3 with a DSSE envelope. Only when asked for and verified.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsa: Option<Box<RawValue>>,
}

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reason {
    /// The step or requirement.
    pub step: String,
    /// What did not hold.
    pub cause: String,
    /// What to do about it.
    pub cure: String,
}

/// A trusted root that an answer is based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedRoot {
    /// Its name.
    pub name: String,
    /// `sha256:` and the digest of its JSON.
    pub digest: String,
}

/// A policy that an answer is based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedPolicy {
    /// The name that the document gives itself.
    pub name: String,
    /// `sha256:` and the digest of its canonical JSON.
    pub digest: String,
}

/// Several questions at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// At most 100, each as for `/api/v1/verify`.
    #[schema(value_type = Vec<VerifyRequest>)]
    #[serde(deserialize_with = "one_too_many")]
    pub(crate) requests: Vec<Box<RawValue>>,
}

/// Keeps one member more than a batch may have, so that it shows, and reads over the rest: a body of commas and digits
/// would otherwise become many times its size in memory.
fn one_too_many<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Box<RawValue>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of questions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while members.len() <= limits::BATCH {
                match items.next_element()? {
                    Some(member) => members.push(member),
                    None => return Ok(members),
                }
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(members)
        }
    }
    reader.deserialize_seq(Members)
}

/// Answers in the order of the questions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// Whether every question was answered with a positive verdict.
    pub all_verified: bool,
    /// One for each question.
    pub results: Vec<BatchResult>,
}

/// The outcome of one question: what `/api/v1/verify` would have answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// The HTTP status that it would have had.
    pub status: u16,
    /// The verdict, with status 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<VerifyAnswer>,
    /// Why there is none, with any other status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// An upload: the parts in this order.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes the parts of a form")]
pub(crate) struct Upload {
    /// The question, as JSON, without `artifact`; at most 1 MiB.
    pub(crate) request: VerifyRequest,
    /// The bundle, when it is not in `request`.
    #[schema(value_type = Option<Object>)]
    pub(crate) bundle: Option<String>,
    /// The artifact, of any size; last.
    #[schema(value_type = String, format = Binary)]
    pub(crate) artifact: Vec<u8>,
}

/// The trusted roots of this verifier.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootsAnswer {
    /// In the order of their names.
    pub trusted_roots: Vec<RootStatus>,
}

/// How it is with one trusted root.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootStatus {
    /// The name to ask by.
    pub name: String,
    /// `embedded`, `file` or `tuf`.
    #[schema(value_type = String)]
    pub source: trust::SourceKind,
    /// `sha256:` and the digest of its JSON.
    pub digest: String,
    /// When it was read or fetched, RFC 3339.
    pub loaded_at: String,
    /// When the TUF timestamp expires that vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether it answers although a newer one could not be had, or behind its expiry.
    pub stale: bool,
    /// How many parties of each kind it names.
    #[schema(value_type = Object)]
    pub counts: trust::Counts,
    /// Logs that are set aside, because this build does not know their key algorithm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// The policies of this verifier.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoliciesAnswer {
    /// In the order of their names.
    pub policies: Vec<PolicyEntry>,
}

/// One policy of this verifier.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEntry {
    /// The name to ask by.
    pub name: String,
    /// What it says it is for; may be empty.
    pub description: String,
    /// `sha256:` and the digest of its canonical JSON.
    pub digest: String,
    /// The trusted roots that it names; empty means the request's.
    pub roots: Vec<String>,
    /// The document.
    #[schema(value_type = Object)]
    pub document: Box<RawValue>,
}

/// A policy to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRequest {
    /// The policy: a JSON object, or YAML as text.
    #[schema(value_type = Object)]
    pub(crate) policy_document: Box<RawValue>,
}

/// What is wrong with a policy, or weak in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckAnswer {
    /// Whether it is a policy at all: without `problems`.
    pub valid: bool,
    /// Why it is none.
    pub problems: Vec<Finding>,
    /// What it lets through that its writer hardly meant.
    pub findings: Vec<Finding>,
}

/// One fault or weakness of a policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    /// `error` or `warning`.
    #[schema(value_type = String)]
    pub severity: policy::Severity,
    /// Where, e.g. `signatures.identities[0].issuer`.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// What to write instead.
    pub cure: String,
}

/// A bundle to write the narrowest policy for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuggestRequest {
    /// The Sigstore bundle.
    #[schema(value_type = Object)]
    pub(crate) bundle: Box<RawValue>,
    /// What was signed.
    pub(crate) artifact: ArtifactRef,
    /// The managed key, for a bundle without certificate: PEM `PUBLIC KEY`.
    pub(crate) key: Option<String>,
    /// Name of the trusted root; `default` when absent.
    pub(crate) trusted_root: Option<String>,
}

/// The narrowest policy, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestAnswer {
    /// Whether the bundle verifies: what another says may be anybody's, so that nothing is suggested.
    pub verified: bool,
    /// Why there is no suggestion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy for people, with comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
    /// The same for programs.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<Box<RawValue>>,
}
