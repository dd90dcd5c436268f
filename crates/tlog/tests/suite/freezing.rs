//! Freezing: for ever, for every process, and below what was acknowledged.

use crate::faulty::Fault;
use crate::fixture::{
    Fixture, NoteSigner, append, append_all, audit, check_answer, check_checkpoint, submission,
};
use crate::stamp;
use sqlx::Connection as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tlog::{AppendError, FileGuard, Guard, Limits, Log, Store, fsck};

stamp!(
    a_frozen_log_refuses_entries_and_answers_reads,
    freezing_twice_changes_nothing,
    frozen_outlives_a_restart,
    no_fault_undoes_or_doubles_a_freeze,
    a_store_that_is_down_freezes_on_the_second_try,
    another_process_sees_the_freeze_at_its_next_entry,
    what_waits_in_the_pool_is_in_the_log_or_refused,
    a_freeze_under_the_load_of_another_writer_loses_nothing,
    a_frozen_log_is_clean,
    an_empty_log_can_be_frozen,
    a_closed_log_is_not_frozen,
);

async fn a_frozen_log_refuses_entries_and_answers_reads(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..3).await;
    let before = log.head();
    fixture.hand.advance(5);
    let head = log.freeze().await.unwrap();
    assert!(log.is_frozen());
    assert_eq!(log.head(), head);
    assert_eq!((head.size, head.root), (before.size, before.root));
    assert_eq!(head.time_ms, before.time_ms + 5000);
    check_checkpoint(&head);
    assert_ne!(head.checkpoint, before.checkpoint, "signed once more");
    for number in [0, 3] {
        let refused = log.append(submission(number)).await.unwrap_err();
        assert_eq!(refused, AppendError::Frozen);
    }
    assert_eq!(audit(&*fixture.store, &log).await.len(), 3);
}

async fn freezing_twice_changes_nothing(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    append_all(&one, 0..3).await;
    let head = one.freeze().await.unwrap();
    assert_eq!(one.freeze().await.unwrap(), head);
    assert_eq!(two.freeze().await.unwrap(), head);
    assert!(two.is_frozen());
    let stored = fixture.store.head("test").await.unwrap().unwrap();
    assert_eq!(stored, *head);
}

async fn frozen_outlives_a_restart(mut fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..3).await;
    let head = log.freeze().await.unwrap();
    log.close().await;
    drop(log);
    fixture.restart().await;
    let log = fixture.open().await;
    assert!(log.is_frozen());
    assert_eq!(log.head(), head);
    let refused = log.append(submission(3)).await.unwrap_err();
    assert_eq!(refused, AppendError::Frozen);
    assert_eq!(audit(&*fixture.store, &log).await.len(), 3);
}

async fn no_fault_undoes_or_doubles_a_freeze(fixture: Fixture) {
    for (round, fault) in [
        Fault::UnknownLost,
        Fault::UnknownStored,
        Fault::Conflict,
        Fault::ConflictStored,
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{fault:?}");
        let log = fixture.try_open(&name, Limits::default(), true).await;
        let log = log.unwrap();
        append_all(&log, 0..3).await;
        fixture.store.plan([fault]);
        let head = log.freeze().await.unwrap();
        let stored = fixture.store.since(&name, 0).await.unwrap().unwrap();
        assert!(stored.frozen && stored.head == *head, "{round}: {fault:?}");
        assert_eq!(
            log.append(submission(3)).await.unwrap_err(),
            AppendError::Frozen
        );
        assert_eq!(audit(&*fixture.store, &log).await.len(), 3);
    }
}

async fn a_store_that_is_down_freezes_on_the_second_try(fixture: Fixture) {
    for fault in [
        Fault::Failed,
        Fault::UnknownStoredThenDown,
        Fault::UnknownLostThenDown,
    ] {
        let name = format!("{fault:?}");
        let log = fixture.try_open(&name, Limits::default(), true).await;
        let log = log.unwrap();
        append_all(&log, 0..3).await;
        fixture.store.plan([fault]);
        let error = log.freeze().await.unwrap_err();
        assert!(matches!(error, AppendError::Unavailable(_)), "{error}");
        let head = log.freeze().await.unwrap();
        let stored = fixture.store.since(&name, 0).await.unwrap().unwrap();
        assert!(stored.frozen && stored.head == *head, "{fault:?}");
    }
}

async fn another_process_sees_the_freeze_at_its_next_entry(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    append_all(&one, 0..3).await;
    append(&two, submission(3)).await;
    let head = one.freeze().await.unwrap();
    assert_eq!(head.size, 4);
    let refused = two.append(submission(4)).await.unwrap_err();
    assert_eq!(refused, AppendError::Frozen);
    assert!(two.is_frozen());
    assert_eq!(two.head(), head);
}

async fn what_waits_in_the_pool_is_in_the_log_or_refused(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.hold();
    let waiting: Vec<_> = (0..600)
        .map(|number| {
            let log = log.clone();
            tokio::spawn(async move { log.append(submission(number)).await })
        })
        .collect();
    fixture.store.until_commits(1).await;
    let frozen = tokio::spawn({
        let log = log.clone();
        async move { log.freeze().await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    fixture.store.release();
    let head = frozen.await.unwrap().unwrap();
    let mut logged = 0;
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(answer) => {
                check_answer(&answer);
                assert!(answer.entry.index < head.size);
                logged += 1;
            }
            Err(error) => assert_eq!(error, AppendError::Frozen),
        }
    }
    assert_eq!(logged, head.size);
}

async fn a_freeze_under_the_load_of_another_writer_loses_nothing(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4_usize {
        let (log, stop) = (two.clone(), stop.clone());
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for number in task * 10_000.. {
                match log.append(submission(number)).await {
                    Ok(answer) => answers.push(answer),
                    Err(AppendError::Frozen) => return answers,
                    Err(error) => panic!("{error}"),
                }
                assert!(!stop.load(Ordering::SeqCst), "an entry behind the freeze");
            }
            answers
        });
    }
    append_all(&one, 90_000..90_003).await;
    let head = one.freeze().await.unwrap();
    // An answer that was on its way may still arrive; a second one of the same task may not.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    stop.store(true, Ordering::SeqCst);
    let answers = tasks.join_all().await.concat();
    assert!(answers.iter().all(|answer| answer.entry.index < head.size));
    assert_eq!(answers.len() as u64 + 3, head.size);
    answers.iter().for_each(check_answer);
    assert_eq!(
        audit(&*fixture.store, &one).await.len() as u64,
        head.size,
        "every entry of the frozen head is there"
    );
    assert_eq!(two.head(), head);
}

async fn a_frozen_log_is_clean(fixture: Fixture) {
    struct Any;
    impl fsck::HeadVerifier for Any {
        fn verify_head(&self, _: &tlog::TreeHead) -> Result<(), String> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let guard = FileGuard::open(folder.path()).unwrap();
    for size in [0, 3, 256] {
        let name = format!("size-{size}");
        let log = Log::open_guarded(
            fixture.store.clone(),
            &name,
            fixture.signer.clone(),
            fixture.clock.clone(),
            Limits::default(),
            true,
            guard.clone(),
        );
        let log = log.await.unwrap();
        append_all(&log, 0..size).await;
        fixture.hand.advance(1);
        let head = log.freeze().await.unwrap();
        assert_eq!(guard.load(&name).await.unwrap().unwrap(), *head);
        let report = fsck::check(&*fixture.store, &name, &Any, &*guard, &mut |_, _| {}).await;
        let report = report.unwrap();
        assert!(report.is_clean() && report.frozen, "{report:?}");
        log.close().await;
    }
}

async fn an_empty_log_can_be_frozen(fixture: Fixture) {
    let log = fixture.open().await;
    let head = log.freeze().await.unwrap();
    assert_eq!((head.size, head.root), (0, merkle::empty_root()));
    let refused = fixture.open().await.append(submission(0)).await;
    assert_eq!(refused.unwrap_err(), AppendError::Frozen);
}

async fn a_closed_log_is_not_frozen(fixture: Fixture) {
    let log = fixture.open().await;
    log.close().await;
    assert_eq!(log.freeze().await.unwrap_err(), AppendError::Closed);
    let stored = fixture.store.since("test", 0).await.unwrap().unwrap();
    assert!(!stored.frozen);
}

/// A release that does not know the mark commits as it always did.
const AS_BEFORE: &str = "UPDATE tlog_log SET size = size + 1 WHERE name = 'test'";

#[tokio::test]
async fn the_file_itself_keeps_other_releases_from_a_frozen_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let store = tlog::store::sqlite(&path).await.unwrap();
    let signer = Arc::new(NoteSigner::default());
    let clock = clock::Clock::system();
    let log = Log::open(store, "test", signer, clock, Limits::default(), true);
    let log = log.await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let before = sqlx::query(AS_BEFORE).execute(&pool).await.unwrap();
    assert_eq!(before.rows_affected(), 1);
    let undo = "UPDATE tlog_log SET size = size - 1 WHERE name = 'test'";
    sqlx::query(undo).execute(&pool).await.unwrap();
    log.freeze().await.unwrap();
    let refused = sqlx::query(AS_BEFORE).execute(&pool).await.unwrap_err();
    assert!(refused.to_string().contains("frozen"), "{refused}");
    pool.close().await;
}

#[tokio::test]
async fn the_server_itself_keeps_other_releases_from_a_frozen_log() {
    let Some(fixture) = Fixture::postgres().await else {
        return;
    };
    let log = fixture.open().await;
    log.freeze().await.unwrap();
    let mut connection = sqlx::PgConnection::connect(fixture.url()).await.unwrap();
    let refused = sqlx::query(AS_BEFORE).execute(&mut connection).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("frozen"), "{refused}");
}
