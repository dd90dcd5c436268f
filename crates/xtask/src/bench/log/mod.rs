//! `cargo xtask bench log`: what this machine can do, what the log does, and the share.
//!
//! Limits and figures are taken in turns within one run, and medians are compared: the clock of a machine changes from
//! minute to minute, a share much less.

mod api;
mod databases;
mod figures;
mod growth;
mod limits;
mod peers;
mod plot;
mod report;
mod storage;

use crate::e2e::build_release;
use crate::shell::{cargo, step};
use crate::tools::install_peers;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use databases::Databases;
use figures::Figures;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each measurement; medians are compared
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of a run with 64 clients
    #[arg(long, default_value_t = 8_000)]
    requests: usize,
    /// Entries that one log in each store grows to: rate, CPU, proof time and memory at 10000 and each power of ten (10000000
    /// takes the better part of an hour and about 15 GB a store)
    #[arg(long, default_value_t = 50_000)]
    entries: u64,
    /// Install the peers first (Go builds them; root installs MariaDB). Without it those that are here are measured
    #[arg(long)]
    peers: bool,
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_values = ["growth", "limits", "peers"])]
    only: Vec<Part>,
    /// Add a dated row to docs/performance.md
    #[arg(long)]
    record: bool,
    /// Measure with this build of the measurements, to try them: their figures mean nothing
    #[arg(long)]
    unoptimized: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One log in each store, grown to `--entries`
    Growth,
    /// What this machine can do, and the log's share of it
    Limits,
    /// Programs of others, in turns with ours
    Peers,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) && !options.unoptimized {
        return optimized();
    }
    let parts = |part| options.only.contains(&part);
    let (growth, limits, peers) = (parts(Part::Growth), parts(Part::Limits), parts(Part::Peers));
    ensure!(
        !options.record || (growth && limits),
        "--record needs the parts growth and limits"
    );
    if options.peers {
        install_peers();
    }
    if limits || peers {
        build_release()?;
    }
    let folder = tempfile::tempdir()?;
    let mut figures = Figures::default();
    // First of all: memory that a measurement before it gave back would hide what the log takes.
    if growth {
        let milestones = growth::measure(folder.path(), options.entries, &mut figures)?;
        growth::print(&milestones);
    }
    if limits || peers {
        let server = api::Server::start(&folder.path().join("instance"), &mut figures)?;
        if limits {
            rounds(folder.path(), &server, options, &mut figures)?;
        }
        if peers {
            peers::measure(folder.path(), &server, options, &mut figures)?;
        }
        server.stop()?;
    }
    if limits {
        report::print(&figures, options)?;
    }
    peers::print(&figures);
    if options.record {
        report::record(&figures, options)?;
    }
    Ok(())
}

/// Limits and shares, round by round.
fn rounds(
    folder: &Path,
    server: &api::Server,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let databases = Databases::start();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}: limits", options.rounds);
        limits::cpu(figures)?;
        limits::http(figures, options.requests)?;
        eprintln!("round {round}: storage");
        let scratch = folder.join(format!("round-{round}"));
        std::fs::create_dir(&scratch)?;
        databases.limits(&scratch, figures)?;
        limits::ceilings(figures)?;
        storage::measure(&scratch, &databases, figures)?;
        std::fs::remove_dir_all(&scratch)?;
        eprintln!("round {round}: public API");
        server.writes(options.requests, figures)?;
        server.reads(options.requests, figures)?;
        api::first_entry(&folder.join("first"), figures)?;
    }
    eprintln!("memory");
    server.memory(figures)
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
