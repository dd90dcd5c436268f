//! Clients that go on whatever happens to the server.

use super::answers::newest;
use super::ledger::{Ledger, Next};
use crate::load::{Api, Call, Client, Prepared, stream};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Far longer than any answer takes: one that takes longer is no answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries while the server is away.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two reads of the newest checkpoint.
const POLL: Duration = Duration::from_millis(10);
/// One request in so many is one that was acknowledged before.
const REPEAT: usize = 32;
/// Acknowledged requests that a client remembers for that.
const REMEMBERED: usize = 256;

pub(super) struct Traffic {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts `clients` writers of each log, and one reader of each log's newest checkpoint.
    pub(super) fn start(url: &str, clients: usize, ledger: &Arc<Ledger>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for api in Api::BOTH {
            let requests = Arc::new(Mutex::new(stream(api, clients * 16)?));
            for _ in 0..clients {
                let writer = Writer {
                    client: Client::new(url),
                    requests: requests.clone(),
                    remembered: Vec::new(),
                    ledger: ledger.clone(),
                    stop: stop.clone(),
                };
                tasks.push(runtime.spawn(writer.run()));
            }
            tasks.push(runtime.spawn(poll(api, Client::new(url), ledger.clone(), stop.clone())));
        }
        Ok(Self {
            runtime,
            stop,
            tasks,
        })
    }

    /// Stops when every request under way has its answer; the server must be there.
    pub(super) fn stop(self, ledger: &Ledger) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let all = futures::future::join_all(self.tasks);
        let finished = self
            .runtime
            .block_on(async { timeout(4 * PATIENCE, all).await })
            .context("the last requests got no answer")?;
        ensure!(
            finished.iter().all(Result::is_ok),
            "a client stopped: {:?}",
            ledger.faults()
        );
        Ok(())
    }
}

/// Submits entries, one after the other, each until it has an answer.
struct Writer {
    client: Client,
    requests: Arc<Mutex<mpsc::Receiver<Prepared>>>,
    remembered: Vec<Prepared>,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
}

impl Writer {
    async fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(request) = self.choose().await else {
                return;
            };
            while self.submit(&request).await == Next::Again {
                sleep(PAUSE).await;
            }
            self.remember(request);
        }
    }

    async fn choose(&self) -> Option<Prepared> {
        match fastrand::usize(..REPEAT) {
            0 if !self.remembered.is_empty() => fastrand::choice(&self.remembered).cloned(),
            _ => self.requests.lock().await.recv().await,
        }
    }

    async fn submit(&mut self, request: &Prepared) -> Next {
        let Ok(call) = Call::post(request.api.entries(), request.body.clone()) else {
            return Next::Another;
        };
        match timeout(PATIENCE, self.client.send(call)).await {
            Ok(Ok(answer)) => self.ledger.submitted(request, &answer),
            Ok(Err(_)) => {
                self.ledger.unanswered();
                Next::Again
            }
            Err(_) => {
                self.ledger
                    .fault(format!("no answer within {PATIENCE:?}, connection open"));
                self.client.reset();
                Next::Again
            }
        }
    }

    fn remember(&mut self, request: Prepared) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(request);
        } else {
            self.remembered[fastrand::usize(..REMEMBERED)] = request;
        }
    }
}

/// Reads the newest checkpoint over and over; it must never be older than what was answered before.
async fn poll(api: Api, mut client: Client, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    let Ok(call) = Call::get(api.checkpoint()) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let least = ledger.newest(api);
        if let Ok(Ok(answer)) = timeout(PATIENCE, client.send(call.clone())).await {
            match newest(api, &answer) {
                Ok(note) => ledger.polled(api, note, least),
                Err(error) => ledger.fault(format!("{} checkpoint: {error:#}", api.name())),
            }
        }
        sleep(POLL).await;
    }
}
