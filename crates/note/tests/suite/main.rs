//! One test program: key IDs, notes, checkpoints, cosignatures, policies, and what real logs published.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod checkpoint;
mod cosignature;
mod key_id;
mod policy;
mod published;
mod signed;
mod vkey;
