//! `cargo xtask crash`: kills the real program under load, at random moments and at every named one, alone and among
//! several processes on one database, and proves that nothing was lost or forked.
//!
//! SIGKILL shows that no acknowledged entry lives in the process alone. It does not show that the disk was told to keep
//! it: what the process wrote stays in the system's cache.

mod answers;
mod certificates;
mod fleet;
mod ledger;
mod moments;
mod prove;
mod random;
mod reference;
mod server;
mod traffic;

pub(crate) use certificates::token;
pub(crate) use ledger::Ledger;
pub(crate) use prove::{Proven, prove};
pub(crate) use server::Server;
pub(crate) use traffic::{Plan, Traffic};

use crate::e2e::build_release;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::time::{Duration, Instant};

/// Random kills within `cargo xtask test`, on each store.
const SHORT_KILLS: u32 = 8;
/// How long several processes are killed within `cargo xtask test`.
const SHORT_FLEET: Duration = Duration::from_secs(10);
/// Far longer than any answer takes while its database is there.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How often the program is killed at random moments
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// PostgreSQL instead of SQLite: a URL, or `temporary` for a server of the test's own
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Several processes on one PostgreSQL, one of them killed every second
    #[arg(long, value_name = "COUNT", requires = "database")]
    processes: Option<usize>,
    /// How long the several processes are killed
    #[arg(long, default_value_t = 2.0, requires = "processes")]
    minutes: f64,
    /// Repeats the moments of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// Clients of each log
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Print the summary as one line of JSON
    #[arg(long)]
    json: bool,
}

/// The short form, after the end-to-end test has built the program: both stores, each named moment once, three processes.
pub(crate) fn short() -> Result<()> {
    let program = moments::build()?;
    println!("\n== crash loop");
    let sqlite = Options {
        kills: SHORT_KILLS,
        database: None,
        processes: None,
        minutes: 0.0,
        seed: None,
        clients: 4,
        json: false,
    };
    random::run(&sqlite)?;
    moments::run(&sqlite, &program, 1)?;
    if !testkit::Cluster::is_installed() {
        println!("SKIPPED: the crash loop on PostgreSQL, no server program on this machine");
        return Ok(());
    }
    let postgres = Options {
        database: Some("temporary".to_owned()),
        ..sqlite
    };
    random::run(&postgres)?;
    moments::run(&postgres, &program, 1)?;
    fleet::run(&postgres, 3, SHORT_FLEET)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    if let Some(processes) = options.processes {
        let time = Duration::try_from_secs_f64(options.minutes * 60.0).context("--minutes")?;
        return fleet::run(options, processes, time);
    }
    let program = moments::build()?;
    random::run(options)?;
    moments::run(options, &program, 3)
}

/// A loop that is under way.
struct Round {
    what: String,
    seed: u64,
    start: Instant,
    json: bool,
}

impl Round {
    fn begin(options: &Options, what: &str) -> Self {
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let store = match options.database {
            Some(_) => "PostgreSQL",
            None => "SQLite",
        };
        let what = format!("{what}, {store}");
        eprintln!("{what}: seed {seed}");
        Self {
            what,
            seed,
            start: Instant::now(),
            json: options.json,
        }
    }

    /// Prints what happened and what was proved; anything that the log must not have said is an error.
    fn end(&self, kills: &str, loaded: Duration, ledger: &Ledger, proven: &Proven) -> Result<()> {
        let (counts, faults) = (ledger.counts(), ledger.faults());
        if self.json {
            let summary = json!({
                "what": self.what, "seed": self.seed, "kills": kills, "traffic": counts, "proven": proven,
                "faults": faults, "loaded_seconds": loaded.as_secs_f64(),
                "seconds": self.start.elapsed().as_secs_f64(),
            });
            println!("{summary}");
        } else {
            let (what, seconds) = (&self.what, loaded.as_secs_f64());
            println!("{what}: {kills} in {seconds:.1} s\n{counts}\n{proven}");
        }
        if !faults.is_empty() {
            bail!(
                "{} faults (seed {}):\n{}",
                faults.len(),
                self.seed,
                faults.join("\n")
            );
        }
        eprintln!(
            "nothing lost, nothing forked, nothing twice: {:.1} s",
            self.start.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

/// The database's URL, and the server when it is ours.
fn database(options: &Options) -> Result<(Option<String>, Option<testkit::Cluster>)> {
    if options.database.as_deref() != Some("temporary") {
        return Ok((options.database.clone(), None));
    }
    let cluster = testkit::Cluster::start().context("there is no PostgreSQL server program")?;
    Ok((Some(cluster.database()), Some(cluster)))
}

fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} kills, {msg}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
