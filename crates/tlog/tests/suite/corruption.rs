//! Whatever is changed in a store is found: at opening, or at the read that meets it.

use crate::fixture::{Fixture, append_together, submission};
use crate::stamp;
use bytes::Bytes;
use tlog::{Limits, OpenError, ReadError};

stamp!(
    a_changed_leaf_is_found_at_reading,
    a_changed_full_tile_is_found_at_proving,
    a_changed_upper_tile_is_found_at_opening,
    a_changed_last_tile_is_found_at_opening,
    a_changed_head_is_found_at_opening,
    a_changed_checkpoint_is_found_at_opening,
    a_missing_batch_is_found_at_opening,
    a_missing_batch_is_found_at_reading,
    a_store_set_back_is_found_at_reloading,
);

fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1;
    changed.into()
}

/// Opens without what the process that wrote it had in memory.
async fn opened(fixture: &Fixture) -> Result<tlog::Log, OpenError> {
    fixture.try_open("test", Limits::default(), false).await
}

async fn filled(fixture: &Fixture, size: usize) {
    let log = fixture.open().await;
    append_together(&log, 0..size).await;
    log.close().await;
}

fn is_corrupt<T>(result: Result<T, ReadError>) -> bool {
    matches!(result, Err(ReadError::Corrupt(_)))
}

async fn refuses_to_open(fixture: &Fixture, about: &str) {
    match opened(fixture).await.err() {
        Some(OpenError::Corrupt { name, detail }) if name == "test" => {
            assert!(detail.contains(about), "{detail}")
        }
        other => panic!("{other:?}"),
    }
}

async fn a_changed_leaf_is_found_at_reading(fixture: Fixture) {
    filled(&fixture, 300).await;
    let log = opened(&fixture).await.unwrap();
    *fixture.store.on_batches.lock().unwrap() = Some(Box::new(|rows| {
        for row in rows {
            row.bodies = flipped(&row.bodies, 6);
        }
    }));
    assert!(is_corrupt(log.entries(0, 1).await));
    assert!(is_corrupt(log.bundle(0, 256).await));
    assert!(is_corrupt(log.bundle(1, 44).await));
}

async fn a_changed_full_tile_is_found_at_proving(fixture: Fixture) {
    filled(&fixture, 300).await;
    let log = opened(&fixture).await.unwrap();
    *fixture.store.on_hashes.lock().unwrap() =
        Some(Box::new(|rows| rows[0].1 = flipped(&rows[0].1, 5)));
    assert!(is_corrupt(log.inclusion_proof(200, 300).await));
    assert!(is_corrupt(log.tile(0, 0, 256).await));
    // Nothing of it is kept.
    *fixture.store.on_hashes.lock().unwrap() = None;
    log.inclusion_proof(200, 300).await.unwrap();
}

async fn a_changed_upper_tile_is_found_at_opening(fixture: Fixture) {
    filled(&fixture, 300).await;
    *fixture.store.on_tile.lock().unwrap() = Some(Box::new(|tile| {
        *tile = tile.as_ref().map(|tile| flipped(tile, 31))
    }));
    refuses_to_open(&fixture, "do not give the root").await;
    *fixture.store.on_tile.lock().unwrap() = Some(Box::new(|tile| *tile = None));
    refuses_to_open(&fixture, "level 1 has 0 hashes").await;
}

async fn a_changed_last_tile_is_found_at_opening(fixture: Fixture) {
    filled(&fixture, 300).await;
    *fixture.store.on_hashes.lock().unwrap() =
        Some(Box::new(|rows| rows[0].1 = flipped(&rows[0].1, 0)));
    refuses_to_open(&fixture, "do not give the root").await;
}

async fn a_changed_head_is_found_at_opening(fixture: Fixture) {
    filled(&fixture, 300).await;
    *fixture.store.on_head.lock().unwrap() = Some(Box::new(|head| head.root[0] ^= 1));
    refuses_to_open(&fixture, "do not give the root").await;
    *fixture.store.on_head.lock().unwrap() = Some(Box::new(|head| head.size = 301));
    refuses_to_open(&fixture, "has 44 hashes, the head implies 45").await;
    *fixture.store.on_head.lock().unwrap() = Some(Box::new(|head| head.size = 299));
    refuses_to_open(&fixture, "do not give the root").await;
}

async fn a_changed_checkpoint_is_found_at_opening(fixture: Fixture) {
    filled(&fixture, 5).await;
    let other = fixture
        .try_open("other", Limits::default(), true)
        .await
        .unwrap();
    let checkpoint = other.head().checkpoint.clone();
    *fixture.store.on_head.lock().unwrap() =
        Some(Box::new(move |head| head.checkpoint = checkpoint.clone()));
    refuses_to_open(&fixture, "the head has 5 entries, its checkpoint is for 0").await;
    *fixture.store.on_head.lock().unwrap() = Some(Box::new(|head| {
        head.checkpoint = Bytes::from_static(b"\xff")
    }));
    refuses_to_open(&fixture, "is not text").await;
}

async fn a_missing_batch_is_found_at_opening(fixture: Fixture) {
    let log = fixture.open().await;
    for number in 0..10 {
        crate::fixture::append(&log, submission(number)).await;
    }
    log.close().await;
    *fixture.store.on_hashes.lock().unwrap() = Some(Box::new(|rows| drop(rows.remove(4))));
    refuses_to_open(&fixture, "has 4 hashes, the head implies 10").await;
}

async fn a_missing_batch_is_found_at_reading(fixture: Fixture) {
    filled(&fixture, 300).await;
    let log = opened(&fixture).await.unwrap();
    *fixture.store.on_batches.lock().unwrap() = Some(Box::new(Vec::clear));
    assert!(is_corrupt(log.entries(3, 9).await));
    assert!(is_corrupt(log.entry(299).await));
    *fixture.store.on_batches.lock().unwrap() = None;
    assert_eq!(log.entries(3, 9).await.unwrap().len(), 6);
}

/// A backup restored under a running log: what was published before would be signed with another root.
async fn a_store_set_back_is_found_at_reloading(fixture: Fixture) {
    let log = fixture.open().await;
    append_together(&log, 0..3).await;
    let published = log.head();
    let older = fixture
        .try_open("older", Limits::default(), true)
        .await
        .unwrap();
    let head = (*older.head()).clone();
    *fixture.store.on_head.lock().unwrap() = Some(Box::new(move |stored| *stored = head.clone()));
    fixture.store.plan([crate::faulty::Fault::Conflict]);
    log.append(submission(3)).await.unwrap_err();
    assert_eq!(log.head(), published);
}
