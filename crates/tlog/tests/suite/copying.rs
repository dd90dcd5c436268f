//! Copies of a log in another store: the same log, at any moment, and never two of them.

use crate::fixture::{Fixture, append_all, submission};
use crate::stamp;
use std::sync::Arc;
use tlog::copy::{self, CopyError, Replay, Target};
use tlog::store::{self, CommitError, Fence, FenceState};
use tlog::{Limits, Log, NoGuard, Store, TreeHead, fsck};

stamp!(
    a_copy_has_the_head_of_its_original_and_goes_on,
    a_copy_that_was_cut_short_goes_on,
    a_frozen_log_is_frozen_in_the_copy,
    another_log_is_not_gone_on_with,
    a_changed_row_is_not_copied,
);

/// Every kind of store, empty. The folder lives as long as the SQLite file.
async fn targets() -> (tempfile::TempDir, Vec<Arc<dyn Store>>) {
    let folder = tempfile::tempdir().unwrap();
    let file = store::sqlite(&folder.path().join("copy.db")).await.unwrap();
    let mut targets = vec![store::memory(), file];
    if let Some(url) = testkit::postgres() {
        targets.push(store::postgres(&url).await.unwrap());
    }
    (folder, targets)
}

async fn copied(from: &Arc<dyn Store>, to: &Arc<dyn Store>) -> TreeHead {
    let (head, frozen) = copy::newest(&**from, "test").await.unwrap().unwrap();
    let mut target = Target::open(to.clone(), "test", &head).await.unwrap();
    copy::check_prefix(from.clone(), &target).await.unwrap();
    let size = head.size;
    copy::follow(&**from, &mut target, size, &mut |_| {})
        .await
        .unwrap();
    target.finish(&head, frozen).await.unwrap();
    let there = copy::newest(&**to, "test").await.unwrap();
    assert_eq!(there, Some((head.clone(), frozen)));
    head
}

/// Signatures are the fixture's own.
struct Any;

impl fsck::HeadVerifier for Any {
    fn verify_head(&self, _head: &TreeHead) -> Result<(), String> {
        Ok(())
    }
}

async fn assert_clean(store: &dyn Store) {
    let report = fsck::check(store, "test", &Any, &NoGuard, &mut |_, _| {}).await;
    let report = report.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

async fn a_copy_has_the_head_of_its_original_and_goes_on(fixture: Fixture) {
    let log = fixture.open().await;
    let (_folder, targets) = targets().await;
    let from: Arc<dyn Store> = fixture.store.clone();
    for to in &targets {
        copied(&from, to).await;
    }
    append_all(&log, 0..700).await;
    for to in &targets {
        let head = copied(&from, to).await;
        assert_clean(&**to).await;
        let moved = Log::open(
            to.clone(),
            "test",
            fixture.signer.clone(),
            fixture.clock.clone(),
            Limits::default(),
            false,
        );
        let moved = moved.await.unwrap();
        assert_eq!(*moved.head(), head);
        // Deduplication came along.
        assert!(moved.append(submission(3)).await.unwrap().duplicate);
        assert!(!moved.append(submission(10_000)).await.unwrap().duplicate);
        moved.close().await;
        assert_clean(&**to).await;
    }
}

async fn a_copy_that_was_cut_short_goes_on(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..40).await;
    let half = log.head().size;
    let from: Arc<dyn Store> = fixture.store.clone();
    let (_folder, targets) = targets().await;
    for to in &targets {
        let (head, _) = copy::newest(&*from, "test").await.unwrap().unwrap();
        let mut target = Target::open(to.clone(), "test", &head).await.unwrap();
        copy::follow(&*from, &mut target, half, &mut |_| {})
            .await
            .unwrap();
    }
    append_all(&log, 40..300).await;
    for to in &targets {
        copied(&from, to).await;
        assert_clean(&**to).await;
    }
}

async fn a_frozen_log_is_frozen_in_the_copy(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..5).await;
    fixture.hand.advance(5);
    log.freeze().await.unwrap();
    let from: Arc<dyn Store> = fixture.store.clone();
    let (_folder, targets) = targets().await;
    for to in &targets {
        copied(&from, to).await;
        copied(&from, to).await;
        assert_clean(&**to).await;
    }
}

async fn another_log_is_not_gone_on_with(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..5).await;
    let from: Arc<dyn Store> = fixture.store.clone();
    let (_folder, targets) = targets().await;
    for to in &targets {
        let (signer, clock) = (fixture.signer.clone(), fixture.clock.clone());
        let other = Log::open(to.clone(), "test", signer, clock, Limits::default(), true);
        let other = other.await.unwrap();
        append_all(&other, 50..53).await;
        other.close().await;
        let (head, _) = copy::newest(&*from, "test").await.unwrap().unwrap();
        let target = Target::open(to.clone(), "test", &head).await.unwrap();
        let refused = copy::check_prefix(from.clone(), &target).await.unwrap_err();
        assert!(
            matches!(refused, CopyError::OtherLog { have: 3, .. }),
            "{refused}"
        );
    }
}

async fn a_changed_row_is_not_copied(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..5).await;
    let rows = fixture
        .store
        .batches("test", 0, 5, usize::MAX)
        .await
        .unwrap();
    let row = rows.first().unwrap();
    Replay::new("test").push(row.clone()).unwrap();
    let flip = |bytes: &bytes::Bytes| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes::Bytes::from(bytes)
    };
    let mut others = vec![row.clone(); 4];
    others[0].bodies = flip(&row.bodies);
    others[1].hashes = flip(&row.hashes);
    others[2].extras = flip(&row.extras);
    others[3].time_ms += 1;
    for other in others {
        assert!(Replay::new("test").push(other).is_err());
    }
    let mut behind = row.clone();
    behind.first = 1;
    let refused = Replay::new("test").push(behind).err().unwrap();
    assert!(
        matches!(
            refused,
            CopyError::Order {
                want: 0,
                have: 1,
                ..
            }
        ),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_takes_no_commit_from_anybody() {
    let (_folder, targets) = targets().await;
    for store in targets.iter().skip(1) {
        let (clock, _) = clock::Clock::manual(std::time::UNIX_EPOCH.into());
        let signer: Arc<crate::fixture::NoteSigner> = Arc::default();
        let log = Log::open(
            store.clone(),
            "test",
            signer,
            clock,
            Limits::default(),
            true,
        );
        let log = log.await.unwrap();
        append_all(&log, 0..3).await;
        assert_eq!(store.fence().await.unwrap(), None);
        let mut fence = Fence {
            state: FenceState::Filling,
            peer: "elsewhere".into(),
        };
        store.set_fence(Some(&fence)).await.unwrap();
        log.append(submission(3)).await.unwrap();
        fence.state = FenceState::Moved;
        store.set_fence(Some(&fence)).await.unwrap();
        assert_eq!(store.fence().await.unwrap(), Some(fence));
        let refused = log.append(submission(4)).await.unwrap_err();
        assert!(refused.to_string().contains("were moved"), "{refused}");
        let created = store.create("another", &log.head()).await;
        assert!(matches!(
            created,
            Err(CommitError::Failed(_) | CommitError::Unknown(_))
        ));
        assert_eq!(
            log.entry(3).await.unwrap().map(|entry| entry.index),
            Some(3)
        );
        store.set_fence(None).await.unwrap();
        log.append(submission(4)).await.unwrap();
        log.close().await;
    }
}
