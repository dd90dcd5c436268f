//! Keys in runs: found after their entries left memory, after merges, by other processes, after a restart.

use crate::faulty::{Fault, Step};
use crate::fixture::{Fixture, append, append_together, leaf, submission};
use crate::stamp;
use bytes::Bytes;
use tlog::store::{CommitError, NewRun, RunRow};
use tlog::{Limits, Log, Store, Submission};

stamp!(
    old_entries_are_found_again,
    runs_are_merged_and_found_again,
    a_run_merged_by_another_writer_is_looked_for_again,
    identities_are_found_in_runs,
    a_run_that_was_merged_meanwhile_is_not_written_again,
    a_log_opens_when_its_runs_cannot_be_written,
);

async fn open(fixture: &Fixture) -> Log {
    let limits = Limits {
        key_tail: 256,
        ..Limits::default()
    };
    fixture.open_with(limits).await
}

/// Waits until the runs of the log cover `covered` entries in `count` runs.
async fn until_runs(fixture: &Fixture, count: usize, covered: u64) {
    let mut runs: Vec<RunRow> = Vec::new();
    for _ in 0..1000 {
        runs = fixture.store.runs("test").await.unwrap();
        if runs.len() == count && runs.iter().map(|run| run.past).max() == Some(covered) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{runs:?}");
}

async fn check_known(log: &Log, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        let again = append(log, submission(number)).await;
        assert!(again.duplicate, "{number}");
        let found = log.find_leaf(&submission(number).identity).await.unwrap();
        assert_eq!(found, Some(again.entry.index));
    }
}

async fn old_entries_are_found_again(mut fixture: Fixture) {
    let log = open(&fixture).await;
    append_together(&log, 0..700).await;
    until_runs(&fixture, 2, 512).await;
    check_known(&log, (0..700).step_by(23)).await;
    assert!(!append(&log, submission(700)).await.duplicate);
    assert_eq!(
        log.find_leaf(&submission(701).identity).await.unwrap(),
        None
    );
    log.close().await;
    drop(log);
    fixture.restart().await;
    let log = open(&fixture).await;
    if log.head().size > 0 {
        check_known(&log, (0..701).step_by(31)).await;
    }
}

async fn runs_are_merged_and_found_again(fixture: Fixture) {
    let log = open(&fixture).await;
    append_together(&log, 0..2048).await;
    until_runs(&fixture, 1, 2048).await;
    append_together(&log, 2048..2400).await;
    until_runs(&fixture, 2, 2304).await;
    check_known(&log, (0..2400).step_by(67)).await;
    let other = open(&fixture).await;
    check_known(&other, (0..2400).step_by(71)).await;
}

async fn a_run_merged_by_another_writer_is_looked_for_again(fixture: Fixture) {
    let one = open(&fixture).await;
    append_together(&one, 0..1900).await;
    until_runs(&fixture, 7, 1792).await;
    let two = open(&fixture).await;
    append_together(&one, 1900..2100).await;
    until_runs(&fixture, 1, 2048).await;
    check_known(&two, (0..2100).step_by(59)).await;
}

async fn identities_are_found_in_runs(fixture: Fixture) {
    let log = open(&fixture).await;
    let identity = |number: usize| merkle::leaf_hash(format!("identity {number}").as_bytes());
    let with = |number: usize| Submission {
        identity: identity(number),
        extra: Bytes::from_static(b"beside"),
        ..leaf(format!("leaf {}", number % 300))
    };
    for start in [0, 300] {
        let all = (start..start + 300).map(|number| append(&log, with(number)));
        futures::future::join_all(all).await;
    }
    until_runs(&fixture, 2, 512).await;
    for number in (0..600).step_by(29) {
        assert!(append(&log, with(number)).await.duplicate);
        let found = log.find_identity(&identity(number)).await.unwrap().unwrap();
        assert_eq!(
            log.entry(found).await.unwrap().unwrap().leaf,
            with(number).leaf
        );
        let first = log
            .find_leaf(&merkle::leaf_hash(&with(number).leaf))
            .await
            .unwrap();
        assert!(first.unwrap() < 300, "the first one is found");
        let leaf = merkle::leaf_hash(&with(number).leaf);
        assert_eq!(log.find_identity(&leaf).await.unwrap(), None);
    }
    assert_eq!(log.head().size, 600);
}

/// A process that is late with a run, as one that was stopped for a while: another one has written and merged it.
async fn a_run_that_was_merged_meanwhile_is_not_written_again(fixture: Fixture) {
    let log = open(&fixture).await;
    append_together(&log, 0..2048).await;
    until_runs(&fixture, 1, 2048).await;
    let late = |first, past| NewRun {
        row: RunRow {
            first,
            past,
            pages: 1,
        },
        filter: Bytes::from_static(&[0; 64]),
        pages: vec![Bytes::from_static(&[0; 64])],
    };
    for (first, past) in [(0, 256), (1792, 2048), (0, 2048)] {
        let put = fixture.store.put_run("test", &late(first, past), &[]).await;
        assert_eq!(put, Err(CommitError::Conflict), "{first} to {past}");
    }
    assert_eq!(fixture.store.runs("test").await.unwrap().len(), 1);
}

async fn a_log_opens_when_its_runs_cannot_be_written(mut fixture: Fixture) {
    let log = fixture.open().await;
    append_together(&log, 0..600).await;
    log.close().await;
    drop(log);
    fixture.restart().await;
    if fixture.store.head("test").await.unwrap().is_none() {
        // In memory nothing is left of it.
        return;
    }
    fixture.store.plan_at(Step::PutRun, [Fault::Failed; 2]);
    let log = open(&fixture).await;
    check_known(&log, (0..600).step_by(37)).await;
    // The disk has room again.
    until_runs(&fixture, 2, 512).await;
    check_known(&log, (0..600).step_by(41)).await;
    log.close().await;
}
