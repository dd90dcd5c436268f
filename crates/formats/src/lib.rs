//! Sigstore JSON: bundle, trusted root, signing config, entry bodies, Rekor wire types. Pure.
//!
//! Everything here is proto3 JSON unless said otherwise: lowerCamelCase members, bytes as standard
//! base64, int64 as strings, RFC 3339 times, `null` equal to absent. Bytes from outside enter
//! through a `parse` function that bounds size and depth before it builds anything.

pub mod b64;
pub mod bundle;
pub mod dsse;
pub mod entry;
pub mod jcs;
pub mod json;
pub mod limits;
pub mod skim;
pub mod trust;
pub mod wire;
