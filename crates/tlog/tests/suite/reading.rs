//! Reads: tiles, bundles, proofs between any two sizes, and their bounds.

use crate::fixture::{Fixture, append, append_together, leaf, literal_root, submission};
use crate::stamp;
use merkle::Hash;
use tlog::{Limits, MAX_READ_ENTRIES, ReadError};

stamp!(
    tiles_hold_the_hashes_of_their_level,
    bundles_hold_the_leaves,
    a_leaf_too_long_for_a_bundle_is_named,
    every_older_tree_is_consistent,
    roots_of_older_trees_are_known,
    what_is_not_there_is_out_of_range,
    a_read_of_many_entries_is_bounded,
);

async fn log_of(fixture: &Fixture, size: usize) -> (tlog::Log, Vec<Hash>) {
    let log = fixture.open().await;
    append_together(&log, 0..size).await;
    let mut hashes = Vec::new();
    while hashes.len() < size {
        let entries = log.entries(hashes.len() as u64, u64::MAX).await.unwrap();
        hashes.extend(entries.iter().map(|entry| merkle::leaf_hash(&entry.leaf)));
    }
    (log, hashes)
}

async fn tiles_hold_the_hashes_of_their_level(fixture: Fixture) {
    let (log, hashes) = log_of(&fixture, 600).await;
    assert_eq!(
        log.tile(0, 0, 256).await.unwrap().unwrap(),
        hashes[..256].concat()
    );
    assert_eq!(
        log.tile(0, 2, 88).await.unwrap().unwrap(),
        hashes[512..].concat()
    );
    assert_eq!(
        log.tile(0, 2, 10).await.unwrap().unwrap(),
        hashes[512..522].concat()
    );
    let level1 = [
        literal_root(&hashes[..256]),
        literal_root(&hashes[256..512]),
    ];
    assert_eq!(log.tile(1, 0, 2).await.unwrap().unwrap(), level1.concat());
    for (level, index, width) in [
        (0, 2, 89),
        (0, 3, 1),
        (1, 0, 3),
        (2, 0, 1),
        (0, 0, 0),
        (0, 0, 257),
        (63, 0, 1),
        (255, 0, 1),
        (0, u64::MAX, 1),
    ] {
        assert_eq!(
            log.tile(level, index, width).await.unwrap(),
            None,
            "tile {level}/{index}.p/{width}"
        );
    }
}

async fn bundles_hold_the_leaves(fixture: Fixture) {
    let (log, hashes) = log_of(&fixture, 300).await;
    for (index, width) in [(0, 256), (0, 3), (1, 44)] {
        let bundle = log.bundle(index, width).await.unwrap().unwrap();
        let mut rest = &bundle[..];
        for position in 0..usize::from(width) {
            let (length, tail) = rest.split_first_chunk::<2>().unwrap();
            let (body, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
            assert_eq!(
                merkle::leaf_hash(body),
                hashes[index as usize * 256 + position]
            );
            rest = tail;
        }
        assert!(rest.is_empty());
    }
    assert_eq!(log.bundle(1, 45).await.unwrap(), None);
    assert_eq!(log.bundle(2, 1).await.unwrap(), None);
    assert_eq!(log.bundle(0, 0).await.unwrap(), None);
}

async fn a_leaf_too_long_for_a_bundle_is_named(fixture: Fixture) {
    let log = fixture.open().await;
    append(&log, leaf("x".repeat(65_535))).await;
    assert_eq!(log.bundle(0, 1).await.unwrap().unwrap().len(), 2 + 65_535);
    append(&log, leaf("y".repeat(65_536))).await;
    assert_eq!(
        log.bundle(0, 2).await.unwrap_err(),
        ReadError::NoBundle {
            index: 1,
            have: 65_536
        }
    );
    assert_eq!(log.entry(1).await.unwrap().unwrap().leaf.len(), 65_536);
}

async fn every_older_tree_is_consistent(fixture: Fixture) {
    let (log, hashes) = log_of(&fixture, 520).await;
    let head = log.head();
    for size in [1, 2, 3, 128, 255, 256, 257, 511, 512, 513, 519, 520] {
        let root = literal_root(&hashes[..size]);
        let proof = log.consistency_proof(size as u64, head.size).await.unwrap();
        merkle::proof::verify_consistency(size as u64, head.size, &proof, &root, &head.root)
            .unwrap();
        let proof = log
            .inclusion_proof(size as u64 / 2, size as u64)
            .await
            .unwrap();
        merkle::proof::verify_inclusion(
            size as u64 / 2,
            size as u64,
            &hashes[size / 2],
            &proof,
            &root,
        )
        .unwrap();
    }
    assert_eq!(
        log.consistency_proof(0, 520).await.unwrap(),
        Vec::<Hash>::new()
    );
    assert_eq!(
        log.consistency_proof(7, 7).await.unwrap(),
        Vec::<Hash>::new()
    );
}

async fn roots_of_older_trees_are_known(fixture: Fixture) {
    let (log, hashes) = log_of(&fixture, 300).await;
    for size in 0..=300 {
        assert_eq!(
            log.root_at(size as u64).await.unwrap(),
            literal_root(&hashes[..size])
        );
    }
}

async fn what_is_not_there_is_out_of_range(fixture: Fixture) {
    let (log, _) = log_of(&fixture, 3).await;
    assert_eq!(log.entry(3).await.unwrap(), None);
    assert_eq!(log.entries(3, 9).await.unwrap(), []);
    assert_eq!(log.entries(2, 1).await.unwrap(), []);
    assert_eq!(log.find_leaf(&submission(3).identity).await.unwrap(), None);
    assert_eq!(
        log.inclusion_proof(3, 3).await.unwrap_err(),
        ReadError::OutOfRange { index: 3, size: 3 }
    );
    assert_eq!(
        log.inclusion_proof(0, 4).await.unwrap_err(),
        ReadError::OutOfRange { index: 3, size: 3 }
    );
    assert_eq!(
        log.consistency_proof(1, 4).await.unwrap_err(),
        ReadError::OutOfRange { index: 3, size: 3 }
    );
    assert_eq!(
        log.consistency_proof(3, 2).await.unwrap_err(),
        ReadError::OutOfRange { index: 3, size: 2 }
    );
    assert_eq!(
        log.root_at(u64::MAX).await.unwrap_err(),
        ReadError::OutOfRange {
            index: u64::MAX - 1,
            size: 3
        }
    );
}

async fn a_read_of_many_entries_is_bounded(fixture: Fixture) {
    let (log, _) = log_of(&fixture, 1100).await;
    assert_eq!(
        log.entries(10, u64::MAX).await.unwrap().len() as u64,
        MAX_READ_ENTRIES
    );
    let large = fixture
        .try_open("large", Limits::default(), true)
        .await
        .unwrap();
    for number in 0..20 {
        append(&large, leaf(format!("{number}{}", "x".repeat(500_000)))).await;
    }
    let some = large.entries(0, 20).await.unwrap();
    assert!(
        (9..14).contains(&some.len()),
        "{} entries of 500 kB",
        some.len()
    );
    assert_eq!(large.entries(15, 20).await.unwrap().len(), 5);
}
