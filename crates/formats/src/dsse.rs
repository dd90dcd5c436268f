//! DSSE envelopes and in-toto statements.
#![allow(clippy::todo, missing_docs)]
use crate::b64::B64;
use serde::{Deserialize, Serialize};
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope { pub payload: B64, pub payload_type: String, pub signatures: Vec<Signature> }
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature { pub sig: B64, #[serde(default, skip_serializing_if = "String::is_empty")] pub keyid: String }
/// `DSSEv1 len type len payload`
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> { todo!() }
/// in-toto statement v0.1 or v1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement { #[serde(rename = "_type")] pub type_: String, pub subject: Vec<Subject>, #[serde(rename = "predicateType")] pub predicate_type: String, #[serde(default)] pub predicate: serde_json::Value }
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject { #[serde(default, skip_serializing_if = "String::is_empty")] pub name: String, pub digest: std::collections::BTreeMap<String, String> }
