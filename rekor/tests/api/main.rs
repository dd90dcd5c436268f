//! The two APIs through their real routers, over a real log.

mod client_algorithms;
mod harness;
mod rebuilt_bundles;
mod v1_crypto;
mod v1_log;
mod v1_read;
mod v1_retrieve;
mod v1_submit;
mod v2_read;
mod v2_submit;
