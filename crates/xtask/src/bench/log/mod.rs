//! `cargo xtask bench log`: what this machine can do, what the log does, and the share.
//!
//! Limits and figures are taken in turns within one run, and medians are compared: the clock of a machine changes from
//! minute to minute, a share much less.

mod api;
mod databases;
mod figures;
mod limits;
mod plot;
mod report;
mod storage;

use crate::e2e::build_release;
use crate::shell::{cargo, step};
use anyhow::{Context, Result};
use clap::Args;
use databases::Databases;
use figures::Figures;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each measurement; medians are compared
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of a run with 64 clients
    #[arg(long, default_value_t = 8_000)]
    requests: usize,
    /// Entries that one log grows to, for rate, proof time and memory at size (10000000 takes most of an hour)
    #[arg(long, default_value_t = 50_000)]
    entries: u64,
    /// Add a dated row to docs/performance.md
    #[arg(long)]
    record: bool,
}

/// Programs of others that the plan compares with; building them is not part of this run yet.
const PEERS: [&str; 2] = ["rekor-tiles (POSIX)", "rekor-server"];

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    if cfg!(debug_assertions) {
        return optimized();
    }
    let folder = tempfile::tempdir()?;
    let mut figures = Figures::default();
    // First of all: memory that a measurement before it gave back would hide what the log takes.
    eprintln!("a log of {} entries", options.entries);
    storage::grow(folder.path(), options.entries, &mut figures)?;
    let databases = Databases::start();
    let server = api::Server::start(&folder.path().join("instance"), &mut figures)?;
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}: limits", options.rounds);
        limits::cpu(&mut figures)?;
        limits::http(&mut figures, options.requests)?;
        eprintln!("round {round}: storage");
        let scratch = folder.path().join(format!("round-{round}"));
        std::fs::create_dir(&scratch)?;
        databases.limits(&scratch, &mut figures)?;
        limits::ceilings(&mut figures)?;
        storage::measure(&scratch, &databases, &mut figures)?;
        std::fs::remove_dir_all(&scratch)?;
        eprintln!("round {round}: public API");
        server.writes(options.requests, &mut figures)?;
        server.reads(options.requests, &mut figures)?;
        api::first_entry(&folder.path().join("first"), &mut figures)?;
    }
    eprintln!("memory");
    server.memory(&mut figures)?;
    server.stop()?;
    report::print(&figures, options)?;
    for peer in PEERS {
        println!("skipped: peer {peer} not built");
    }
    if options.record {
        report::record(&figures, options)?;
    }
    Ok(())
}

/// Runs this very command in a release build: without optimization the limits would not be limits.
fn optimized() -> Result<()> {
    step(
        "building the measurements",
        cargo().args(["build", "--release", "--quiet", "--package", "xtask"]),
    )?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map(std::path::PathBuf::from)
        .unwrap_or_else(|| crate::shell::root().join("target"));
    let program = target.join("release/xtask");
    let mut command = std::process::Command::new(&program);
    command.args(std::env::args_os().skip(1));
    step("measuring", &mut command).with_context(|| program.display().to_string())
}
