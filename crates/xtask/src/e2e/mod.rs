//! Real clients against a freshly started instance.
//!
//! Every client signs in every form it has, against the Rekor v1 and v2 logs; every client verifies every
//! bundle, and refuses a tampered artifact, a wrong identity and a wrong issuer; also across rotations of the logs.

mod clients;
mod contract;
mod images;
mod instance;
mod matrix;
mod mutants;
mod registry;
mod shards;
mod tuf;

use crate::tools::Tools;
use anyhow::Result;
pub(crate) use clients::{Client, EMAIL, Form, all as all_clients};
pub(crate) use instance::{
    Instance, Launch, Starting, build_release, release_binary, resident_kib,
};
use std::time::Instant;

/// What to run.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Only these parts: contract, clients, shards, tuf [default: all]
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    let tools = Tools::prepare()?;
    let start = Instant::now();
    println!("\n== end to end");
    let folder = tempfile::tempdir()?;
    if options.wants("contract") {
        contract::run(folder.path(), tools.strace.as_deref())?;
    }
    if options.wants("clients") {
        let instance = Instance::start(&folder.path().join("data"))?;
        let clients = clients::all(&tools, &instance, folder.path())?;
        matrix::run(&clients, folder.path())?;
        mutants::run(&clients, folder.path())?;
        images::run(&tools, &instance, folder.path())?;
        contract::stop_and_restart(instance)?;
    }
    if options.wants("shards") {
        shards::run(&tools, folder.path())?;
    }
    if options.wants("tuf") {
        tuf::run(&tools, folder.path())?;
    }
    println!("== end to end: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
