//! Signature transparency log with Rekor's v1 and v2 APIs.
//!
//! Both APIs are routers over one log engine ([`tlog::Log`]), each over a tree of its own, because
//! their canonical bodies differ. A request becomes a type at the edge (`kinds` for v1,
//! `v2::request` for v2), its signatures are verified, its canonical body is appended, and the
//! answer is sent only for a committed leaf. Root, size, proof and checkpoint of one answer come
//! from one tree head.

mod body;
mod head;
mod json;
mod kinds;
pub mod limits;
mod metrics;
pub mod v1;
pub mod v2;
mod work;

pub use json::JsonError;
pub use kinds::{CanonicalEntry, EntryError, parse_v1_entry};
pub use v2::parse_v2_entry;

/// What of a request's value an error message repeats.
fn echo(value: &str) -> String {
    match value.char_indices().nth(limits::ECHO) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
