//! Roots by name, from files that change and from a real TUF repository on loopback.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod files;
mod repository;
mod tuf;

/// Another root than the embedded one: without its newest log.
fn shorter_root() -> Vec<u8> {
    let mut root = formats::trust::TrustedRoot::parse(trust::PUBLIC_GOOD).unwrap();
    root.tlogs.pop();
    root.to_json().into_bytes()
}
