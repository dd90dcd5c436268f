//! What was committed is there after a restart, and the log goes on from it.

use crate::fixture::{Fixture, append, append_together, audit, submission};
use crate::stamp;
use tlog::AppendError;

stamp!(
    a_restart_keeps_the_log,
    closing_finishes_what_is_in_the_pool,
    a_closed_log_takes_nothing,
    time_does_not_go_back_with_the_clock_of_the_next_process,
);

async fn a_restart_keeps_the_log(mut fixture: Fixture) {
    let mut size = 0;
    for next in [0, 1, 2, 255, 256, 257, 511, 512, 600] {
        let log = fixture.open().await;
        append_together(&log, size..next).await;
        let (head, entries) = (log.head(), log.entries(0, 10).await.unwrap());
        log.close().await;
        drop(log);
        fixture.restart().await;
        let log = fixture.open().await;
        assert_eq!(log.head(), head);
        assert_eq!(log.head().size, next as u64);
        assert_eq!(log.entries(0, 10).await.unwrap(), entries);
        if next > 0 {
            assert!(append(&log, submission(next / 2)).await.duplicate);
        }
        log.close().await;
        drop(log);
        size = next;
    }
    let log = fixture.open().await;
    assert_eq!(audit(&*fixture.store, &log).await.len(), 600);
}

async fn closing_finishes_what_is_in_the_pool(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.hold();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { append_together(&log, 0..20).await }
    });
    fixture.store.until_commits(1).await;
    let close = async {
        tokio::join!(log.close(), log.close());
    };
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        fixture.store.release();
    };
    tokio::join!(close, release);
    assert_eq!(waiting.await.unwrap().len(), 20);
    assert_eq!(log.head().size, 20);
    log.close().await;
}

async fn a_closed_log_takes_nothing(fixture: Fixture) {
    let log = fixture.open().await;
    append(&log, submission(0)).await;
    log.close().await;
    assert_eq!(
        log.append(submission(1)).await.unwrap_err(),
        AppendError::Closed
    );
    // Reading goes on.
    assert_eq!(log.entry(0).await.unwrap().unwrap().leaf, "leaf 0");
}

/// The clock's own step back is in `appending`; here the process ends in between.
async fn time_does_not_go_back_with_the_clock_of_the_next_process(mut fixture: Fixture) {
    let log = fixture.open().await;
    let before = append(&log, submission(0)).await;
    log.close().await;
    drop(log);
    fixture.hand.advance(-3600);
    fixture.restart().await;
    let log = fixture.open().await;
    if log.head().size == 0 {
        // The store in memory ended with its process.
        return;
    }
    let after = append(&log, submission(1)).await;
    assert_eq!(after.entry.time_ms, before.entry.time_ms);
    assert_eq!(after.head.time_ms, before.head.time_ms);
    assert_eq!(log.entry(1).await.unwrap().unwrap(), after.entry);
}
