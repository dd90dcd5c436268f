//! Entry kinds of the v1 API: proposed JSON in, verified canonical body out. No HTTP, no storage.

pub(crate) mod base64;
pub(crate) mod dsse;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod hashedrekord;
pub(crate) mod intoto;
pub(crate) mod scheme;
pub(crate) mod verifier;

use crate::json::{self, JsonError, Names};
pub use error::EntryError;
use pki::key::HashAlgorithm;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A verified entry: its kind and the bytes that become the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalEntry {
    /// `hashedrekord`, `dsse` or `intoto`.
    pub kind: &'static str,
    /// `0.0.1` or `0.0.2`.
    pub version: &'static str,
    /// The canonical body: JCS of apiVersion, kind and spec.
    pub body: Vec<u8>,
}

/// Parses and verifies the body of `POST /api/v1/log/entries`.
///
/// Only the first JSON value of `bytes` is read, unknown members are ignored. Every signature is
/// checked. The work is bounded by ten verifiers times ten signatures.
pub fn parse_v1_entry(bytes: &[u8]) -> Result<CanonicalEntry, EntryError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(EntryError::EmptyBody);
    }
    canonicalize(json::first_value(bytes)?)
}

/// Parses and verifies one proposed entry.
pub(crate) fn canonicalize(json: &RawValue) -> Result<CanonicalEntry, EntryError> {
    let (kind, version, spec) = open_frame(json)?;
    let entry = |kind, version, body: Result<Vec<u8>, EntryError>| match body {
        Ok(body) => Ok(CanonicalEntry {
            kind,
            version,
            body,
        }),
        // The request was JSON: what does not fit is its spec.
        Err(EntryError::Json(error)) => Err(EntryError::Spec(error)),
        Err(error) => Err(error),
    };
    match (kind, version.as_ref()) {
        ("hashedrekord", "0.0.1") => {
            entry("hashedrekord", "0.0.1", hashedrekord::canonicalize(spec))
        }
        ("dsse", "0.0.1") => entry("dsse", "0.0.1", dsse::canonicalize(spec)),
        ("intoto", "0.0.1") => entry("intoto", "0.0.1", intoto::canonicalize_v001(spec)),
        ("intoto", "0.0.2") => entry("intoto", "0.0.2", intoto::canonicalize_v002(spec)),
        ("hashedrekord" | "dsse" | "intoto", other) => Err(EntryError::VersionNotSupported {
            kind,
            version: crate::echo(other),
        }),
        _ => Err(EntryError::KindNotEnabled(kind)),
    }
}

/// Kinds that Rekor v1 knows. Those without a module here are refused by name.
const KINDS: [&str; 11] = [
    "alpine",
    "cose",
    "dsse",
    "hashedrekord",
    "helm",
    "intoto",
    "jar",
    "rekord",
    "rfc3161",
    "rpm",
    "tuf",
];

/// Reads the members that every proposed entry has.
fn open_frame(json: &RawValue) -> Result<(&'static str, Cow<'_, str>, &RawValue), EntryError> {
    if json::is_null(json) {
        return Err(EntryError::Required("kind"));
    }
    let [kind, version, spec] = json::members(json, ["kind", "apiVersion", "spec"], Names::Folded)?;
    let name = frame_text(kind, "kind")?;
    let kind = KINDS
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| EntryError::UnknownKind(crate::echo(&name)))?;
    let version = frame_text(version, "apiVersion")?;
    if !is_version(&version) {
        return Err(EntryError::NotVersion(crate::echo(&version)));
    }
    Ok((kind, version, spec.ok_or(EntryError::Required("spec"))?))
}

fn frame_text<'a>(
    json: Option<&'a RawValue>,
    name: &'static str,
) -> Result<Cow<'a, str>, EntryError> {
    let value = json.ok_or(EntryError::Required(name))?;
    let text = json::text(value).map_err(|_| EntryError::NotText(name))?;
    if text.is_empty() {
        Err(EntryError::Required(name))
    } else {
        Ok(text)
    }
}

/// `major.minor.patch` and whatever a semantic version may carry after it.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    core.split('.').count() == 3 && core.split('.').all(number)
}

/// A string member. Rekor treats a member of another type as absent, so that it fails as missing.
pub(crate) fn optional_text(json: Option<&RawValue>) -> Option<Cow<'_, str>> {
    json.and_then(|value| json::text(value).ok())
}

pub(crate) fn required_text<'a>(
    json: Option<&'a RawValue>,
    name: &'static str,
) -> Result<Cow<'a, str>, EntryError> {
    optional_text(json)
        .filter(|text| !text.is_empty())
        .ok_or(EntryError::Missing(name))
}

/// A member of base64 text that must not be empty.
pub(crate) fn required_bytes(
    json: Option<&RawValue>,
    name: &'static str,
) -> Result<Vec<u8>, EntryError> {
    let text = required_text(json, name)?;
    let bytes = base64::decode(&text).ok_or(EntryError::NotBase64(name))?;
    if bytes.is_empty() {
        Err(EntryError::Missing(name))
    } else {
        Ok(bytes)
    }
}

/// The items of an array member, at most `max`.
pub(crate) fn bounded_items<'a>(
    json: &'a RawValue,
    what: &'static str,
    max: usize,
) -> Result<Vec<&'a RawValue>, EntryError> {
    json::items(json, max).map_err(|error| match error {
        JsonError::TooManyItems { max } => EntryError::TooMany { what, max },
        other => EntryError::Json(other),
    })
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(HashAlgorithm::Sha256.digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refuse(json: &str) -> EntryError {
        parse_v1_entry(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_frame_is_read_before_the_spec() {
        assert_eq!(refuse(""), EntryError::EmptyBody);
        assert_eq!(refuse(" \n"), EntryError::EmptyBody);
        assert_eq!(refuse("null"), EntryError::Required("kind"));
        assert_eq!(refuse("{}"), EntryError::Required("kind"));
        assert_eq!(refuse(r#"{"kind":null}"#), EntryError::Required("kind"));
        assert_eq!(refuse(r#"{"kind":7}"#), EntryError::NotText("kind"));
        assert_eq!(
            refuse(r#"{"kind":"x"}"#),
            EntryError::UnknownKind("x".into())
        );
        assert_eq!(
            refuse(r#"{"kind":"dsse"}"#),
            EntryError::Required("apiVersion")
        );
        let version = |v: &str| {
            refuse(&format!(
                r#"{{"kind":"dsse","apiVersion":"{v}","spec":{{}}}}"#
            ))
        };
        assert_eq!(version("1"), EntryError::NotVersion("1".into()));
        assert_eq!(version("0.0.01"), EntryError::NotVersion("0.0.01".into()));
        assert_eq!(
            version("0.0.9"),
            EntryError::VersionNotSupported {
                kind: "dsse",
                version: "0.0.9".into()
            }
        );
        assert_eq!(
            refuse(r#"{"kind":"dsse","apiVersion":"0.0.1"}"#),
            EntryError::Required("spec")
        );
    }

    #[test]
    fn kinds_that_are_known_but_not_taken_are_named() {
        let json = r#"{"kind":"rpm","apiVersion":"0.0.1","spec":{}}"#;
        assert_eq!(refuse(json), EntryError::KindNotEnabled("rpm"));
    }

    #[test]
    fn each_missing_member_of_a_hashedrekord_is_named() {
        let cases = [
            (r#"{}"#, "signature"),
            (r#"{"signature":{}}"#, "public key"),
            (r#"{"signature":{"publicKey":{}}}"#, "data"),
            (r#"{"signature":{"publicKey":{}},"data":{}}"#, "hash"),
            (
                r#"{"signature":{"publicKey":{}},"data":{"hash":{}}}"#,
                "hash algorithm",
            ),
            (
                r#"{"signature":{"publicKey":{}},"data":{"hash":{"algorithm":"sha256"}}}"#,
                "hash value",
            ),
        ];
        for (spec, missing) in cases {
            let json = format!(r#"{{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{spec}}}"#);
            assert_eq!(refuse(&json), EntryError::Missing(missing), "{spec}");
        }
    }

    #[test]
    fn a_digest_has_its_algorithm_and_length() {
        let spec = |algorithm: &str, value: &str| {
            refuse(&format!(
                r#"{{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{{"signature":{{"content":"AA==",
                "publicKey":{{"content":"AA=="}}}},"data":{{"hash":{{"algorithm":"{algorithm}","value":"{value}"}}}}}}}}"#
            ))
        };
        assert_eq!(spec("sha1", "00"), EntryError::HashAlgorithm("sha1".into()));
        assert_eq!(
            spec("sha256", &"0".repeat(63)),
            EntryError::HashValue {
                algorithm: "sha256",
                want: 64,
                have: 63
            }
        );
        assert_eq!(
            spec("sha256", &"g".repeat(64)),
            EntryError::HashValue {
                algorithm: "sha256",
                want: 64,
                have: 64
            }
        );
        assert_eq!(
            spec("sha512", &"0".repeat(64)),
            EntryError::HashValue {
                algorithm: "sha512",
                want: 128,
                have: 64
            }
        );
    }

    #[test]
    fn the_two_forms_of_a_dsse_entry_do_not_mix() {
        let dsse = |spec: &str| {
            refuse(&format!(
                r#"{{"kind":"dsse","apiVersion":"0.0.1","spec":{spec}}}"#
            ))
        };
        assert_eq!(
            dsse(r#"{"proposedContent":{},"signatures":[]}"#),
            EntryError::BothForms
        );
        assert!(matches!(
            dsse(r#"{"envelopeHash":{},"payloadHash":{},"signatures":[]}"#),
            EntryError::NotInsertable(_)
        ));
        assert_eq!(
            dsse(r#"{"payloadHash":{}}"#),
            EntryError::Missing("proposedContent")
        );
        assert_eq!(
            dsse(r#"{"proposedContent":{}}"#),
            EntryError::Missing("envelope")
        );
        assert_eq!(
            dsse(r#"{"proposedContent":{"envelope":"{}"}}"#),
            EntryError::Missing("verifiers")
        );
        assert_eq!(
            dsse(r#"{"proposedContent":{"envelope":"{}","verifiers":[]}}"#),
            EntryError::Missing("verifiers")
        );
        let many = ["\"AA==\""; crate::limits::VERIFIERS + 1].join(",");
        assert_eq!(
            dsse(&format!(
                r#"{{"proposedContent":{{"envelope":"{{}}","verifiers":[{many}]}}}}"#
            )),
            EntryError::TooMany {
                what: "verifiers",
                max: crate::limits::VERIFIERS
            }
        );
    }

    #[test]
    fn errors_repeat_little_of_the_request() {
        let EntryError::UnknownKind(kind) = refuse(&format!(r#"{{"kind":"{}"}}"#, "é".repeat(500)))
        else {
            panic!("not an unknown kind");
        };
        assert!(kind.chars().count() <= crate::limits::ECHO + 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_v1_entry(&bytes).is_err());
        }
    }
}
