//! A table of faults, each at several places: afterwards the log is whole, no acknowledged entry is lost, none is
//! there twice.

use crate::faulty::Fault;
use crate::fixture::{Fixture, append, append_all, audit, check_answer, insist, submission};
use crate::stamp;
use tlog::{AppendError, Limits};

stamp!(
    no_fault_loses_or_doubles_an_entry,
    faults_under_load_lose_nothing,
    a_failed_commit_is_refused_and_stores_nothing,
    a_lost_commit_is_tried_again,
    a_stored_commit_is_answered_as_the_first_copy,
    a_store_that_is_down_refuses_until_it_is_back,
    nothing_is_signed_while_the_outcome_is_unknown,
);

const FAULTS: [Fault; 7] = [
    Fault::Failed,
    Fault::UnknownLost,
    Fault::UnknownStored,
    Fault::Conflict,
    Fault::ConflictStored,
    Fault::UnknownStoredThenDown,
    Fault::UnknownLostThenDown,
];

async fn no_fault_loses_or_doubles_an_entry(fixture: Fixture) {
    for fault in FAULTS {
        // At the first entry, at a tile's last one, and just behind it.
        for before in [0, 255, 256] {
            let log = fixture
                .try_open(&format!("{fault:?} at {before}"), Limits::default(), true)
                .await
                .unwrap();
            crate::fixture::append_together(&log, 0..before).await;
            fixture.store.plan([fault]);
            for number in before..before + 3 {
                check_answer(&insist(&log, number).await);
            }
            assert_eq!(
                audit(&*fixture.store, &log).await.len(),
                before + 3,
                "{fault:?} at {before}"
            );
        }
    }
}

async fn faults_under_load_lose_nothing(fixture: Fixture) {
    let log = fixture.open().await;
    fixture
        .store
        .plan((0..60).flat_map(|round| [FAULTS[round % FAULTS.len()], Fault::None]));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let log = log.clone();
        tasks.spawn(async move {
            for number in task * 25..(task + 1) * 25 {
                check_answer(&insist(&log, number).await);
            }
        });
    }
    tasks.join_all().await;
    let mut leaves = audit(&*fixture.store, &log).await;
    let mut want: Vec<String> = (0..400).map(|number| format!("leaf {number}")).collect();
    leaves.sort();
    want.sort();
    assert_eq!(leaves, want);
}

async fn a_failed_commit_is_refused_and_stores_nothing(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.plan([Fault::Failed]);
    let error = log.append(submission(0)).await.unwrap_err();
    assert_eq!(error, AppendError::Unavailable("disk full".into()));
    assert_eq!(log.head().size, 0);
    let again = append(&log, submission(0)).await;
    assert!(!again.duplicate);
}

async fn a_lost_commit_is_tried_again(fixture: Fixture) {
    let log = fixture.open().await;
    for fault in [Fault::UnknownLost, Fault::Conflict] {
        let size = log.head().size;
        fixture.store.plan([fault, fault, fault]);
        let answer = append(&log, submission(usize::try_from(size).unwrap())).await;
        assert_eq!((answer.entry.index, answer.duplicate), (size, false));
    }
}

async fn a_stored_commit_is_answered_as_the_first_copy(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.plan([Fault::UnknownStored]);
    let answer = append(&log, submission(0)).await;
    assert_eq!((answer.entry.index, answer.duplicate), (0, false));
    // One head was signed for this entry, and it is the one that is stored.
    let sizes: Vec<u64> = fixture
        .signer
        .signed()
        .iter()
        .map(|(size, ..)| *size)
        .collect();
    assert_eq!(sizes, [0, 1]);
}

async fn a_store_that_is_down_refuses_until_it_is_back(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.plan([Fault::UnknownStoredThenDown]);
    let error = log.append(submission(0)).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(why) if why.contains("no connection")));
    let again = append(&log, submission(0)).await;
    assert!(again.duplicate, "it had been stored");
    assert_eq!(audit(&*fixture.store, &log).await.len(), 1);
}

async fn nothing_is_signed_while_the_outcome_is_unknown(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..5).await;
    let before = fixture.signer.signed().len();
    fixture.store.plan([Fault::UnknownLostThenDown]);
    log.append(submission(5)).await.unwrap_err();
    assert_eq!(fixture.signer.signed().len(), before + 1);
    // Another copy of the engine goes on meanwhile; the first one must not sign from its memory.
    let other = fixture.open().await;
    append(&other, submission(6)).await;
    let answer = append(&log, submission(5)).await;
    assert_eq!(answer.entry.index, 6);
    assert_eq!(audit(&*fixture.store, &log).await.len(), 7);
}
