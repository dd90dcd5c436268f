//! Whatever put fails, and however: the target is a whole tree, and the next run completes it.

use crate::fixture::{grow, log_of, memory, publish};
use crate::flaky::{Fault, Flaky};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use publish::{CheckError, Options, Target, check_tree, publish_once};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tlog::Log;

/// Publishes `from` entries and then `size`, and dies at every put of the second round, in both ways.
async fn die_everywhere(
    from: Option<u64>,
    size: u64,
    headers: bool,
    store: impl Fn() -> (Arc<dyn ObjectStore>, Target),
) {
    let (mut at, mut ended) = (0, false);
    while !ended {
        for fault in [Fault::Lost, Fault::Stored] {
            let (inner, sound) = store();
            let log = log_of(from.unwrap_or(0)).await;
            if from.is_some() {
                publish(&log, &sound).await;
            }
            let old = log.head();
            grow(&log, size).await;

            // 1. A process that dies at this put.
            let flaky = Flaky::new(inner, fault, at);
            let dying = Target::over(flaky.clone(), "dying");
            let dying = match headers {
                true => dying,
                false => dying.without_headers(),
            };
            let outcome = publish_once(&log, &dying, &Options::default(), |_| ()).await;
            ended = outcome.is_ok();
            assert_eq!(ended, flaky.puts.load(Ordering::SeqCst) <= at);

            // 2. What readers find is whole: the old head or, from the last put on, the new one.
            match check_tree(&sound).await {
                Ok(tree) => {
                    let new = tree.size == size && tree.root == log.head().root;
                    let old = from.is_some() && tree.size == old.size && tree.root == old.root;
                    assert!(new || old, "put {at} {fault:?}");
                }
                Err(CheckError::Nothing { .. }) => assert_eq!(from, None),
                Err(error) => panic!("put {at} {fault:?}: {error}"),
            }

            // 3. The next process completes it.
            complete(&log, &sound, size).await;
        }
        at += 1;
    }
    assert!(at > 2, "nothing was put");
}

async fn complete(log: &Log, target: &Target, size: u64) {
    publish(log, target).await;
    let tree = check_tree(target).await.unwrap();
    assert_eq!((tree.size, tree.root), (size, log.head().root));
}

fn in_memory() -> (Arc<dyn ObjectStore>, Target) {
    let (target, store) = memory();
    (store as Arc<InMemory>, target)
}

#[tokio::test]
async fn a_first_export_may_die_at_any_put() {
    die_everywhere(None, 600, true, in_memory).await;
}

#[tokio::test]
async fn a_round_across_tiles_may_die_at_any_put() {
    die_everywhere(Some(200), 600, true, in_memory).await;
}

#[tokio::test]
async fn a_round_within_a_tile_may_die_at_any_put() {
    die_everywhere(Some(0), 1, true, in_memory).await;
    die_everywhere(Some(255), 256, true, in_memory).await;
    die_everywhere(Some(256), 257, true, in_memory).await;
}

#[tokio::test]
async fn a_folder_is_no_worse() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    die_everywhere(Some(250), 520, false, || {
        number.set(number.get() + 1);
        let path = folder.path().join(number.get().to_string());
        let target = publish::target(path.to_str().unwrap()).unwrap();
        let store = LocalFileSystem::new_with_prefix(&path).unwrap();
        (Arc::new(store), target)
    })
    .await;
}
