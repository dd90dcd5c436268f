//! The log with real keys and certificates, in the process and over HTTP.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy.toml covers only the bodies of tests"
)]

mod clock;
mod fixture;
mod heads;
mod reads;
mod submissions;
