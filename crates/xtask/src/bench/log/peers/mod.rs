//! Programs of others that keep the same logs, in turns with ours: same generator, same requests, same disk.
//!
//! One peer runs at a time, and only one side is under load.

mod program;
mod report;
mod stacks;

use super::Options;
use super::api::{ALONE, CLIENTS, Server, percentiles, submissions};
use super::databases::settle;
use super::figures::{Figures, micros};
use crate::load::{Api, Load, Outcome, Pace, run};
use crate::tools::{REKOR, REKOR_TILES};
use anyhow::{Context, Result, ensure};
use program::Stack;
pub(super) use report::print;
use std::path::Path;
use std::time::{Duration, Instant};

/// About how long one measurement of one side lasts: some peers answer after ten seconds, others after a millisecond.
const SPAN: Duration = Duration::from_secs(5);
/// The least a client alone sends.
const ALONE_LEAST: usize = 3;
/// How long a peer may take to its first 201, retries included.
const FIRST_ANSWER: Duration = Duration::from_secs(60);

/// A peer and how it is set.
struct Setting {
    /// Unique; names its figures.
    title: &'static str,
    version: &'static str,
    api: Api,
    /// Whether its programs are here.
    installed: fn() -> Result<()>,
    /// Starts it; gives its URL.
    start: fn(&mut Stack) -> Result<String>,
    /// Connections that are enough for a program which keeps every client waiting; `None` where intervals alone decide.
    crowd: Option<usize>,
    /// Our rate by its rate, at least; and the stretch.
    rate: (f64, Option<f64>),
    /// Its latency by ours, at least.
    latency: Option<f64>,
}

/// rekor-tiles turns entries away beyond 4,096 that wait.
const SETTINGS: [Setting; 4] = [
    Setting {
        title: "rekor-tiles on files, as it comes",
        version: REKOR_TILES.version,
        api: Api::V2,
        installed: stacks::has_rekor_tiles,
        start: stacks::rekor_tiles,
        crowd: None,
        rate: (2.0, Some(3.0)),
        latency: Some(50.0),
    },
    Setting {
        title: "rekor-tiles on files, shortest intervals",
        version: REKOR_TILES.version,
        api: Api::V2,
        installed: stacks::has_rekor_tiles,
        start: stacks::rekor_tiles_quick,
        crowd: Some(4000),
        rate: (2.0, Some(3.0)),
        latency: Some(50.0),
    },
    Setting {
        title: "rekor-server on Trillian and MariaDB, as it comes",
        version: REKOR.version,
        api: Api::V1,
        installed: stacks::has_rekor,
        start: stacks::rekor,
        crowd: Some(512),
        rate: (10.0, None),
        latency: None,
    },
    Setting {
        title: "rekor-server on Trillian and MariaDB, sequenced every 10 ms",
        version: REKOR.version,
        api: Api::V1,
        installed: stacks::has_rekor,
        start: stacks::rekor_quick,
        crowd: Some(512),
        rate: (10.0, None),
        latency: None,
    },
];

/// Compares with every peer whose programs are here. What is missing or fails is named, and the next one follows.
pub(super) fn measure(
    scratch: &Path,
    server: &Server,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    for setting in &SETTINGS {
        if let Err(missing) = (setting.installed)() {
            println!(
                "skipped: {}: {missing:#}; to install it: cargo xtask bench log --peers",
                setting.title
            );
            continue;
        }
        let mut stack = Stack::new(scratch)?;
        let done = compare(setting, &mut stack, server, options, figures);
        if let Err(error) = done {
            println!("failed: {}: {error:#}{}", setting.title, stack.last_words());
        }
    }
    Ok(())
}

fn compare(
    setting: &Setting,
    stack: &mut Stack,
    server: &Server,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    eprintln!("peer: {} {}", setting.title, setting.version);
    let url = (setting.start)(stack)?;
    first_answer(&url, setting.api)?;
    let stack = &*stack;
    let peer = Side {
        name: format!("{}, peer", setting.title),
        url: &url,
        cpu: &|| stack.cpu(),
        api: setting.api,
    };
    let ours = Side {
        name: format!("{}, ours", setting.title),
        url: server.url(),
        cpu: &|| server.cpu(),
        api: setting.api,
    };
    let sides = [&peer, &ours];
    let plans = [peer.plan(options)?, ours.plan(options)?];
    // Kept apart until all is measured: a peer that fails halfway leaves nothing.
    let mut taken = Figures::default();
    for round in 1..=options.rounds {
        eprintln!("peer: round {round} of {}", options.rounds);
        for (side, plan) in sides.into_iter().zip(&plans) {
            side.measure(plan, &mut taken)?;
        }
        if let Some(crowd) = setting.crowd {
            let rates: Result<Vec<f64>> = sides.into_iter().map(|side| side.crowd(crowd)).collect();
            match rates {
                Ok(rates) => {
                    for (side, rate) in sides.into_iter().zip(rates) {
                        taken.add(side.figure("crowd rate"), rate);
                    }
                }
                Err(error) => println!("{}, {crowd} clients: {error:#}", setting.title),
            }
        }
    }
    figures.merge(taken);
    Ok(())
}

/// Waits for the first 201: a server may listen before all behind it is ready.
fn first_answer(url: &str, api: Api) -> Result<()> {
    let deadline = Instant::now() + FIRST_ANSWER;
    loop {
        let load = Load {
            url,
            clients: 1,
            pace: Pace::Closed,
            calls: submissions(api, 1)?,
            keep: true,
        };
        let failure = match run(load) {
            Ok(outcome) if outcome.statuses.contains_key(&201) => return Ok(()),
            Ok(outcome) => match outcome.answers.first() {
                Some((_, answer)) => format!(
                    "{} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ),
                None => "no answer".to_owned(),
            },
            Err(error) => format!("{error:#}"),
        };
        ensure!(Instant::now() < deadline, "no entry is accepted: {failure}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// One of the two that are compared.
struct Side<'a> {
    name: String,
    url: &'a str,
    cpu: &'a dyn Fn() -> Result<Duration>,
    api: Api,
}

/// How many requests one measurement takes.
struct Plan {
    full: usize,
    alone: usize,
}

impl Side<'_> {
    fn figure(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }

    /// Sends a wave, and plans by its speed what fits into [`SPAN`]. Whole waves only: a peer that answers all clients at
    /// once would else be measured with a part of them in its last wave.
    fn plan(&self, options: &Options) -> Result<Plan> {
        let wave = self.send(CLIENTS, 2 * CLIENTS)?;
        let alone = self.send(1, 1)?.latency.percentile(100.0);
        let within = |rate: f64| (rate * SPAN.as_secs_f64()) as usize;
        let full = within(wave.rate()).min(options.requests) / CLIENTS * CLIENTS;
        Ok(Plan {
            full: full.max(2 * CLIENTS),
            alone: within(1.0 / alone.as_secs_f64()).clamp(ALONE_LEAST, ALONE),
        })
    }

    /// Full load, then one client.
    fn measure(&self, plan: &Plan, figures: &mut Figures) -> Result<()> {
        settle();
        let cpu = (self.cpu)()?;
        let full = self.send(CLIENTS, plan.full)?;
        let cpu = (self.cpu)()?.saturating_sub(cpu);
        figures.add(self.figure("rate"), full.rate());
        figures.add(self.figure("cpu"), micros(cpu) / plan.full as f64);
        percentiles(figures, &self.figure("full"), &full);
        settle();
        let alone = self.send(1, plan.alone)?;
        percentiles(figures, &self.figure("alone"), &alone);
        Ok(())
    }

    /// The rate with so many clients that waiting for the next checkpoint costs none of it.
    fn crowd(&self, clients: usize) -> Result<f64> {
        settle();
        Ok(self.send(clients, 3 * clients)?.rate())
    }

    fn send(&self, clients: usize, requests: usize) -> Result<Outcome> {
        let load = Load {
            url: self.url,
            clients,
            pace: Pace::Closed,
            calls: submissions(self.api, requests)?,
            keep: false,
        };
        run(load)?.expect(201).with_context(|| self.name.clone())
    }
}
