//! `sigstead verify` and `sigstead trust`, as a user runs them: exit codes, what is said, what is written.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod image_policy;
mod service;
mod site;
mod trust;
mod vsa;

// One registry in memory for all who test with one.
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../../../oci/tests/registry/fake.rs"]
mod registry;
