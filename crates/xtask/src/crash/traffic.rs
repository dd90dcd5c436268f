//! Clients that go on whatever happens to the servers.

use super::answers::newest;
use super::certificates::Subscriber;
use super::ledger::{Ledger, Next};
use crate::load::{Answer, Api, Call, Client, Prepared, stream};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Between two tries while the server is away.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two tries where other processes serve the same logs: what is asked next is another one.
const PAUSE_ELSEWHERE: Duration = Duration::from_millis(50);
/// Tries of a client before it would tell its user that signing failed, as common clients have it.
const TRIES: u32 = 4;
/// Between two reads of the newest checkpoint.
const POLL: Duration = Duration::from_millis(10);
/// One request in so many is one that was acknowledged before.
const REPEAT: usize = 32;
/// One request in so many goes to two processes at once.
const TWICE: usize = 8;
/// Acknowledged requests that a client remembers for that.
const REMEMBERED: usize = 256;

/// Who sends what where.
pub(crate) struct Plan {
    /// Processes that serve the same logs.
    pub(crate) urls: Vec<String>,
    /// Writers of each log.
    pub(crate) clients: usize,
    /// Whom the CA issues certificates to.
    pub(crate) token: String,
    /// At any time at least one of the processes serves: whoever has no answer after some tries is told that signing failed.
    pub(crate) always_served: bool,
    /// Far longer than any answer takes: one that takes longer is no answer.
    pub(crate) patience: Duration,
}

pub(crate) struct Traffic {
    runtime: Runtime,
    patience: Duration,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts the writers of each log, and one reader of each log's newest checkpoint at each process.
    pub(crate) fn start(plan: &Plan, ledger: &Arc<Ledger>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for api in Api::BOTH {
            let requests = Arc::new(Mutex::new(stream(api, plan.clients * 16)?));
            for number in 0..plan.clients {
                let writer = Writer {
                    clients: plan.urls.iter().map(|url| Client::new(url)).collect(),
                    at: number % plan.urls.len(),
                    always_served: plan.always_served,
                    patience: plan.patience,
                    requests: requests.clone(),
                    remembered: Vec::new(),
                    ledger: ledger.clone(),
                    stop: stop.clone(),
                };
                tasks.push(runtime.spawn(writer.run()));
            }
            for (server, url) in plan.urls.iter().enumerate() {
                let poller = Poller {
                    api,
                    server,
                    client: Client::new(url),
                    patience: plan.patience,
                    ledger: ledger.clone(),
                    stop: stop.clone(),
                };
                tasks.push(runtime.spawn(poller.run()));
            }
        }
        let subscriber = Subscriber {
            clients: plan.urls.iter().map(|url| Client::new(url)).collect(),
            token: plan.token.clone(),
            patience: plan.patience,
            ledger: ledger.clone(),
            stop: stop.clone(),
        };
        tasks.push(runtime.spawn(subscriber.run()));
        Ok(Self {
            runtime,
            patience: plan.patience,
            stop,
            tasks,
        })
    }

    /// Stops when every request under way has its answer; a server must be there.
    pub(crate) fn stop(self, ledger: &Ledger) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let all = futures::future::join_all(self.tasks);
        let finished = self
            .runtime
            .block_on(async { timeout(4 * self.patience, all).await })
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
    /// One a process.
    clients: Vec<Client>,
    /// The process that is asked next.
    at: usize,
    always_served: bool,
    patience: Duration,
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
            let mut tries = 1;
            while self.submit(&request).await == Next::Again {
                if tries == TRIES && self.always_served {
                    self.ledger.gave_up();
                }
                tries += 1;
                self.at = (self.at + 1) % self.clients.len();
                sleep(self.pause()).await;
            }
            self.remember(request);
        }
    }

    fn pause(&self) -> Duration {
        match self.clients.len() {
            1 => PAUSE,
            _ => PAUSE_ELSEWHERE,
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
        let second = (self.at + 1) % self.clients.len();
        if second == self.at || fastrand::usize(..TWICE) > 0 {
            let answer = self.send(self.at, call).await;
            return match answer {
                Some(answer) => self.ledger.submitted(self.at, request, &answer),
                None => Next::Again,
            };
        }
        // Strict deduplication: whoever is first, there is one entry.
        let (first, patience) = (self.at, self.patience);
        let Ok([one, two]) = self.clients.get_disjoint_mut([first, second]) else {
            return Next::Again;
        };
        let (one, two) = tokio::join!(
            exchange(one, call.clone(), patience, &self.ledger),
            exchange(two, call, patience, &self.ledger)
        );
        let answers = [(first, one), (second, two)].into_iter();
        let answers = answers.filter_map(|(server, answer)| Some((server, answer?)));
        self.ledger.submitted_together(request, answers.collect())
    }

    async fn send(&mut self, server: usize, call: Call) -> Option<Answer> {
        exchange(&mut self.clients[server], call, self.patience, &self.ledger).await
    }

    fn remember(&mut self, request: Prepared) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(request);
        } else {
            self.remembered[fastrand::usize(..REMEMBERED)] = request;
        }
    }
}

/// Sends one submission; `None` when no answer came.
async fn exchange(
    client: &mut Client,
    call: Call,
    patience: Duration,
    ledger: &Ledger,
) -> Option<Answer> {
    match timeout(patience, client.send(call)).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(_)) => ledger.unanswered(),
        Err(_) => {
            ledger.fault(format!("no answer within {patience:?}, connection open"));
            client.reset();
        }
    }
    None
}

/// Reads the newest checkpoint of one process over and over; it must never be older than what that process answered before.
struct Poller {
    api: Api,
    server: usize,
    client: Client,
    patience: Duration,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
}

impl Poller {
    async fn run(mut self) {
        let Ok(call) = Call::get(self.api.checkpoint()) else {
            return;
        };
        while !self.stop.load(Ordering::Relaxed) {
            let least = self.ledger.newest(self.server, self.api);
            let answer = timeout(self.patience, self.client.send(call.clone())).await;
            if let Ok(Ok(answer)) = answer {
                match newest(self.api, &answer) {
                    Ok(note) => self.ledger.polled(self.server, self.api, note, least),
                    Err(error) => self
                        .ledger
                        .fault(format!("{} checkpoint: {error:#}", self.api.name())),
                }
            }
            sleep(POLL).await;
        }
    }
}
