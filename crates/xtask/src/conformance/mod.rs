//! The public conformance suite: a client for it, and a run of all its cases.

mod client;
mod suite;

pub(crate) use client::{Task, run as client};
pub(crate) use suite::{Options, run as suite};
