//! Several processes on one PostgreSQL, one of them killed every second: clients go on with another one.

use super::answers::newest;
use super::ledger::size_of;
use super::{Ledger, Options, PATIENCE, Plan, Round, Server, Traffic, bar, database, prove, token};
use crate::e2e::Instance;
use crate::load::{Api, Call, Client};
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From one kill to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// Clients that had to tell their user that signing failed, as a share of the submissions.
const MAX_ERRORS: f64 = 0.001;
/// How long what one process committed may take until all of them show it; a quarter second is promised.
const CATCH_UP: Duration = Duration::from_secs(2);

pub(super) fn run(options: &Options, processes: usize, time: Duration) -> Result<()> {
    ensure!(processes > 1, "--processes: at least 2");
    let what = format!("{processes} processes, one killed every second");
    let round = Round::begin(options, &what);
    let folder = tempfile::tempdir()?;
    let (database, _cluster) = database(options)?;
    // 1. An instance is made by one process; the others get copies of its folder.
    let first = Server::new(&folder.path().join("data-0"), database.as_deref())?;
    first.spawn()?.ready()?.stop()?;
    let mut servers = vec![first];
    for number in 1..processes {
        let data = folder.path().join(format!("data-{number}"));
        servers.push(servers[0].another(&data)?);
    }
    let started = servers.iter().map(|server| server.spawn()?.ready());
    let mut instances: Vec<Instance> = started.collect::<Result<_>>()?;
    // 2. Load on all of them, and a kill every second.
    let ledger = Arc::new(Ledger::default());
    let plan = Plan {
        urls: servers.iter().map(|server| server.url.clone()).collect(),
        clients: options.clients,
        token: token(&instances[0])?,
        always_served: true,
        patience: PATIENCE,
    };
    let traffic = Traffic::start(&plan, &ledger)?;
    let mut random = fastrand::Rng::with_seed(round.seed);
    let (begin, mut kills) = (Instant::now(), 0);
    let bar = bar(time.as_secs());
    while begin.elapsed() < time {
        std::thread::sleep((PERIOD * (kills + 1)).saturating_sub(begin.elapsed()));
        let victim = random.usize(..processes);
        instances.swap_remove(victim).kill()?;
        let started = servers[victim].spawn()?.ready();
        let started = started.with_context(|| servers[victim].last_words())?;
        // In the place that it had: what was last took it.
        instances.push(started);
        let last = instances.len() - 1;
        instances.swap(victim, last);
        kills += 1;
        bar.inc(1);
        bar.set_message(format!("{} entries acknowledged", ledger.acknowledged()));
    }
    bar.finish_and_clear();
    traffic.stop(&ledger)?;
    let loaded = round.start.elapsed();
    // 3. All of them show the same logs, which have everything once.
    agree(&servers)?;
    let proven = prove(&instances[0], &servers[0].url, &ledger)?;
    for instance in instances {
        instance.stop()?;
    }
    for server in &servers {
        server.fsck()?;
    }
    round.end(&format!("{kills} kills"), loaded, &ledger, &proven)?;
    let rate = ledger.counts().error_rate();
    ensure!(
        rate < MAX_ERRORS,
        "{:.4} % of the submissions failed after all tries of a client",
        rate * 100.0
    );
    Ok(())
}

/// Waits until every process answers with a checkpoint of the same size.
fn agree(servers: &[Server]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for api in Api::BOTH {
        let start = Instant::now();
        loop {
            let mut sizes = Vec::new();
            for server in servers {
                let call = Call::get(api.checkpoint())?;
                let answer =
                    runtime.block_on(async { Client::new(&server.url).send(call).await })?;
                sizes.push(size_of(&newest(api, &answer)?));
            }
            if sizes.windows(2).all(|pair| pair[0] == pair[1]) {
                break;
            }
            if start.elapsed() > CATCH_UP {
                bail!(
                    "{}: the processes show trees of {sizes:?} after {CATCH_UP:?}",
                    api.name()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
