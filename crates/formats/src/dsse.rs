//! DSSE envelopes and in-toto statements.

use crate::b64::B64;
use crate::json::null_default;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The `_type` of in-toto statements that this project makes.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

/// The `_type` of older statements, still read.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";

/// A DSSE envelope as it stands in a bundle (members unknown to the specification are ignored).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What was signed, through [`pae`].
    #[serde(default)]
    pub payload: B64,
    /// Media type of the payload, e.g. [`IN_TOTO`].
    #[serde(default, deserialize_with = "null_default")]
    pub payload_type: String,
    /// In a bundle exactly one.
    #[serde(default, deserialize_with = "null_default")]
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The raw signature (ECDSA: ASN.1 DER) over [`pae`].
    #[serde(default)]
    pub sig: B64,
    /// A hint without meaning for verification.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub keyid: String,
}

impl Envelope {
    /// The bytes that its signatures cover.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload.0)
    }
}

/// Encodes the bytes that a DSSE signature covers: `DSSEv1 len type len payload`, lengths in decimal bytes.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = pae_head(payload_type, payload.len());
    [head.as_bytes(), payload].concat()
}

/// Gives what stands before the payload in [`pae`], for hashing both without joining them.
pub fn pae_head(payload_type: &str, payload_len: usize) -> String {
    format!(
        "DSSEv1 {} {payload_type} {payload_len} ",
        payload_type.len()
    )
}

/// in-toto statement v0.1 or v1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT_V1`] or [`STATEMENT_V01`].
    #[serde(rename = "_type")]
    pub type_: String,
    /// What the statement is about.
    pub subject: Vec<Subject>,
    /// URI that says how to read the predicate.
    pub predicate_type: String,
    /// The claim itself, any JSON.
    #[serde(default)]
    pub predicate: serde_json::Value,
}

/// One artifact that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// A name for people, unverified.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub name: String,
    /// Algorithm name (`sha256`) to lower-case hex.
    #[serde(default, deserialize_with = "null_default")]
    pub digest: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pae_example_of_the_dsse_specification_holds() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn lengths_count_bytes_not_characters() {
        assert_eq!(pae("\u{e9}", b""), "DSSEv1 2 \u{e9} 0 ".as_bytes());
    }

    #[test]
    fn a_statement_keeps_its_members_names() {
        let json = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"00"}}],"predicateType":"https://example.com/p","predicate":{"k":[1]}}"#;
        let statement: Statement = serde_json::from_str(json).unwrap();
        assert_eq!(statement.subject[0].digest["sha256"], "00");
        assert_eq!(serde_json::to_string(&statement).unwrap(), json);
    }
}
