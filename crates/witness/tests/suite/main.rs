//! One test program: the formats, the memory, the witness, and logs that ask witnesses over HTTP.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod asking;
mod fixture;
mod memory;
mod misbehaving;
mod request;
mod witness;
