//! The certificate authority through its API, with real keys, a real CT log and a real issuer.

mod issuance;
mod refusals;
mod support;
