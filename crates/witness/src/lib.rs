//! Witnessing: independent parties sign that a log only ever grew. C2SP tlog-witness.
//!
//! Both ends are here. A log asks ([`Cosigner`]):
//!
//! ```text
//! newest checkpoint ─► Cosigner ─► POST <prefix>/add-checkpoint   to every witness at once
//!                          ▲            old size, consistency proof, checkpoint
//!                          └──────────  cosignature line, or 409 and the witness's size
//! ```
//!
//! and a witness answers ([`server`]): it knows some logs by key and origin, remembers the newest
//! checkpoint of each in a database of its own, and cosigns what is consistent with it.
//!
//! A witness's memory never goes back and never forks, and a cosignature leaves only after the
//! checkpoint is committed: both are one compare-and-swap in [`store`].

mod client;
pub mod limits;
pub mod request;
pub mod server;
pub mod store;
mod trusted;

pub use client::{
    AnswerError, ConfigError, Consistency, Cosigned, Cosigner, CosignerConfig, FailureMode,
    Outcome, ProofUnavailable, WitnessOutcome,
};
pub use trusted::TrustedKeyError;
