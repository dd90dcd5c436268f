//! One test program: key IDs, notes, checkpoints, and what real logs published.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod checkpoint;
mod key_id;
mod published;
mod signed;
