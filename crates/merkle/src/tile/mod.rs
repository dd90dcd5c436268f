//! C2SP tlog-tiles: coordinates, paths and the nodes inside a tile.
//!
//! Tile `(L, N)` holds nodes `(8L, 256N) … (8L, 256N + width - 1)` of the tree. A tile is *full* with
//! 256 hashes and then never changes; the last one of a level is *partial* (1 to 255 hashes).

use crate::proof::Node;
use crate::{Hash, empty_root, node_hash};

mod interior;
mod path;

pub use interior::Interior;
pub use path::{TileError, entries_path, format_index, parse_index_path, parse_level, path};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u16 = 256;

/// Levels of the tree in a tile: 2^8 = 256.
const HEIGHT: u8 = 8;

/// Which tile: its level (of tiles, 8 levels of the tree each) and its index in the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Tile level: 0 holds leaf hashes, 1 the roots of full level-0 tiles, and so on.
    pub level: u8,
    /// Position in the level.
    pub index: u64,
}

/// Gives the width that a tile has in a tree of `size` leaves: 0 when it does not exist, up to 256.
pub fn width_at(id: TileId, size: u64) -> u16 {
    let row = size
        .checked_shr(u32::from(HEIGHT) * u32::from(id.level))
        .unwrap_or(0);
    match id.index.cmp(&(row >> HEIGHT)) {
        std::cmp::Ordering::Less => WIDTH,
        std::cmp::Ordering::Equal => u16::from(row.to_le_bytes()[0]),
        std::cmp::Ordering::Greater => 0,
    }
}

/// Finds the tile whose row holds `node` or its descendants, and the range `[start, start + count)`
/// of hashes in it: tile level = level / 8, count = 2^(level % 8).
pub fn location(node: Node) -> (TileId, u16, u16) {
    let rise = node.level % HEIGHT;
    let count = 1u16 << rise;
    let id = TileId {
        level: node.level / HEIGHT,
        index: node.index >> (HEIGHT - rise),
    };
    // A tile holds WIDTH / count such nodes: a power of two, at most 256.
    let place = u16::from(node.index.to_le_bytes()[0]) & (WIDTH / count - 1);
    (id, place * count, count)
}

/// Folds a run of hashes into their root; for 2^k hashes this is the perfect node k levels above
/// them. RFC 6962 section 2.1. Nothing is allocated.
pub fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        [left, right] => node_hash(left, right),
        _ => {
            // The left subtree takes the largest power of two below the length.
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}
