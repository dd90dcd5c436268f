//! Publishing to memory, to a folder and to an S3 server; read back by the checker that knows no log.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy.toml covers only the bodies of tests"
)]

mod crashes;
mod fixture;
mod flaky;
mod following;
mod partials;
mod refusals;
mod s3;
mod trees;
