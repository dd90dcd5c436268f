//! The API as its callers see it: the router, driven in process.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod advice;
mod batch;
mod cache;
mod fixture;
mod image;
mod json;
mod policy;
mod upload;
