//! Kills at random moments: while it serves, and before it is ready.

use super::{Ledger, Options, PATIENCE, Plan, Round, Server, Traffic, bar, database, prove, token};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Duration;

/// One start in so many is killed before it is ready.
const EARLY: u32 = 5;
/// How long a start may live that is killed early; a start takes some 50 ms.
const EARLY_MILLIS: u64 = 80;
/// How long the others live once they are ready.
const READY_MILLIS: std::ops::RangeInclusive<u64> = 10..=400;

pub(super) fn run(options: &Options) -> Result<()> {
    let round = Round::begin(options, "random kills");
    let folder = tempfile::tempdir()?;
    let (database, _cluster) = database(options)?;
    let server = Server::new(&folder.path().join("data"), database.as_deref())?;
    let mut instance = server.spawn()?.ready()?;
    let ledger = Arc::new(Ledger::default());
    let plan = Plan {
        urls: vec![server.url.clone()],
        clients: options.clients,
        token: token(&instance)?,
        always_served: false,
        patience: PATIENCE,
    };
    let traffic = Traffic::start(&plan, &ledger)?;

    let bar = bar(u64::from(options.kills));
    let mut random = fastrand::Rng::with_seed(round.seed);
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
            .with_context(|| format!("a start after a kill failed: {}", server.last_words()))?;
        bar.inc(1);
        bar.set_message(format!("{} entries acknowledged", ledger.acknowledged()));
    }
    bar.finish_and_clear();
    traffic.stop(&ledger)?;
    let loaded = round.start.elapsed();
    let proven = prove(&instance, &server.url, &ledger)?;
    instance.stop()?;
    server.fsck()?;
    let kills = format!("{} kills and {early} before ready", options.kills);
    round.end(&kills, loaded, &ledger, &proven)
}
