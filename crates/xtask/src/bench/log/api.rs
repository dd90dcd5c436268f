//! The real program over HTTP.

use super::databases::settle;
use super::figures::{Figures, micros};
use crate::e2e::{Instance, release_binary};
use crate::load::{Api, Call, Client, Load, Outcome, Pace, prepare, process_cpu, run};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];
/// Connections under full load.
pub(super) const CLIENTS: usize = 64;
/// Requests of one client alone.
pub(super) const ALONE: usize = 600;
/// Connections that only wait, for the memory that they take.
const IDLE_CONNECTIONS: usize = 1024;
/// How long half of the full load lasts.
const HALF: Duration = Duration::from_millis(1500);
/// Entries before reads are measured: full tiles exist.
const FILLED: usize = 2 * 256;

/// The program under load.
pub(super) struct Server(Instance);

impl Server {
    /// Starts it, and measures what it takes before it has anything to do.
    pub(super) fn start(data: &Path, figures: &mut Figures) -> Result<Self> {
        let instance = Instance::start_with(data, &LISTEN)?;
        settle();
        figures.add("idle memory", mib(&instance)?);
        let binary = std::fs::metadata(release_binary())?.len();
        figures.add("binary", binary as f64 / 1e6);
        let server = Self(instance);
        for api in Api::BOTH {
            server
                .send(CLIENTS, Pace::Closed, submissions(api, FILLED)?)?
                .expect(201)?;
        }
        Ok(server)
    }

    /// Submissions to both logs: full load, one client, half of the full load.
    pub(super) fn writes(&self, requests: usize, figures: &mut Figures) -> Result<()> {
        for api in Api::BOTH {
            let name = |what: &str| format!("{} {what}", api.name());
            let calls = submissions(api, requests)?;
            let cpu = self.cpu()?;
            let full = self.send(CLIENTS, Pace::Closed, calls)?.expect(201)?;
            let cpu = self.cpu()?.saturating_sub(cpu);
            figures.add(name("rate"), full.rate());
            figures.add(name("server"), micros(cpu) / requests as f64);
            figures.add(name("generator"), micros(full.cpu) / requests as f64);
            percentiles(figures, &name("full"), &full);
            settle();

            let alone = submissions(api, ALONE)?;
            let alone = self.send(1, Pace::Closed, alone)?.expect(201)?;
            percentiles(figures, &name("alone"), &alone);

            let half = full.rate() / 2.0;
            let calls = submissions(api, (half * HALF.as_secs_f64()) as usize)?;
            let half = self
                .send(CLIENTS, Pace::PerSecond(half), calls)?
                .expect(201)?;
            percentiles(figures, &name("half"), &half);
            settle();
        }
        figures.add("loaded memory", mib(&self.0)?);
        Ok(())
    }

    /// Reads of a full tile, of a consistency proof, of the checkpoint.
    pub(super) fn reads(&self, requests: usize, figures: &mut Figures) -> Result<()> {
        let (first, last) = (FILLED / 3, FILLED);
        let proof = format!("/api/v1/log/proof?firstSize={first}&lastSize={last}");
        for (name, path) in [
            ("tile get", "/tile/0/001"),
            ("proof get", proof.as_str()),
            ("checkpoint get", Api::V2.checkpoint()),
        ] {
            let calls = vec![Call::get(path)?; requests];
            let read = self.send(CLIENTS, Pace::Closed, calls)?.expect(200)?;
            figures.add(name, read.rate());
        }
        Ok(())
    }

    /// Memory with a thousand open connections.
    pub(super) fn memory(&self, figures: &mut Figures) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..IDLE_CONNECTIONS {
                let mut client = Client::new(&self.0.url);
                let answer = client.send(Call::get("/ping")?).await?;
                ensure!(answer.status == 200, "/ping answers {}", answer.status);
                clients.push(client);
            }
            figures.add("memory at 1024 connections", mib(&self.0)?);
            Ok(())
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// CPU of the program so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        process_cpu(self.0.id())
    }

    pub(super) fn stop(self) -> Result<()> {
        self.0.stop()
    }

    fn send(&self, clients: usize, pace: Pace, calls: Vec<Call>) -> Result<Outcome> {
        run(Load {
            url: &self.0.url,
            clients,
            pace,
            calls,
            keep: false,
        })
    }
}

/// From the start of the process to the first entry that is answered; the instance was made before.
pub(super) fn first_entry(data: &Path, figures: &mut Figures) -> Result<()> {
    if !data.exists() {
        Instance::start_with(data, &LISTEN)?.stop()?;
    }
    let calls = submissions(Api::V2, 1)?;
    let start = Instant::now();
    let server = Server(Instance::start_with(data, &LISTEN)?);
    server.send(1, Pace::Closed, calls)?.expect(201)?;
    figures.add("first entry", micros(start.elapsed()) / 1000.0);
    server.stop()
}

/// Distinct entries to submit.
pub(super) fn submissions(api: Api, count: usize) -> Result<Vec<Call>> {
    let requests = prepare(api, count)?.into_iter();
    requests
        .map(|request| Call::post(api.entries(), request.body))
        .collect::<Result<_>>()
        .context("requests")
}

/// Adds p50 and p99 of a run, in µs.
pub(super) fn percentiles(figures: &mut Figures, name: &str, outcome: &Outcome) {
    for percent in [50.0, 99.0] {
        let latency = micros(outcome.latency.percentile(percent));
        figures.add(format!("{name} p{percent}"), latency);
    }
}

fn mib(instance: &Instance) -> Result<f64> {
    Ok(instance.resident_kib()? as f64 / 1024.0)
}
