//! RFC 6962 Merkle trees over SHA-256: hashing, the right edge, proofs and tiles. Pure.
//!
//! # The one coordinate system
//!
//! A [`Node`](proof::Node) is named by its level (0 is the leaves) and its index in that level.
//! Node `(level, index)` covers the leaves `[index << level, (index + 1) << level)`; it exists once
//! the tree holds all of them, and then never changes. A tree of 7 leaves:
//!
//! ```text
//! level 3             .              (3,0) is not complete: it waits for leaf 7
//!               ╱           ╲
//! level 2     (2,0)           .      the ephemeral node over leaves 4..7 is the fold of
//!            ╱     ╲        ╱  ╲     (1,2) and (0,6); it has no coordinates
//! level 1  (1,0)  (1,1)  (1,2)  │
//!          ╱  ╲   ╱  ╲   ╱  ╲   │
//! level 0  0   1  2   3  4   5  6    (0,0) … (0,6)
//! ```
//!
//! - The **right edge** of the tree is `(2,0) (1,2) (0,6)`, one node for each bit of the size
//!   (7 = 4 + 2 + 1), left to right. Folded right to left it gives the root. See [`RightEdge`].
//! - A **proof** is a list of perfect nodes, bottom to top, except that one element may be the
//!   ephemeral node, which is folded from its perfect nodes. See [`proof::Plan`].
//! - A **tile** is a run of 256 nodes at a level that is a multiple of 8: tile `(L, N)` holds the
//!   nodes `(8L, 256N) … (8L, 256N + 255)`; the levels between are folded from it. See [`tile`].
//!
//! The empty tree has no nodes; its root is SHA-256 of nothing.

use sha2::{Digest, Sha256};

mod edge;
pub mod proof;
pub mod tile;

pub use edge::{EdgeError, MAX_SIZE, RightEdge};

/// A SHA-256 hash of a leaf, a node or a root.
pub type Hash = [u8; 32];

// RFC 6962 section 2.1: the two prefixes separate the domains, so that nobody can pass the
// concatenation of two child hashes off as a leaf.
const LEAF_PREFIX: [u8; 1] = [0x00];
const NODE_PREFIX: [u8; 1] = [0x01];

/// Hashes the data of a leaf: SHA-256(0x00 ‖ data). RFC 6962 section 2.1.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(LEAF_PREFIX);
    hasher.update(data);
    hasher.finalize().into()
}

/// Hashes two children into their parent: SHA-256(0x01 ‖ left ‖ right). RFC 6962 section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(NODE_PREFIX);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// Gives the root of the empty tree: SHA-256 of nothing. RFC 6962 section 2.1.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Folds neighbors of falling level, left (largest) to right, into the node above them all.
/// Gives `None` for no nodes.
fn fold_right_to_left(nodes: &[Hash]) -> Option<Hash> {
    let (last, rest) = nodes.split_last()?;
    Some(
        rest.iter()
            .rfold(*last, |right, left| node_hash(left, &right)),
    )
}

/// Counts the bits that `number` needs: 0 for 0, 64 for `u64::MAX`.
fn bit_length(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}
