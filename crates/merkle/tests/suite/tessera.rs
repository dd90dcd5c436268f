//! A growing log that Tessera wrote: checkpoints, tiles and entry bundles must agree.

use std::fs;
use std::path::Path;

use merkle::proof::{Plan, verify_consistency};
use merkle::tile::{self, TileId};
use merkle::{Hash, RightEdge, leaf_hash};
use note::{Checkpoint, SignedNote};

const ORIGIN: &str = "example.com/log/testdata";

#[test]
fn bundles_and_tiles_give_the_root_of_each_checkpoint() {
    let Some(log) = testkit::vectors("tessera-log") else {
        return;
    };
    for size in 0..=15 {
        let head = checkpoint(&log, size);
        let leaves = bundle(&log, size);
        let edge: RightEdge = leaves.iter().copied().collect();
        assert_eq!(edge.root(), head.root, "size {size}");
        assert_eq!(row(&log, size), leaves, "size {size}");
        assert_eq!(tile::fold(&leaves), head.root, "size {size}");
    }
}

#[test]
fn every_checkpoint_is_consistent_with_every_later_one() {
    let Some(log) = testkit::vectors("tessera-log") else {
        return;
    };
    for size2 in 1..=15 {
        let (newer, leaves) = (checkpoint(&log, size2), bundle(&log, size2));
        let interior = tile::Interior::from_row(&leaves);
        for size1 in 1..=size2 {
            let plan = Plan::consistency(u64::from(size1), u64::from(size2)).unwrap();
            let nodes: Vec<Hash> = plan
                .nodes()
                .map(|node| {
                    let (_, start, count) = tile::location(node);
                    *interior.node(start, count).unwrap()
                })
                .collect();
            let proof = plan.fold(&nodes).unwrap();
            let older = checkpoint(&log, size1);
            verify_consistency(older.size, newer.size, &proof, &older.root, &newer.root).unwrap();
        }
    }
}

fn checkpoint(log: &Path, size: u16) -> Checkpoint {
    let text = fs::read_to_string(log.join(format!("checkpoint.{size}"))).unwrap();
    let note = SignedNote::parse(&text).unwrap();
    assert_eq!(note.to_string(), text);
    assert_eq!(note.signatures().len(), 1);
    assert_eq!(note.signatures()[0].name, ORIGIN);
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(
        (checkpoint.origin.as_str(), checkpoint.size),
        (ORIGIN, u64::from(size))
    );
    checkpoint
}

/// The leaf hashes of the entries in the bundle: each is a big-endian u16 length and its bytes.
fn bundle(log: &Path, size: u16) -> Vec<Hash> {
    if size == 0 {
        return Vec::new();
    }
    let bytes = fs::read(log.join(tile::entries_path(0, size))).unwrap();
    let mut rest = bytes.as_slice();
    let mut leaves = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        leaves.push(leaf_hash(entry));
        rest = after;
    }
    assert_eq!(leaves.len(), usize::from(size));
    leaves
}

/// The hashes of the level-0 tile.
fn row(log: &Path, size: u16) -> Vec<Hash> {
    if size == 0 {
        return Vec::new();
    }
    let bytes = fs::read(log.join(tile::path(TileId { level: 0, index: 0 }, size))).unwrap();
    bytes
        .chunks(32)
        .map(|hash| hash.try_into().unwrap())
        .collect()
}
