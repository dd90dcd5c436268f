//! Claims about keys, certificates and paths, checked with keys and certificates made by other libraries.
#![allow(clippy::unwrap_used)] // helpers of tests, outside #[test] functions

mod csr;
mod hostile;
mod keys;
mod path;
mod profile;
mod real;
mod support;
