//! `cargo xtask faults`: what the database server does to a running `sigstead up`, which must wait for it and go on by itself.
//!
//! Under load of several clients: the server is restarted, is away, cuts its connections, has a full disk, or commits and
//! does not say so. Meanwhile submissions are refused with 503 and `Retry-After` and `/readyz` says so; afterwards, without
//! a restart, everything that was acknowledged is in the logs, once.

mod disk;
mod outage;
mod proxy;
mod stage;
mod unknown;

use crate::e2e::build_release;
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    build_release()?;
    short()
}

/// After the end-to-end test has built the program.
pub(crate) fn short() -> Result<()> {
    println!("\n== faults of the database server");
    if !testkit::Cluster::is_installed() {
        println!("SKIPPED: faults of the database server, no PostgreSQL on this machine");
        return Ok(());
    }
    outage::restarted()?;
    outage::away()?;
    outage::connections_cut()?;
    unknown::answers_lost()?;
    disk::full()
}
