//! Keys, certificates, Fulcio extensions, SCTs: parse, build, check. Pure: no randomness, no clock.
#![allow(clippy::todo, missing_docs)]
pub mod key;
pub mod cert;
pub mod extensions;
pub mod profile;
pub mod sct;
pub mod csr;
pub mod path;
