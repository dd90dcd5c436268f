//! One instance over one database server, under load.

use crate::crash::{Ledger, Plan, Server, Traffic, prove, token};
use crate::e2e::Instance;
use crate::load::{Answer, Api, Call, Client, prepare};
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A submission that waits for a server which does not answer is refused within this; commits time out later.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long it may take until the program notices that its database is away, or is back.
const NOTICE: Duration = Duration::from_secs(30);
/// Writers of each log.
const CLIENTS: usize = 4;

pub(super) struct Stage {
    server: Server,
    instance: Instance,
    ledger: Arc<Ledger>,
    traffic: Traffic,
    runtime: Runtime,
    start: Instant,
    _folder: TempDir,
}

impl Stage {
    /// Starts an instance over the database of this URL, and the load.
    pub(super) fn begin(database: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::new(&folder.path().join("data"), Some(database))?;
        let instance = server.spawn()?.ready()?;
        let ledger = Arc::new(Ledger::default());
        let plan = Plan {
            urls: vec![server.url.clone()],
            clients: CLIENTS,
            token: token(&instance)?,
            always_served: false,
            patience: PATIENCE,
        };
        let traffic = Traffic::start(&plan, &ledger)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stage = Self {
            server,
            instance,
            ledger,
            traffic,
            runtime,
            start: Instant::now(),
            _folder: folder,
        };
        stage.until_more(100)?;
        Ok(stage)
    }

    /// Waits until so many more entries are acknowledged.
    pub(super) fn until_more(&self, entries: usize) -> Result<()> {
        let (start, want) = (Instant::now(), self.ledger.acknowledged() + entries);
        while self.ledger.acknowledged() < want {
            ensure!(
                start.elapsed() < NOTICE,
                "no entry is acknowledged any more: {}",
                self.server.last_words()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Checks what is said while nothing can be stored: 503 with `Retry-After` to both APIs, `/readyz` with a reason.
    pub(super) fn check_refuses(&self) -> Result<()> {
        for api in Api::BOTH {
            let start = Instant::now();
            loop {
                let request = prepare(api, 1)?.pop().context("a request")?;
                let answer = self.send(Call::post(api.entries(), request.body)?)?;
                if answer.status == 503 && answer.header("retry-after").is_some() {
                    break;
                }
                // A full disk takes what fits in what was allocated before.
                ensure!(
                    answer.status == 201 && start.elapsed() < NOTICE,
                    "{}: {} {:?}",
                    api.name(),
                    answer.status,
                    answer.body
                );
            }
        }
        self.until_ready(503)?;
        // What is in memory is answered all the same.
        let checkpoint = self.send(Call::get(Api::V2.checkpoint())?)?;
        ensure!(
            checkpoint.status == 200,
            "/checkpoint: {}",
            checkpoint.status
        );
        Ok(())
    }

    /// Waits until the same process goes on and says so; gives how long that took.
    pub(super) fn check_recovers(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.until_more(100)?;
        let took = start.elapsed();
        self.until_ready(200)?;
        self.instance.check_alive()?;
        Ok(took)
    }

    /// The proof: nothing lost, nothing twice, fsck.
    pub(super) fn end(self, what: &str) -> Result<()> {
        self.traffic.stop(&self.ledger)?;
        let proven = prove(&self.instance, &self.server.url, &self.ledger)?;
        self.instance.stop()?;
        self.server.fsck()?;
        let faults = self.ledger.faults();
        if !faults.is_empty() {
            bail!("{what}: {} faults:\n{}", faults.len(), faults.join("\n"));
        }
        let (counts, seconds) = (self.ledger.counts(), self.start.elapsed().as_secs_f64());
        println!("{what}: {seconds:.1} s\n{counts}\n{proven}");
        Ok(())
    }

    fn until_ready(&self, status: u16) -> Result<()> {
        let start = Instant::now();
        loop {
            let answer = self.send(Call::get("/readyz")?)?;
            if answer.status == status {
                return Ok(());
            }
            ensure!(
                start.elapsed() < NOTICE,
                "/readyz answers {} {:?}, not {status}",
                answer.status,
                answer.body
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn send(&self, call: Call) -> Result<Answer> {
        let mut client = Client::new(&self.server.url);
        self.runtime.block_on(async { client.send(call).await })
    }
}
