//! The right edge of a tree: all that appending and knowing the root takes.

use crate::proof::{Node, perfect_run};
use crate::{Hash, empty_root, fold_right_to_left, node_hash};

/// The largest tree a [`RightEdge`] may be restored at: 2^63 leaves. Stores count in signed 64-bit
/// integers, and half of the range of `u64` can never be pushed through in practice, so that
/// [`RightEdge::push`] needs no error.
pub const MAX_SIZE: u64 = 1 << 63;

/// The right edge of a tree: its size and the roots of its perfect subtrees, left (largest) to
/// right; one for each bit set in the size. (Others call it the compact range from 0.)
///
/// The default is the edge of the empty tree.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RightEdge {
    size: u64,
    nodes: Vec<Hash>,
}

/// Why an edge could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// The number of nodes does not fit the size.
    #[error("a tree of {size} leaves has {want} edge nodes, got {have}")]
    NodeCount {
        /// Leaves in the tree.
        size: u64,
        /// Bits set in the size.
        want: usize,
        /// Nodes given.
        have: usize,
    },
    /// The size is above [`MAX_SIZE`].
    #[error("a tree of {size} leaves is larger than the limit of {MAX_SIZE}")]
    TooLarge {
        /// Leaves in the tree.
        size: u64,
    },
}

impl RightEdge {
    /// Restores the edge of a tree of `size` leaves whose perfect-subtree roots are `nodes`, left
    /// (largest) to right, as [`RightEdge::coordinates`] lists them.
    ///
    /// # Errors
    /// When the number of nodes does not fit the size. The hashes themselves cannot be wrong here:
    /// compare [`RightEdge::root`] with a root that is trusted.
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Result<Self, EdgeError> {
        if size > MAX_SIZE {
            return Err(EdgeError::TooLarge { size });
        }
        let want = Self::coordinates(size).count();
        if nodes.len() != want {
            return Err(EdgeError::NodeCount {
                size,
                want,
                have: nodes.len(),
            });
        }
        Ok(Self { size, nodes })
    }

    /// Names the nodes on the edge of a tree of `size` leaves, left (largest) to right.
    pub fn coordinates(size: u64) -> impl Iterator<Item = Node> {
        perfect_run(0, size)
    }

    /// Gives the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives the roots of the perfect subtrees, left (largest) to right.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Computes the root: one hash less than there are nodes on the edge.
    pub fn root(&self) -> Hash {
        fold_right_to_left(&self.nodes).unwrap_or_else(empty_root)
    }

    /// Appends a leaf hash. On average one node is hashed a leaf, and nothing is allocated once the
    /// edge has had its full height.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _| ());
    }

    /// Appends a leaf hash and shows `visit` every node that it completes: first the leaf itself,
    /// then its parents upwards. The rows of all tiles can be collected from the nodes whose level
    /// is a multiple of 8, without hashing anything twice.
    pub fn push_with(&mut self, leaf: Hash, mut visit: impl FnMut(Node, &Hash)) {
        let mut node = Node {
            level: 0,
            index: self.size,
        };
        let mut hash = leaf;
        visit(node, &hash);
        // An odd index means that the left sibling is complete and is the last on the edge.
        while node.index & 1 == 1
            && let Some(left) = self.nodes.pop()
        {
            hash = node_hash(&left, &hash);
            node = Node {
                level: node.level + 1,
                index: node.index >> 1,
            };
            visit(node, &hash);
        }
        self.nodes.push(hash);
        self.size += 1;
    }
}

/// Appends leaf hashes.
impl Extend<Hash> for RightEdge {
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        for leaf in leaves {
            self.push(leaf);
        }
    }
}

/// Builds the edge of the tree over these leaf hashes.
impl FromIterator<Hash> for RightEdge {
    fn from_iter<T: IntoIterator<Item = Hash>>(leaves: T) -> Self {
        let mut edge = Self::default();
        edge.extend(leaves);
        edge
    }
}
