//! `cargo xtask crash`: kills the real program at random moments under load, and proves that nothing was lost or forked.
//!
//! SIGKILL shows that no acknowledged entry lives in the process alone. It does not show that the disk was told to keep
//! it: what the process wrote stays in the system's cache.

mod answers;
mod ledger;
mod prove;
mod reference;
mod traffic;

use crate::e2e::{Starting, build_release};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ledger::Ledger;
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use traffic::Traffic;

/// Kills within `cargo xtask test`.
const SHORT: u32 = 20;
/// One start in so many is killed before it is ready.
const EARLY: u32 = 5;
/// How long a start may live that is killed early; a start takes some 50 ms.
const EARLY_MILLIS: u64 = 80;
/// How long the others live once they are ready.
const READY_MILLIS: std::ops::RangeInclusive<u64> = 10..=400;

#[derive(Args)]
pub(crate) struct Options {
    /// How often the program is killed
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// PostgreSQL instead of SQLite: a URL, or `temporary` for a server of the test's own
    #[arg(long, value_name = "URL")]
    database: Option<String>,
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

/// The short form, after the end-to-end test has built the program.
pub(crate) fn short() -> Result<()> {
    println!("\n== crash loop");
    crash(&Options {
        kills: SHORT,
        database: None,
        seed: None,
        clients: 4,
        json: false,
    })
}

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    crash(options)
}

fn crash(options: &Options) -> Result<()> {
    let start = Instant::now();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let folder = tempfile::tempdir()?;
    let (database, _cluster) = database(options)?;
    let data = folder.path().join("data");
    let server = Server::new(&data, database.as_deref())?;
    let mut instance = server.spawn()?.ready()?;
    let ledger = Arc::new(Ledger::default());
    let traffic = Traffic::start(&instance.url, options.clients, &ledger)?;

    let bar = bar(options);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut early = 0;
    for _ in 0..options.kills {
        std::thread::sleep(Duration::from_millis(random.u64(READY_MILLIS)));
        instance.kill()?;
        while random.u32(..EARLY) == 0 {
            let starting = server.spawn()?;
            std::thread::sleep(Duration::from_millis(random.u64(..EARLY_MILLIS)));
            starting.kill()?;
            early += 1;
        }
        instance = server
            .spawn()?
            .ready()
            .with_context(|| format!("a start after a kill failed (seed {seed})"))?;
        bar.inc(1);
        bar.set_message(format!("{} entries acknowledged", ledger.acknowledged()));
    }
    bar.finish_and_clear();
    traffic.stop(&ledger)?;
    let loaded = start.elapsed();
    let proven = prove::prove(&instance, &ledger)?;
    instance.stop()?;

    let faults = ledger.faults();
    if options.json {
        let summary = json!({
            "seed": seed, "kills": options.kills, "kills_before_ready": early,
            "database": database.as_deref().map_or("sqlite", |_| "postgres"),
            "traffic": ledger.counts(), "proven": proven, "faults": faults,
            "seconds": start.elapsed().as_secs_f64(),
        });
        println!("{summary}");
    } else {
        println!(
            "{} kills and {early} before ready in {:.1} s\n{}\n{proven}",
            options.kills,
            loaded.as_secs_f64(),
            ledger.counts(),
        );
    }
    if !faults.is_empty() {
        bail!(
            "{} faults (seed {seed}):\n{}",
            faults.len(),
            faults.join("\n")
        );
    }
    eprintln!(
        "nothing lost, nothing forked: {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The database's URL, and the server when it is ours.
fn database(options: &Options) -> Result<(Option<String>, Option<testkit::Cluster>)> {
    if options.database.as_deref() != Some("temporary") {
        return Ok((options.database.clone(), None));
    }
    let cluster = testkit::Cluster::start().context("there is no PostgreSQL server program")?;
    Ok((Some(cluster.database()), Some(cluster)))
}

/// How to start the program, always at the same address.
struct Server<'a> {
    data: &'a Path,
    args: Vec<String>,
}

impl<'a> Server<'a> {
    fn new(data: &'a Path, database: Option<&str>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut args = vec!["--listen".to_owned(), format!("127.0.0.1:{port}")];
        if let Some(url) = database {
            args.extend(["--database".to_owned(), url.to_owned()]);
        }
        Ok(Self { data, args })
    }

    fn spawn(&self) -> Result<Starting> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Starting::spawn(self.data, &args)
    }
}

fn bar(options: &Options) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(options.kills));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} kills, {msg}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
