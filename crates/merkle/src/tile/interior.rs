//! The nodes inside a tile, kept for reading proofs.

use super::WIDTH;
use crate::{Hash, node_hash};

/// A tile with its interior: the row and all complete nodes above it, up to the root of the tile.
/// Reading a node costs nothing, against up to 127 hashes from the bare row, for twice the memory
/// (16 KiB).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interior {
    width: u16,
    /// Level r of the interior holds 256 >> r nodes and stands after those below it.
    nodes: Vec<Hash>,
}

impl Interior {
    const NODES: usize = 511;

    /// Makes the interior of an empty tile.
    pub fn new() -> Self {
        Self {
            width: 0,
            nodes: vec![[0; 32]; Self::NODES],
        }
    }

    /// Builds the interior over a row of up to 256 hashes; hashes beyond are not taken.
    pub fn from_row(row: &[Hash]) -> Self {
        let mut interior = Self::new();
        for hash in row {
            interior.push(*hash);
        }
        interior
    }

    /// Adds a hash to the row and completes the nodes above it. Returns whether there was room.
    pub fn push(&mut self, hash: Hash) -> bool {
        if self.width == WIDTH {
            return false;
        }
        let (mut rise, mut place, mut node) = (0, self.width, hash);
        self.nodes[Self::position(rise, place)] = node;
        while place & 1 == 1 {
            node = node_hash(&self.nodes[Self::position(rise, place - 1)], &node);
            (rise, place) = (rise + 1, place >> 1);
            self.nodes[Self::position(rise, place)] = node;
        }
        self.width += 1;
        true
    }

    /// Gives the number of hashes in the row, 0 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Gives the row: `width` hashes.
    pub fn row(&self) -> &[Hash] {
        &self.nodes[..usize::from(self.width)]
    }

    /// Reads the node over the hashes `[start, start + count)` of the row, as [`location`](super::location) gives
    /// them; `None` when they are not all there or are not one node.
    pub fn node(&self, start: u16, count: u16) -> Option<&Hash> {
        let one_node = count.is_power_of_two() && start.is_multiple_of(count);
        if !one_node || start.checked_add(count)? > self.width {
            return None;
        }
        let rise = count.trailing_zeros();
        self.nodes.get(Self::position(rise, start >> rise))
    }

    /// Level `rise` starts after the 512 - (512 >> rise) nodes below it.
    fn position(rise: u32, place: u16) -> usize {
        usize::from(512 - (512u16 >> rise) + place)
    }
}

impl Default for Interior {
    fn default() -> Self {
        Self::new()
    }
}
