//! Kills at every named moment: the program kills itself there ([`tlog::kill`]).

use super::{Ledger, Options, PATIENCE, Plan, Round, Server, Traffic, bar, database, prove, token};
use crate::shell::{cargo, root, step};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tlog::kill::Moment;

/// How long a process may live until it passes its moment: the rarest one is the merging of eight runs of 256 keys.
const DEATH: Duration = Duration::from_secs(60);
/// Writers of each log: eight runs of 256 keys have to be there soon.
const CLIENTS: usize = 32;
/// A later round dies at one of so many passages.
const PASSAGES: u64 = 8;

/// When a process passes a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// While an instance is made.
    Creation,
    /// Under load.
    Load,
    /// Under load, on SQLite only.
    LoadOnFile,
    /// Under load, where other processes commit as well.
    Contended,
    /// When it is asked to stop.
    Stop,
}

/// Exhaustive: a new moment is not forgotten here.
fn when(moment: Moment) -> &'static [When] {
    match moment {
        Moment::FolderClaimed
        | Moment::KeysMade
        | Moment::PublicSaved
        | Moment::LogCreate
        | Moment::LogCreated
        | Moment::InstanceFinish
        | Moment::InstanceFinished => &[When::Creation],
        Moment::BatchGathered
        | Moment::HeadSigned
        | Moment::BatchCommitted
        | Moment::HeadGuarded
        | Moment::HeadPublished
        | Moment::BatchAnswered
        | Moment::RunPut
        | Moment::RunWritten
        | Moment::RunStored
        | Moment::MergePut
        | Moment::MergeStored => &[When::Load],
        Moment::GuardWrite | Moment::GuardWritten | Moment::GuardRenamed => {
            &[When::Creation, When::Load]
        }
        Moment::BatchWritten => &[When::LoadOnFile, When::Contended],
        Moment::TurnTaken => &[When::Contended],
        Moment::CheckpointStart | Moment::CheckpointDone => &[When::LoadOnFile],
        Moment::StoreClose | Moment::StoreClosed => &[When::Stop],
    }
}

/// Builds the program that can kill itself, and gives a copy that no later build replaces. The development build will do:
/// what counts is where it dies.
pub(super) fn build() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("SIGSTEAD_KILL_BINARY") {
        return Ok(PathBuf::from(program));
    }
    step(
        "building the program that kills itself",
        cargo().args([
            "build",
            "--quiet",
            "--package",
            "sigstead",
            "--features",
            "kill-points",
        ]),
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = target.join("debug/sigstead-kill-points");
    fs::copy(target.join("debug/sigstead"), &program)?;
    Ok(program)
}

/// Kills at every moment, `rounds` times: first when it is passed for the first time, then at a random passage.
pub(super) fn run(options: &Options, program: &Path, rounds: u32) -> Result<()> {
    let round = Round::begin(options, "named moments");
    let folder = tempfile::tempdir()?;
    let (database, _cluster) = database(options)?;
    let server = Server::new(&folder.path().join("data"), database.as_deref())?.running(program);
    let mut random = fastrand::Rng::with_seed(round.seed);
    let at = |wanted: &'static [When]| {
        let all = Moment::ALL.iter().copied();
        all.filter(move |moment| when(*moment).iter().any(|when| wanted.contains(when)))
    };

    // 1. An instance that is made in as many pieces as there are moments.
    let mut deaths = 0;
    for moment in at(&[When::Creation]) {
        die(&server, moment, 1)?;
        deaths += 1;
    }
    let instance = server.spawn()?.ready().context("after the creation")?;
    let token = token(&instance)?;
    instance.stop()?;
    let second = match database {
        Some(_) => Some(server.another(&folder.path().join("second"))?),
        None => None,
    };
    let servers: Vec<&Server> = [Some(&server), second.as_ref()]
        .into_iter()
        .flatten()
        .collect();

    // 2. Under load; each death is followed by the next process that is to die.
    let ledger = Arc::new(Ledger::default());
    let plan = Plan {
        urls: servers.iter().map(|server| server.url.clone()).collect(),
        clients: options.clients.max(CLIENTS),
        token,
        always_served: false,
        patience: PATIENCE,
    };
    let traffic = Traffic::start(&plan, &ledger)?;
    let under_load: Vec<Moment> = match second {
        Some(_) => at(&[When::Load]).collect(),
        None => at(&[When::Load, When::LoadOnFile]).collect(),
    };
    let bar = bar(u64::from(rounds) * under_load.len() as u64);
    for lap in 0..rounds {
        for moment in &under_load {
            bar.set_message(moment.name());
            die(&server, *moment, passage(&mut random, lap))?;
            deaths += 1;
            bar.inc(1);
        }
    }
    // 3. Beside another process that goes on.
    let mut instance = server.spawn()?.ready()?;
    if let Some(second) = &second {
        for lap in 0..rounds {
            for moment in at(&[When::Contended]) {
                die(second, moment, passage(&mut random, lap))?;
                deaths += 1;
            }
        }
    }
    instance.check_alive()?;
    instance.stop()?;
    // 4. When asked to stop.
    for moment in at(&[When::Stop]) {
        let instance = server.spawn_dying(moment.name())?.ready()?;
        std::thread::sleep(Duration::from_millis(100));
        instance
            .stop_and_die(DEATH)
            .with_context(|| moment.name())?;
        deaths += 1;
    }
    bar.finish_and_clear();

    let instance = server.spawn()?.ready()?;
    traffic.stop(&ledger)?;
    let loaded = round.start.elapsed();
    let proven = prove(&instance, &server.url, &ledger)?;
    instance.stop()?;
    for server in servers {
        server.fsck()?;
    }
    let kills = format!("{deaths} kills at {} named moments", Moment::ALL.len());
    round.end(&kills, loaded, &ledger, &proven)
}

fn passage(random: &mut fastrand::Rng, lap: u32) -> u64 {
    match lap {
        0 => 1,
        _ => random.u64(1..=PASSAGES),
    }
}

/// Starts a process and waits until it killed itself at a moment.
fn die(server: &Server, moment: Moment, passage: u64) -> Result<()> {
    // Runs are written and merged seldom: their first passage is waited for long enough.
    let passage = match moment {
        Moment::RunPut | Moment::RunWritten | Moment::RunStored => passage.min(2),
        Moment::MergePut | Moment::MergeStored => 1,
        _ => passage,
    };
    let point = format!("{}:{passage}", moment.name());
    let starting = server.spawn_dying(&point)?;
    starting
        .die(DEATH)
        .with_context(|| format!("{point}: {}", server.last_words()))
}
