//! Bounds: the pool, the size of an entry.

use crate::fixture::{Fixture, append, append_together, leaf, submission};
use crate::stamp;
use bytes::Bytes;
use tlog::{AppendError, Limits, Submission};

stamp!(
    a_full_pool_refuses_at_once,
    an_entry_has_a_largest_size,
    a_batch_waits_for_its_floor,
    a_batch_below_its_floor_goes_when_it_is_old
);

async fn a_full_pool_refuses_at_once(fixture: Fixture) {
    let log = fixture
        .open_with(Limits {
            pool: 4,
            ..Limits::default()
        })
        .await;
    fixture.store.hold();
    let first = tokio::spawn({
        let log = log.clone();
        async move { append(&log, submission(0)).await }
    });
    fixture.store.until_commits(1).await;
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { append_together(&log, 1..5).await }
    });
    let mut refused = 0;
    while refused == 0 {
        let fifth = tokio::time::timeout(
            std::time::Duration::from_millis(50),
            log.append(submission(5)),
        )
        .await;
        match fifth {
            Ok(answer) => {
                assert_eq!(answer.unwrap_err(), AppendError::PoolFull);
                refused += 1;
            }
            Err(_) => continue,
        }
    }
    fixture.store.release();
    first.await.unwrap();
    // Either all four waited, or one was pushed out by the probe above; nobody hangs.
    let _ = waiting.await;
    // One that was pushed out leaves the others in the pool for a moment yet.
    let sixth = loop {
        match log.append(submission(6)).await {
            Err(AppendError::PoolFull) => tokio::task::yield_now().await,
            answer => break answer.unwrap(),
        }
    };
    assert!(!sixth.duplicate);
}

async fn a_batch_waits_for_its_floor(fixture: Fixture) {
    let log = fixture
        .open_with(Limits {
            batch_floor: 3,
            batch_age: std::time::Duration::from_secs(60),
            ..Limits::default()
        })
        .await;
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        append(&log, submission(2)).await
    };
    let (early, last) = tokio::join!(append_together(&log, 0..2), late);
    assert_eq!((early[0].head.size, last.head.size), (3, 3), "one batch");
    // Closing does not wait for the floor.
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { append(&log, submission(3)).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    log.close().await;
    assert_eq!(waiting.await.unwrap().head.size, 4);
}

async fn a_batch_below_its_floor_goes_when_it_is_old(fixture: Fixture) {
    let log = fixture
        .open_with(Limits {
            batch_floor: 100,
            batch_age: std::time::Duration::from_millis(30),
            ..Limits::default()
        })
        .await;
    let start = std::time::Instant::now();
    append(&log, submission(0)).await;
    assert!(start.elapsed() >= std::time::Duration::from_millis(30));
}

async fn an_entry_has_a_largest_size(fixture: Fixture) {
    let log = fixture
        .open_with(Limits {
            max_entry: 10,
            ..Limits::default()
        })
        .await;
    append(&log, leaf("0123456789")).await;
    let error = log.append(leaf("0123456789a")).await.unwrap_err();
    assert_eq!(error, AppendError::TooLarge { have: 11, max: 10 });
    let with_extra = Submission {
        extra: Bytes::from_static(b"56789a"),
        ..leaf("01234")
    };
    assert_eq!(
        log.append(with_extra).await.unwrap_err(),
        AppendError::TooLarge { have: 11, max: 10 }
    );
}
