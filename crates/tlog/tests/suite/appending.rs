//! Appending: every answer is proved, any batching gives the same tree.

use crate::fixture::{
    Fixture, append, append_all, append_together, audit, leaf, literal_root, submission,
};
use crate::stamp;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use tlog::{AppendError, Limits, OpenError, Store};

stamp!(
    entries_are_proved_around_every_boundary,
    any_batching_gives_the_same_tree,
    concurrent_appenders_get_each_an_index,
    what_waits_goes_into_one_batch,
    a_large_entry_goes_alone,
    logs_in_one_store_do_not_mix,
    a_log_is_not_created_unasked,
    time_never_goes_back,
    a_head_that_cannot_be_signed_is_not_stored,
);

async fn entries_are_proved_around_every_boundary(fixture: Fixture) {
    let log = fixture.open().await;
    assert_eq!(
        (log.head().size, log.head().root),
        (0, merkle::empty_root())
    );
    let mut next = 0;
    for size in [1, 2, 255, 256, 257, 513] {
        for answer in append_together(&log, next..size).await {
            assert!(!answer.duplicate);
        }
        let one_more = append_all(&log, size..size + 1).await;
        assert_eq!(one_more[0].entry.index, size as u64);
        assert_eq!(one_more[0].head.size, size as u64 + 1);
        next = size + 1;
        audit(&*fixture.store, &log).await;
    }
}

async fn any_batching_gives_the_same_tree(fixture: Fixture) {
    let leaves: Vec<_> = (0..300).map(|number| submission(number).identity).collect();
    for batch_entries in [1, 7, 100, 256, 100_000] {
        let limits = Limits {
            batch_entries,
            ..Limits::default()
        };
        let log = fixture
            .try_open(&format!("by {batch_entries}"), limits, true)
            .await
            .unwrap();
        append_together(&log, 0..300).await;
        assert_eq!(
            log.head().root,
            literal_root(&leaves),
            "batches of {batch_entries}"
        );
        let rows = fixture
            .store
            .batches(log.name(), 0, 300, usize::MAX)
            .await
            .unwrap();
        assert!(
            rows.iter()
                .all(|row| usize::from(row.count) <= batch_entries)
        );
    }
}

async fn concurrent_appenders_get_each_an_index(fixture: Fixture) {
    let log = fixture.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let log = log.clone();
        tasks.spawn(async move { append_all(&log, task * 20..(task + 1) * 20).await });
    }
    let answers = tasks.join_all().await.concat();
    let indices: HashSet<u64> = answers.iter().map(|answer| answer.entry.index).collect();
    assert_eq!(indices, (0..640).collect());
    let leaves = audit(&*fixture.store, &log).await;
    for answer in answers {
        assert_eq!(answer.entry.leaf, leaves[answer.entry.index as usize]);
        assert_eq!(
            log.root_at(answer.head.size).await.unwrap(),
            answer.head.root
        );
    }
}

async fn what_waits_goes_into_one_batch(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.hold();
    let first = tokio::spawn({
        let log = log.clone();
        async move { append_all(&log, 0..1).await }
    });
    fixture.store.until_commits(1).await;
    let rest = tokio::spawn({
        let log = log.clone();
        async move { append_together(&log, 1..101).await }
    });
    // All hundred are in the pool long before the first commit may end.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    fixture.store.release();
    first.await.unwrap();
    rest.await.unwrap();
    let rows = fixture
        .store
        .batches("test", 0, 101, usize::MAX)
        .await
        .unwrap();
    assert_eq!(
        rows.iter().map(|row| row.count).collect::<Vec<_>>(),
        [1, 100]
    );
}

async fn a_large_entry_goes_alone(fixture: Fixture) {
    let log = fixture
        .open_with(Limits {
            batch_bytes: 100,
            ..Limits::default()
        })
        .await;
    fixture.store.hold();
    let answers = futures::future::join_all([40, 40, 40, 500, 40].map(|length| {
        let entry = leaf(format!("{}{length}", "x".repeat(length)));
        let unique = tlog::Submission {
            identity: rand_identity(),
            ..entry
        };
        let log = log.clone();
        async move { log.append(unique).await.unwrap() }
    }));
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        fixture.store.release();
    };
    let (answers, ()) = tokio::join!(answers, release);
    assert_eq!(answers.len(), 5);
    let rows = fixture
        .store
        .batches("test", 0, 5, usize::MAX)
        .await
        .unwrap();
    assert!(
        rows.iter()
            .all(|row| row.count == 1 || row.bodies.len() <= 100 + 4 * usize::from(row.count))
    );
    assert_eq!(rows.iter().map(|row| u64::from(row.count)).sum::<u64>(), 5);
}

fn rand_identity() -> merkle::Hash {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    merkle::leaf_hash(&NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes())
}

async fn logs_in_one_store_do_not_mix(fixture: Fixture) {
    let one = fixture
        .try_open("rekor-v1", Limits::default(), true)
        .await
        .unwrap();
    let two = fixture
        .try_open("rekor-v2", Limits::default(), true)
        .await
        .unwrap();
    append_together(&one, 0..300).await;
    append_together(&two, 200..210).await;
    assert_eq!((one.head().size, two.head().size), (300, 10));
    assert_eq!((one.name(), two.name()), ("rekor-v1", "rekor-v2"));
    assert_eq!(two.find_leaf(&submission(0).identity).await.unwrap(), None);
    assert_eq!(audit(&*fixture.store, &one).await.len(), 300);
    assert_eq!(audit(&*fixture.store, &two).await.len(), 10);
}

async fn a_log_is_not_created_unasked(fixture: Fixture) {
    let error = fixture
        .try_open("ct", Limits::default(), false)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Missing(name) if name == "ct"));
    fixture
        .try_open("ct", Limits::default(), true)
        .await
        .unwrap()
        .close()
        .await;
    fixture
        .try_open("ct", Limits::default(), false)
        .await
        .unwrap();
    let empty: Vec<u64> = fixture
        .signer
        .signed()
        .iter()
        .map(|(size, ..)| *size)
        .collect();
    assert_eq!(empty, [0], "opening signs nothing");
}

async fn time_never_goes_back(fixture: Fixture) {
    let log = fixture.open().await;
    let first = append(&log, submission(1)).await;
    fixture.hand.advance(-3600);
    let second = append(&log, submission(2)).await;
    assert_eq!(second.head.time_ms, first.head.time_ms);
    assert_eq!(second.entry.time_ms, first.entry.time_ms);
    fixture.hand.advance(7200);
    let third = append(&log, submission(3)).await;
    assert_eq!(third.entry.time_ms, first.entry.time_ms + 3_600_000);
}

async fn a_head_that_cannot_be_signed_is_not_stored(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..3).await;
    fixture.signer.broken.store(true, Ordering::SeqCst);
    let error = log.append(submission(3)).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(why) if why.contains("the key is not there")));
    assert_eq!(fixture.store.head("test").await.unwrap().unwrap().size, 3);
    fixture.signer.broken.store(false, Ordering::SeqCst);
    assert_eq!(append(&log, submission(3)).await.entry.index, 3);
}
