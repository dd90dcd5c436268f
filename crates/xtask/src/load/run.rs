//! One run: some connections, a list of calls, a pace.

use super::samples::{Samples, nanoseconds};
use super::{Answer, Call, Client};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// When the next call is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends when it has its answer.
    Closed,
    /// So many a second over all connections, whatever the server does.
    PerSecond(f64),
}

/// What to send and how.
pub(crate) struct Load<'a> {
    pub(crate) url: &'a str,
    pub(crate) clients: usize,
    pub(crate) pace: Pace,
    pub(crate) calls: Vec<Call>,
    /// Keep the answers.
    pub(crate) keep: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) latency: Samples,
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Calls without an answer.
    pub(crate) broken: usize,
    pub(crate) wall: Duration,
    /// CPU of the generator.
    pub(crate) cpu: Duration,
    /// The place of a call in [`Load::calls`], and its answer; in the order of the calls.
    pub(crate) answers: Vec<(usize, Answer)>,
}

impl Outcome {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.statuses.values().sum::<usize>() as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// Fails unless every answer has this status.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        let others = self.statuses.keys().any(|other| *other != status);
        anyhow::ensure!(
            !others && self.broken == 0,
            "expected {status} only, got {:?} and {} broken connections",
            self.statuses,
            self.broken
        );
        Ok(self)
    }
}

/// Runs a load on this thread, which must not have a runtime.
pub(crate) fn run(load: Load<'_>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send_all(load))
}

async fn send_all(load: Load<'_>) -> Result<Outcome> {
    let shared = Arc::new(Shared {
        next: AtomicUsize::new(0),
        calls: load.calls,
        keep: load.keep,
        outcome: Mutex::new(Outcome::default()),
    });
    // Connections are opened before the clock starts.
    let mut clients: Vec<Client> = (0..load.clients).map(|_| Client::new(load.url)).collect();
    for client in &mut clients {
        client.send(Call::get("/ping")?).await?;
    }
    let (cpu, start) = (thread_cpu()?, Instant::now());
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(one_client(client, shared.clone(), load.pace, start)))
        .collect();
    let mut latencies = Vec::with_capacity(shared.calls.len());
    for task in tasks {
        latencies.extend(task.await?);
    }
    let (wall, cpu) = (start.elapsed(), thread_cpu()?.saturating_sub(cpu));
    let shared = Arc::into_inner(shared).context("a client still runs")?;
    let mut outcome = shared.outcome.into_inner().unwrap_or_default();
    outcome.answers.sort_unstable_by_key(|(index, _)| *index);
    Ok(Outcome {
        latency: Samples::new(latencies),
        wall,
        cpu,
        ..outcome
    })
}

struct Shared {
    next: AtomicUsize,
    calls: Vec<Call>,
    keep: bool,
    outcome: Mutex<Outcome>,
}

async fn one_client(
    mut client: Client,
    shared: Arc<Shared>,
    pace: Pace,
    start: Instant,
) -> Vec<u64> {
    let mut latencies = Vec::new();
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(call) = shared.calls.get(index) else {
            return latencies;
        };
        let since = due(pace, start, index).await;
        let answer = client.send(call.clone()).await;
        latencies.push(nanoseconds(since.elapsed()));
        if let Ok(mut outcome) = shared.outcome.lock() {
            outcome.note(index, answer, shared.keep);
        }
    }
}

/// Waits for a call's turn and tells from when its latency counts: from its turn, when all connections were busy then,
/// so that a server which stands still is seen by every call that should have been sent meanwhile. A timer that fires late
/// (they have milliseconds) is not the server's fault.
async fn due(pace: Pace, start: Instant, index: usize) -> Instant {
    let now = Instant::now();
    let Pace::PerSecond(rate) = pace else {
        return now;
    };
    let turn = start + Duration::from_secs_f64(index as f64 / rate);
    if turn <= now {
        return turn;
    }
    tokio::time::sleep_until(turn.into()).await;
    Instant::now()
}

impl Outcome {
    fn note(&mut self, index: usize, answer: Result<Answer>, keep: bool) {
        match answer {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                if keep {
                    self.answers.push((index, answer));
                }
            }
            Err(_) => self.broken += 1,
        }
    }
}

/// CPU time of this thread so far.
pub(crate) fn thread_cpu() -> Result<Duration> {
    cpu_at(Path::new("/proc/thread-self"))
}

/// CPU time of the thread with this folder in `/proc`.
pub(crate) fn cpu_at(thread: &Path) -> Result<Duration> {
    let path = thread.join("schedstat");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} (Linux only)", path.display()))?;
    // The first field is nanoseconds on a CPU.
    let nanoseconds = text.split_whitespace().next().unwrap_or_default().parse();
    Ok(Duration::from_nanos(nanoseconds.with_context(|| {
        format!("{}: {text:?}", path.display())
    })?))
}

/// CPU time of all threads of a process that still run.
pub(crate) fn process_cpu(pid: u32) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut sum = Duration::ZERO;
    for thread in std::fs::read_dir(&folder).with_context(|| folder.clone())? {
        // A thread may end between the listing and the reading.
        sum += cpu_at(&thread?.path()).unwrap_or_default();
    }
    Ok(sum)
}
