//! What only a PostgreSQL server has: connections that are cut, crashes, roles, URLs.

use crate::fixture::{Fixture, append, append_all, audit, check_answer, insist, submission};
use bytes::Bytes;
use merkle::Hash;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tlog::{AppendError, HeadSigner, Limits, Log, SignError, StoreError, store};

async fn admin(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
}

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_replaced_unnoticed() {
    let Some(fixture) = Fixture::postgres().await else {
        return;
    };
    let log = fixture.open().await;
    for number in 0..5 {
        append(&log, submission(number)).await;
        admin(fixture.url(), CUT).await;
        assert_eq!(log.entry(0).await.unwrap().unwrap().leaf, "leaf 0");
    }
    assert_eq!(audit(&*fixture.store, &log).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_under_load_lose_nothing() {
    let Some(fixture) = Fixture::postgres().await else {
        return;
    };
    let log = fixture.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let log = log.clone();
        tasks.spawn(async move {
            for number in task * 100..(task + 1) * 100 {
                check_answer(&insist(&log, number).await);
            }
        });
    }
    while !tasks.is_empty() {
        admin(fixture.url(), CUT).await;
        let _ = tokio::time::timeout(Duration::from_millis(20), tasks.join_next()).await;
    }
    assert_eq!(audit(&*fixture.store, &log).await.len(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_is_waited_for() {
    let Some(cluster) = testkit::Cluster::start() else {
        return;
    };
    let fixture = Fixture::on(cluster.database()).await;
    let log = fixture.open().await;
    append_all(&log, 0..10).await;
    for round in 1..3 {
        tokio::task::block_in_place(|| cluster.crash());
        let error = log.append(submission(round * 10)).await.unwrap_err();
        assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
        assert_eq!(
            log.head().size,
            round as u64 * 10,
            "what is in memory is answered"
        );
        tokio::task::block_in_place(|| cluster.resume());
        for number in round * 10..(round + 1) * 10 {
            check_answer(&insist(&log, number).await);
        }
        assert_eq!(audit(&*fixture.store, &log).await.len(), (round + 1) * 10);
    }
}

/// A log as another process has it: another store, other connections.
async fn process(url: &str, fixture: &Fixture, signer: Arc<dyn HeadSigner>) -> Log {
    let (store, clock) = (store::postgres(url).await.unwrap(), fixture.clock.clone());
    let log = Log::open(store, "test", signer, clock, Limits::default(), true);
    log.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_follows_other_processes() {
    let Some(fixture) = Fixture::postgres().await else {
        return;
    };
    let one = process(fixture.url(), &fixture, fixture.signer.clone()).await;
    let two = process(fixture.url(), &fixture, fixture.signer.clone()).await;
    let answer = append(&one, submission(0)).await;
    let patience = Instant::now() + Duration::from_secs(5);
    while two.head() != answer.head && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(two.head(), answer.head);
}

/// Signs slowly, as a hardware module far away does.
struct Slow(Arc<dyn HeadSigner>);

#[async_trait::async_trait]
impl HeadSigner for Slow {
    async fn sign_head(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.0.sign_head(size, root, time_ms).await
    }
}

/// Compare-and-swap alone starves a process whose cycle is longer than the others': it always comes second.
#[tokio::test(flavor = "multi_thread")]
async fn a_slower_process_is_not_starved() {
    let Some(fixture) = Fixture::postgres().await else {
        return;
    };
    let quick = process(fixture.url(), &fixture, fixture.signer.clone()).await;
    let slow = Arc::new(Slow(fixture.signer.clone()));
    let slow = process(fixture.url(), &fixture, slow).await;
    let end = Instant::now() + Duration::from_secs(3);
    let load = |log: &Log, first: usize| {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let log = log.clone();
            tasks.spawn(async move {
                let (mut count, mut longest) = (0_usize, Duration::ZERO);
                while Instant::now() < end {
                    let start = Instant::now();
                    append(&log, submission(first + task * 100_000 + count)).await;
                    longest = longest.max(start.elapsed());
                    count += 1;
                }
                (count, longest)
            });
        }
        tasks
    };
    let (quick, slow) = (load(&quick, 0), load(&slow, 1_000_000));
    let sum = |answers: Vec<(usize, Duration)>| {
        let longest = answers.iter().map(|answer| answer.1).max().unwrap();
        (
            answers.iter().map(|answer| answer.0).sum::<usize>(),
            longest,
        )
    };
    let (quick, slow) = (sum(quick.join_all().await), sum(slow.join_all().await));
    println!("quick {quick:?}, slow {slow:?}");
    assert!(slow.0 * 10 > quick.0, "quick {quick:?}, slow {slow:?}");
    assert!(slow.1 < Duration::from_secs(1) && quick.1 < Duration::from_secs(1));
}

#[tokio::test]
async fn a_password_is_not_in_the_error() {
    let url = "postgres://log:secret@127.0.0.1:1/log";
    let error = store::postgres(url).await.err().unwrap();
    assert!(matches!(error, StoreError::Connect { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("postgres://log@127.0.0.1:1/log"), "{text}");
    assert!(!text.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_insert_entries_serves_a_log() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    store::postgres(&url).await.unwrap().close().await;
    admin(
        &url,
        include_str!("../../../../deploy/postgres/least-privilege.sql"),
    )
    .await;
    let keeper = url.replace("postgres@localhost", "sigstead_log@localhost");
    let fixture = Fixture::on(keeper.clone()).await;
    let log = fixture.open().await;
    append_all(&log, 0..300).await;
    let mut connection = PgConnection::connect(&keeper).await.unwrap();
    for change in [
        "UPDATE tlog_batch SET time_ms = 0",
        "DELETE FROM tlog_batch",
        "TRUNCATE tlog_batch",
        "UPDATE tlog_tile SET idx = 7",
        "DELETE FROM tlog_tile",
        "DELETE FROM tlog_log",
        "UPDATE tlog_run SET pages = 1",
        "DROP TABLE tlog_batch",
    ] {
        let refused = sqlx::query(change).execute(&mut connection).await;
        let code = refused
            .unwrap_err()
            .into_database_error()
            .unwrap()
            .code()
            .unwrap()
            .into_owned();
        assert_eq!(code, "42501", "insufficient_privilege");
    }
    let audited = audit(&*fixture.store, &log).await;
    assert_eq!(audited.len(), 300);
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    store::postgres(&url).await.unwrap().close().await;
    admin(
        &url,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    let error = store::postgres(&url).await.err().unwrap();
    assert!(matches!(error, StoreError::Schema { .. }), "{error:?}");
}
