//! The two APIs through their real routers, over a real log.
// The lint's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod client_algorithms;
mod harness;
mod rebuilt_bundles;
mod shards;
mod v1_attestations;
mod v1_clock;
mod v1_crypto;
mod v1_log;
mod v1_read;
mod v1_retrieve;
mod v1_submit;
mod v2_read;
mod v2_submit;
