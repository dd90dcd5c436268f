//! One test program: exact vectors, the text of the RFC as recursion, an independent library, and
//! logs that others wrote.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod edge;
mod proofs;
mod published;
mod reference;
mod tessera;
mod tiles;
