//! Sigstore JSON: bundle, trusted root, signing config, entry bodies, Rekor wire types. Pure.
//!
//! proto3 JSON: lowerCamelCase, bytes as standard base64, int64 as strings, RFC 3339 times.
#![allow(clippy::todo, missing_docs)]
pub mod b64;
pub mod bundle;
pub mod dsse;
pub mod entry;
pub mod trust;
pub mod wire;
