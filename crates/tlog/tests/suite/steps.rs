//! Every step that writes, with every way in which it can go wrong: fails and nothing is stored, is reported as failed and
//! is stored all the same, is slow, comes second. Afterwards the log goes on, and `fsck` finds nothing.

use crate::faulty::{Fault, Step};
use crate::fixture::{Fixture, append_together, audit, check_answer, insist};
use crate::stamp;
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tlog::fsck::{self, HeadVerifier};
use tlog::{Guard, GuardError, Limits, Log, OpenError, Store, TreeHead};

stamp!(
    a_fault_in_creating_a_log_is_survived,
    a_fault_in_a_commit_is_survived,
    a_fault_in_a_commit_under_the_lock_is_survived,
    a_fault_in_writing_a_run_is_survived,
    a_fault_in_merging_runs_is_survived,
    a_fault_of_the_guard_is_survived,
);

const FAULTS: [Fault; 6] = [
    Fault::Failed,
    Fault::UnknownLost,
    Fault::UnknownStored,
    Fault::Conflict,
    Fault::ConflictStored,
    Fault::Slow,
];

/// Entries whose keys become a run.
const TAIL: usize = 256;

async fn open(fixture: &Fixture, guard: &Arc<Recorder>, name: &str) -> Result<Log, OpenError> {
    let limits = Limits {
        key_tail: TAIL,
        ..Limits::default()
    };
    let (store, signer) = (fixture.store.clone(), fixture.signer.clone());
    let clock = fixture.clock.clone();
    Log::open_guarded(store, name, signer, clock, limits, true, guard.clone()).await
}

/// Everything is there once, in this process and for the next one, and the stored bytes add up.
async fn check(fixture: &Fixture, guard: &Arc<Recorder>, log: &Log, entries: usize) {
    let name = log.name().to_owned();
    let before = audit(&*fixture.store, log).await;
    assert_eq!(before.len(), entries, "{name}");
    log.close().await;
    let again = open(fixture, guard, &name).await.unwrap();
    assert_eq!(audit(&*fixture.store, &again).await, before, "{name}");
    again.close().await;
    let mut progress = |_, _| {};
    let report = fsck::check(
        &*fixture.store,
        &name,
        &AnySignature,
        &**guard,
        &mut progress,
    );
    assert_eq!(report.await.unwrap().findings, [], "{name}");
}

async fn a_fault_in_creating_a_log_is_survived(fixture: Fixture) {
    for fault in FAULTS {
        let (guard, name) = (Arc::default(), format!("create-{fault:?}"));
        fixture.store.plan_at(Step::Create, [fault]);
        let log = match open(&fixture, &guard, &name).await {
            Ok(log) => log,
            // The next start finds the log, or makes it.
            Err(OpenError::Store(_) | OpenError::Missing(_)) => {
                open(&fixture, &guard, &name).await.unwrap()
            }
            Err(error) => panic!("{fault:?}: {error}"),
        };
        append_together(&log, 0..3).await;
        check(&fixture, &guard, &log, 3).await;
    }
}

async fn a_fault_in_a_commit_is_survived(fixture: Fixture) {
    for fault in FAULTS {
        let (guard, name) = (Arc::default(), format!("commit-{fault:?}"));
        let log = open(&fixture, &guard, &name).await.unwrap();
        append_together(&log, 0..255).await;
        fixture.store.plan([fault]);
        for number in 255..260 {
            check_answer(&insist(&log, number).await);
        }
        check(&fixture, &guard, &log, 260).await;
    }
}

async fn a_fault_in_a_commit_under_the_lock_is_survived(fixture: Fixture) {
    for fault in FAULTS {
        let (guard, name) = (Arc::default(), format!("turn-{fault:?}"));
        let log = open(&fixture, &guard, &name).await.unwrap();
        append_together(&log, 0..3).await;
        // Who loses twice waits for the lock.
        let turns = fixture.store.turns.load(Ordering::SeqCst);
        fixture.store.plan([Fault::Conflict, Fault::Conflict]);
        fixture.store.plan_at(Step::Turn, [fault]);
        for number in 3..6 {
            check_answer(&insist(&log, number).await);
        }
        assert!(fixture.store.turns.load(Ordering::SeqCst) > turns);
        check(&fixture, &guard, &log, 6).await;
    }
}

async fn a_fault_in_writing_a_run_is_survived(fixture: Fixture) {
    for fault in FAULTS {
        let (guard, name) = (Arc::default(), format!("run-{fault:?}"));
        let log = open(&fixture, &guard, &name).await.unwrap();
        fixture.store.plan_at(Step::PutRun, [fault]);
        append_together(&log, 0..TAIL + 10).await;
        until_runs(&fixture, &name, 1).await;
        check(&fixture, &guard, &log, TAIL + 10).await;
    }
}

async fn a_fault_in_merging_runs_is_survived(fixture: Fixture) {
    for fault in FAULTS {
        let (guard, name) = (Arc::default(), format!("merge-{fault:?}"));
        let log = open(&fixture, &guard, &name).await.unwrap();
        append_together(&log, 0..7 * TAIL).await;
        until_runs(&fixture, &name, 7).await;
        // The eighth run is written, then all of them are merged.
        fixture.store.plan_at(Step::PutRun, [Fault::None, fault]);
        append_together(&log, 7 * TAIL..8 * TAIL).await;
        until_runs(&fixture, &name, 1).await;
        check(&fixture, &guard, &log, 8 * TAIL).await;
    }
}

/// What a guard cannot record is not shown; a retry is answered from the store.
async fn a_fault_of_the_guard_is_survived(fixture: Fixture) {
    for fault in [Fault::Failed, Fault::UnknownStored, Fault::Slow] {
        let guard: Arc<Recorder> = Arc::default();
        let name = format!("guard-{fault:?}");
        let log = open(&fixture, &guard, &name).await.unwrap();
        append_together(&log, 0..3).await;
        *guard.fault.lock().unwrap() = Some(fault);
        for number in 3..6 {
            check_answer(&insist(&log, number).await);
            assert!(log.head().size <= guard.load(&name).await.unwrap().unwrap().size);
        }
        check(&fixture, &guard, &log, 6).await;
    }
}

async fn until_runs(fixture: &Fixture, name: &str, count: usize) {
    let mut runs = Vec::new();
    for _ in 0..1000 {
        runs = fixture.store.runs(name).await.unwrap();
        if runs.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name}: {runs:?}");
}

/// A guard in memory; its next record may meet a fault.
#[derive(Default)]
struct Recorder {
    heads: Mutex<HashMap<String, TreeHead>>,
    fault: Mutex<Option<Fault>>,
}

#[async_trait]
impl Guard for Recorder {
    async fn load(&self, log: &str) -> Result<Option<TreeHead>, GuardError> {
        Ok(self.heads.lock().unwrap().get(log).cloned())
    }

    async fn record(&self, log: &str, head: &TreeHead) -> Result<(), GuardError> {
        let fault = self.fault.lock().unwrap().take();
        let failed = || GuardError::Io {
            path: log.into(),
            detail: "disk full".into(),
        };
        match fault {
            Some(Fault::Failed) => return Err(failed()),
            Some(Fault::Slow) => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let mut heads = self.heads.lock().unwrap();
        heads.insert(log.to_owned(), head.clone());
        match fault {
            Some(Fault::UnknownStored) => Err(failed()),
            _ => Ok(()),
        }
    }
}

/// The fixture's signatures are numbers.
struct AnySignature;

impl HeadVerifier for AnySignature {
    fn verify_head(&self, _head: &TreeHead) -> Result<(), String> {
        Ok(())
    }
}
