//! Partial tiles go when the full ones are there and had their time.

use crate::fixture::{grow, log_of, memory, paths, publish};
use object_store::memory::InMemory;
use publish::{Options, Partials, Publisher, Target, check_tree};
use std::time::Duration;
use tlog::Log;
use tokio::time::sleep;

const GRACE: Duration = Duration::from_secs(600);

async fn partial(store: &InMemory) -> Vec<String> {
    let mut paths = paths(store).await;
    paths.retain(|path| path.contains(".p/"));
    paths
}

/// Follows the log for a while, in which it grows.
async fn follow(log: &Log, target: &Target, partials: Partials, sizes: &[u64], time: Duration) {
    let options = Options {
        partials,
        ..Options::default()
    };
    let publisher = Publisher::new(log.clone(), target.clone(), options);
    let story = async {
        for size in sizes {
            sleep(Duration::from_secs(3)).await;
            grow(log, *size).await;
        }
        sleep(time).await;
    };
    publisher.run(story).await.unwrap();
    check_tree(target).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn partial_tiles_go_ten_minutes_after_the_full_one_came() {
    let (target, store) = memory();
    let log = log_of(10).await;
    let rule = Partials::default();
    assert_eq!(rule, Partials::RemoveAfter(GRACE));
    follow(
        &log,
        &target,
        rule,
        &[100, 255, 300],
        Duration::from_secs(500),
    )
    .await;
    assert!(
        partial(&store)
            .await
            .contains(&"tile/0/000.p/100".to_owned())
    );

    // The next process knows what is beside the right edge.
    follow(&log, &target, rule, &[301], GRACE).await;
    assert_eq!(
        partial(&store).await,
        [
            "tile/0/001.p/44",
            "tile/0/001.p/45",
            "tile/1/000.p/1",
            "tile/entries/001.p/44",
            "tile/entries/001.p/45",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn partial_tiles_stay_for_those_who_want_them() {
    let (target, store) = memory();
    let log = log_of(10).await;
    follow(&log, &target, Partials::Keep, &[300, 600], 10 * GRACE).await;
    assert_eq!(partial(&store).await.len(), 2 * 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn a_single_run_removes_nothing() {
    let (target, store) = memory();
    let log = log_of(10).await;
    publish(&log, &target).await;
    grow(&log, 600).await;
    publish(&log, &target).await;
    assert_eq!(partial(&store).await.len(), 2 * 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_folder_loses_the_empty_folders_too() {
    let folder = tempfile::tempdir().unwrap();
    let target = publish::target(folder.path().to_str().unwrap()).unwrap();
    let log = log_of(10).await;
    // Waiting on files does not stop the paused clock, so the sizes are published before the time runs.
    publish(&log, &target).await;
    grow(&log, 300).await;
    publish(&log, &target).await;
    assert!(folder.path().join("tile/0/000.p").is_dir());
    follow(
        &log,
        &target,
        Partials::RemoveAfter(Duration::ZERO),
        &[],
        Duration::from_secs(60),
    )
    .await;
    assert!(!folder.path().join("tile/0/000.p").exists());
    assert!(folder.path().join("tile/0/001.p/44").is_file());
}
