//! Real clients against a freshly started instance.
//!
//! Every client signs in every form it has, against the Rekor v1 and v2 logs; every client verifies every
//! bundle, and refuses a tampered artifact, a wrong identity and a wrong issuer; also across rotations of the logs.

mod clients;
mod contract;
mod images;
mod instance;
mod matrix;
mod moving;
mod mutants;
mod our_images;
mod private;
mod registry;
mod rotate;
mod shards;
mod tuf;

use crate::tools::{Tools, install_cosign_2};
use anyhow::Result;
use clap::{Args, ValueEnum};
pub(crate) use clients::{Client, EMAIL, Form, all as all_clients};
pub(crate) use instance::{
    Instance, Launch, Starting, build_release, release_binary, resident_kib,
};
use std::time::Instant;

/// What to run.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// This part alone
    #[arg(long, value_name = "PART")]
    only: Option<Part>,

    /// Install cosign 2 as well, for images; it takes minutes, and later runs use it
    #[arg(long)]
    cosign_2: bool,
}

/// Parts that can be run alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What scripts rely on: exit codes, restarts, refused starts
    Contract,
    /// Every client's bundles before every client
    Matrix,
    /// A sample of forged bundles before every client; only when asked for
    Mutants,
    /// Images in registries and layouts
    Images,
    /// Rotated logs
    Shards,
    /// Clients that follow the TUF repository
    Tuf,
    /// Keys that change while clients sign
    Rotate,
    /// Backup, restore and migration under load
    Move,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    if options.cosign_2 {
        install_cosign_2()?;
    }
    let tools = Tools::prepare()?;
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let start = Instant::now();
    println!("\n== end to end");
    let folder = tempfile::tempdir()?;
    if wanted(Part::Contract) {
        contract::run(folder.path(), tools.strace.as_deref())?;
    }
    let instance = Instance::start(&folder.path().join("data"))?;
    // Also writes the files that the images' attestations are made from.
    let clients = clients::all(&tools, &instance, folder.path())?;
    if wanted(Part::Matrix) {
        matrix::run(&clients, folder.path())?;
    }
    // Which ones are in the sample depends on the bundles: for a look at the differences, not for every change.
    if options.only == Some(Part::Mutants) {
        matrix::run(&clients, folder.path())?;
        mutants::run(&clients, folder.path())?;
    }
    if wanted(Part::Images) {
        images::run(&tools, &instance, folder.path())?;
    }
    if wanted(Part::Contract) {
        contract::stop_and_restart(instance)?;
    }
    if wanted(Part::Shards) {
        shards::run(&tools, folder.path())?;
    }
    if wanted(Part::Tuf) {
        tuf::run(&tools, folder.path())?;
    }
    if wanted(Part::Rotate) {
        rotate::run(&tools, folder.path())?;
    }
    if wanted(Part::Move) {
        moving::run(&tools, folder.path())?;
    }
    println!("== end to end: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
