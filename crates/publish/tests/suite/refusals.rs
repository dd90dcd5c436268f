//! A target that is not this log's is left as it is.

use crate::fixture::{ORIGIN, grow_with, log, log_of, memory, paths, publish, read, write};
use note::NoteError;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use publish::{Options, PublishError, Publisher, Target, check_tree, publish_once};
use tlog::Log;

/// Publishes, in both ways, and expects the same refusal, a final one; nothing is changed.
async fn refused(log: &Log, target: &Target, store: &InMemory) -> PublishError {
    let before = (paths(store).await, read(store, "checkpoint").await);
    let error = publish_once(log, target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    assert!(error.is_final(), "{error}");
    let publisher = Publisher::new(log.clone(), target.clone(), Options::default());
    assert_eq!(publisher.check().await.unwrap_err(), error);
    let run = publisher.run(std::future::pending()).await;
    assert_eq!(run.unwrap_err(), error);
    assert_eq!(
        (paths(store).await, read(store, "checkpoint").await),
        before
    );
    error
}

#[tokio::test]
async fn the_place_of_another_log_is_refused_by_its_name() {
    let (target, store) = memory();
    let other = log("other.example").await;
    grow_with(&other, 3, "other").await;
    publish(&other, &target).await;
    let error = refused(&log_of(5).await, &target, &store).await;
    let PublishError::OtherLog { theirs, ours, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((theirs.as_str(), ours.as_str()), ("other.example", ORIGIN));
}

#[tokio::test]
async fn a_target_that_is_ahead_of_a_log_that_was_set_back_is_refused() {
    let (target, store) = memory();
    publish(&log_of(300).await, &target).await;
    let error = refused(&log_of(299).await, &target, &store).await;
    assert!(matches!(
        error,
        PublishError::Ahead {
            published: 300,
            have: 299,
            ..
        }
    ));
}

#[tokio::test]
async fn a_fork_under_the_same_name_is_refused() {
    let (target, store) = memory();
    publish(&log_of(300).await, &target).await;
    let fork = log(ORIGIN).await;
    grow_with(&fork, 500, "another").await;
    let error = refused(&fork, &target, &store).await;
    assert!(matches!(error, PublishError::Forked { size: 300, .. }));
}

#[tokio::test]
async fn tiles_of_another_log_without_a_checkpoint_are_noticed() {
    let (target, store) = memory();
    let other = log("other.example").await;
    grow_with(&other, 256, "other").await;
    publish(&other, &target).await;
    store.delete(&Path::from("checkpoint")).await.unwrap();
    let error = publish_once(&log_of(256).await, &target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::OtherBytes { .. }), "{error}");
    assert!(error.is_final());
}

#[tokio::test]
async fn a_checkpoint_that_is_none_is_refused() {
    let (target, store) = memory();
    let log = log_of(5).await;
    for (bytes, reason) in [
        ("hello".to_owned(), NoteError::BlankLine),
        (
            "x".repeat(300_000),
            NoteError::NoteTooLong { have: 300_000 },
        ),
    ] {
        write(&*store, "checkpoint", bytes).await;
        let error = refused(&log, &target, &store).await;
        let target = "memory:".to_owned();
        assert_eq!(error, PublishError::NoCheckpoint { target, reason });
    }
}

#[tokio::test]
async fn a_tampered_object_on_the_right_edge_is_noticed_at_the_next_start() {
    for path in ["tile/entries/001.p/44", "tile/0/001.p/44", "tile/1/000.p/1"] {
        let (target, store) = memory();
        let log = log_of(300).await;
        publish(&log, &target).await;
        let mut bytes = read(&*store, path).await.to_vec();
        bytes[5] ^= 1;
        write(&*store, path, bytes).await;
        let error = refused(&log, &target, &store).await;
        let (target, path) = ("memory:".to_owned(), path.to_owned());
        assert_eq!(error, PublishError::OtherBytes { target, path });
    }
}

#[tokio::test]
async fn a_recheck_notices_and_mends_what_is_further_left() {
    let (target, store) = memory();
    let log = log_of(1000).await;
    publish(&log, &target).await;
    let recheck = Options {
        recheck: true,
        ..Options::default()
    };
    // 1. Removed: a usual start does not look, a recheck puts it back.
    store.delete(&Path::from("tile/entries/000")).await.unwrap();
    publish(&log, &target).await;
    assert!(check_tree(&target).await.is_err());
    publish_once(&log, &target, &recheck, |_| ()).await.unwrap();
    check_tree(&target).await.unwrap();
    // 2. Changed: named, not overwritten.
    write(&*store, "tile/0/001", vec![0; 8192]).await;
    publish(&log, &target).await;
    let error = publish_once(&log, &target, &recheck, |_| ()).await;
    let PublishError::OtherBytes { path, .. } = error.unwrap_err() else {
        panic!("not noticed");
    };
    assert_eq!(path, "tile/0/001");
}

#[tokio::test]
async fn an_object_that_is_missing_on_the_right_edge_is_put_back() {
    let (target, store) = memory();
    let log = log_of(300).await;
    publish(&log, &target).await;
    store.delete(&Path::from("tile/0/001.p/44")).await.unwrap();
    publish(&log, &target).await;
    check_tree(&target).await.unwrap();
}

#[tokio::test]
async fn an_entry_too_long_for_a_bundle_is_named() {
    let (target, _) = memory();
    let log = log_of(1).await;
    let leaf = bytes::Bytes::from(vec![7; 65_536]);
    let identity = merkle::leaf_hash(&leaf);
    let extra = bytes::Bytes::new();
    log.append(tlog::Submission {
        leaf,
        identity,
        extra,
    })
    .await
    .unwrap();
    let error = publish_once(&log, &target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        PublishError::TooLong {
            index: 1,
            have: 65_536
        }
    );
    assert!(error.is_final());
}
