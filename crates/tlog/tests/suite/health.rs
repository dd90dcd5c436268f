//! Whether the log says that it cannot append, and that it can again.

use crate::faulty::Fault;
use crate::fixture::{Fixture, append, submission};
use crate::stamp;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tlog::{AppendError, Limits, Unwell};

stamp!(
    a_log_that_cannot_append_says_so_until_it_can,
    what_a_client_did_wrong_does_not_count,
    a_key_that_does_not_sign_counts,
);

async fn a_log_that_cannot_append_says_so_until_it_can(fixture: Fixture) {
    let log = fixture.open().await;
    assert_eq!(log.health().await, Ok(()));
    fixture.store.plan([Fault::Failed]);
    let error = log.append(submission(0)).await.unwrap_err();
    assert_eq!(log.health().await, Err(Unwell::Append(error.to_string())));
    append(&log, submission(0)).await;
    assert_eq!(log.health().await, Ok(()));
}

async fn what_a_client_did_wrong_does_not_count(fixture: Fixture) {
    let limits = Limits {
        max_entry: 3,
        ..Limits::default()
    };
    let log = fixture.open_with(limits).await;
    let error = log.append(submission(0)).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }));
    assert_eq!(log.health().await, Ok(()));
}

async fn a_key_that_does_not_sign_counts(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.signer.broken.store(true, Ordering::SeqCst);
    log.append(submission(0)).await.unwrap_err();
    assert!(matches!(log.health().await, Err(Unwell::Append(_))));
    fixture.signer.broken.store(false, Ordering::SeqCst);
    append(&log, submission(0)).await;
    assert_eq!(log.health().await, Ok(()));
}

/// Nothing is submitted: what tells is that the head cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_noticed_without_an_append() {
    let Some(cluster) = testkit::Cluster::start() else {
        return;
    };
    let fixture = Fixture::on(cluster.database()).await;
    let log = fixture.open().await;
    let until = async |well: bool| {
        let start = Instant::now();
        while log.health().await.is_ok() != well {
            assert!(start.elapsed() < Duration::from_secs(20), "well: {well}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::task::block_in_place(|| cluster.crash());
    until(false).await;
    assert!(matches!(log.health().await, Err(Unwell::Head(_))));
    tokio::task::block_in_place(|| cluster.resume());
    until(true).await;
}
