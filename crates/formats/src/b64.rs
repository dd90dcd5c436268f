//! Bytes that are base64 text in JSON.
#![allow(clippy::todo, missing_docs)]
/// Serialises as standard padded base64. Deserialises leniently as protojson does: standard or URL-safe, padded or not, CR/LF skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct B64(pub Vec<u8>);
impl From<Vec<u8>> for B64 { fn from(v: Vec<u8>) -> Self { B64(v) } }
impl serde::Serialize for B64 { fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { todo!() } }
impl<'de> serde::Deserialize<'de> for B64 { fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> { todo!() } }
/// Decodes as Go's protojson / encoding/json would.
pub fn decode_lenient(text: &str) -> Option<Vec<u8>> { todo!() }
pub fn encode(bytes: &[u8]) -> String { todo!() }
/// int64 as a JSON string (accepts a number as well): `#[serde(with = "int64")]`
pub mod int64 {
    pub fn serialize<S: serde::Serializer>(v: &i64, s: S) -> Result<S::Ok, S::Error> { s.collect_str(v) }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i64, D::Error> { todo!() }
}
