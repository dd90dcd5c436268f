//! The certificate authority through its API, with real keys, a real CT log and a real issuer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod issuance;
mod refusals;
mod support;
mod switch;
