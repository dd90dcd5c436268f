//! The API as its callers see it: the router, driven in process.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod advice;
mod batch;
mod busy;
mod cache;
mod fixture;
mod found;
mod hostile;
mod image;
mod json;
mod policy;
// One registry in memory for all who test with one.
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../../../../crates/oci/tests/registry/fake.rs"]
mod registry;
mod upload;
