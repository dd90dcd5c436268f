//! The tree a second time, by another implementation.
//!
//! `rs_merkle` builds a tree of RFC 6962's shape: a last node without a sibling moves up as it is. It has no
//! cheap way to append, so it is given one tile at a time: the nodes 8 levels above the leaves are a tree of the same
//! shape over the roots of the tiles, the last of which may be partial. So a root at any size costs at most 255 hashes
//! a level, and memory is bounded by eight partial tiles.

use merkle::Hash;
use rs_merkle::{Hasher, MerkleTree};
use sha2::{Digest, Sha256};

/// Hashes of a full tile.
pub(super) const WIDTH: usize = 256;

/// RFC 6962 section 2.1: nodes are hashed with the prefix 0x01, an empty tree is SHA-256 of nothing.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        Sha256::digest(data).into()
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        match right {
            Some(right) => Self::hash(&[&[1][..], left, right].concat()),
            None => *left,
        }
    }
}

/// Hashes a leaf: RFC 6962 section 2.1, prefix 0x00.
pub(super) fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(leaf);
    hasher.finalize().into()
}

/// A tile that became full, or at the end of the walk the last one of its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) level: u8,
    pub(super) index: u64,
    pub(super) hashes: Vec<Hash>,
}

/// The right edge of the recomputed tree: the partial tiles, level 0 first.
#[derive(Clone, Default)]
pub(super) struct Tree {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Appends a leaf hash and answers the tiles of level 1 and above that became full.
    pub(super) fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        self.size += 1;
        self.push_at(0, leaf)
    }

    /// Appends what is left of the last level-0 tile, of which only the root is known.
    pub(super) fn skip_tile(&mut self, root: Hash) -> Vec<Tile> {
        self.size = (self.size | 255) + 1;
        if let Some(level) = self.levels.first_mut() {
            level.clear();
        } else {
            self.levels.push(Vec::new());
        }
        self.push_at(1, root)
    }

    fn push_at(&mut self, first_level: usize, hash: Hash) -> Vec<Tile> {
        let (mut hash, mut full) = (hash, Vec::new());
        for level in first_level.. {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            if hashes.len() < WIDTH {
                break;
            }
            let hashes = std::mem::take(hashes);
            hash = root(&hashes);
            full.extend(self.tile(level, hashes, 1));
        }
        full
    }

    /// The root of all leaves so far.
    pub(super) fn root(&self) -> Hash {
        let mut carry: Option<Hash> = None;
        for hashes in &self.levels {
            let mut nodes = hashes.clone();
            nodes.extend(carry);
            carry = (!nodes.is_empty()).then(|| root(&nodes));
        }
        carry.unwrap_or_else(|| Rfc6962::hash(&[]))
    }

    /// The partial tiles of level 1 and above.
    pub(super) fn partial(&self) -> Vec<Tile> {
        let levels = self.levels.iter().enumerate();
        levels
            .filter(|(_, hashes)| !hashes.is_empty())
            .filter_map(|(level, hashes)| self.tile(level, hashes.clone(), 0))
            .collect()
    }

    /// A tile of this level at the right edge; `back` is 1 when the edge has just gone past it.
    fn tile(&self, level: usize, hashes: Vec<Hash>, back: u64) -> Option<Tile> {
        let level = u8::try_from(level).ok().filter(|level| *level > 0)?;
        let index = self
            .size
            .checked_shr(8 * (u32::from(level) + 1))
            .unwrap_or(0);
        let index = index.saturating_sub(back);
        Some(Tile {
            level,
            index,
            hashes,
        })
    }
}

/// The root over up to 256 nodes.
fn root(nodes: &[Hash]) -> Hash {
    MerkleTree::<Rfc6962>::from_leaves(nodes)
        .root()
        .unwrap_or_else(|| Rfc6962::hash(&[]))
}

/// Rows of level 1 and above that a tree of `size` leaves has.
pub(super) fn tile_rows(size: u64) -> u64 {
    let mut rows = 0;
    let mut hashes = size >> 8;
    while hashes > 0 {
        rows += hashes.div_ceil(256);
        hashes >>= 8;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Changes, Edge};
    use std::collections::BTreeMap;

    #[test]
    fn both_implementations_agree_at_every_size_up_to_three_tiles_and_across_level_two() {
        let (mut ours, mut tree) = (Edge::empty(), Tree::default());
        let mut rows = BTreeMap::new();
        let mut full = Vec::new();
        assert_eq!(tree.root(), ours.root());
        for number in 0..66_000_u64 {
            let leaf = number.to_be_bytes();
            assert_eq!(leaf_hash(&leaf), merkle::leaf_hash(&leaf));
            let mut changes = Changes::default();
            ours.push(merkle::leaf_hash(&leaf), &mut changes);
            full.extend(tree.push(leaf_hash(&leaf)));
            for row in changes.rows {
                rows.insert((row.level, row.index), row.hashes);
            }
            if !(800..=65_500).contains(&number) {
                assert_eq!(tree.root(), ours.root(), "size {}", number + 1);
            }
        }
        full.extend(tree.partial());
        let tiles: BTreeMap<_, _> = full
            .into_iter()
            .map(|tile| ((tile.level, tile.index), tile.hashes.concat().into()))
            .collect();
        assert_eq!(tiles, rows);
        assert_eq!(tile_rows(66_000), rows.len() as u64);
    }

    #[test]
    fn a_skipped_tile_takes_its_root_from_elsewhere() {
        let leaves: Vec<Hash> = (0..300_u64)
            .map(|number| leaf_hash(&number.to_be_bytes()))
            .collect();
        let (mut whole, mut skipping) = (Tree::default(), Tree::default());
        for leaf in &leaves {
            whole.push(*leaf);
        }
        for leaf in &leaves[..100] {
            skipping.push(*leaf);
        }
        skipping.skip_tile(root(&leaves[..256]));
        for leaf in &leaves[256..] {
            skipping.push(*leaf);
        }
        assert_eq!((skipping.size, skipping.root()), (300, whole.root()));
    }
}
