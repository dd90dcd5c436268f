//! Inclusion and consistency: verification, and which nodes a proof is made of.
//!
//! Both proofs are the path from one node up to the root of the tree of `size` leaves (the picture
//! is in the [crate] documentation). An inclusion proof starts at the leaf; a consistency proof
//! starts at the last perfect node of the older tree. The path has two parts:
//!
//! - **inner**: below the point where it meets the path of the last leaf. At every level there is
//!   a sibling, left or right by the bit of the index; the topmost of them is on the right and may
//!   be incomplete (the ephemeral node).
//! - **border**: above that point the path runs along the right edge of the tree, so siblings are
//!   on the left, and there is one only where the bit of the index is set.

use std::fmt;

use crate::{Hash, bit_length};

mod plan;
mod verify;

pub use plan::Plan;
pub use verify::{root_from_inclusion, verify_consistency, verify_inclusion};

/// A perfect-subtree node: level 0 is leaves; it covers leaves `[index << level, (index+1) << level)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Height above the leaves, 0 to 63.
    pub level: u8,
    /// Position in the level.
    pub index: u64,
}

/// Why there is no such proof, or why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No leaf with this index is in a tree of this size.
    #[error("leaf index {index} is not in a tree of {size} leaves")]
    IndexOutOfRange {
        /// Leaf index asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The first tree of a consistency proof is larger than the second.
    #[error("the older tree has {size1} leaves, more than the newer with {size2}")]
    SizesReversed {
        /// Leaves in the older tree.
        size1: u64,
        /// Leaves in the newer tree.
        size2: u64,
    },
    /// Everything is consistent with the empty tree; such a proof says nothing about its root.
    #[error("consistency with an empty tree proves nothing: start from a size of at least 1")]
    EmptyTree,
    /// The proof is too short or too long for these sizes.
    #[error("the proof has {have} hashes, for this size and position it must have {want}")]
    ProofLength {
        /// Hashes that the proof must have.
        want: u32,
        /// Hashes given.
        have: usize,
    },
    /// Hashes for a [`Plan`] are missing or too many.
    #[error("the plan needs {want} nodes, got {have}")]
    NodeCount {
        /// Nodes of the plan.
        want: usize,
        /// Hashes given.
        have: usize,
    },
    /// The inclusion proof leads to another root.
    #[error("the proof leads to root {}, not to {}", Hex(computed), Hex(root))]
    RootMismatch {
        /// Root that the proof leads to.
        computed: Hash,
        /// Root that the tree is said to have.
        root: Hash,
    },
    /// The consistency proof does not lead to the older root.
    #[error(
        "the proof leads to the older root {}, not to {}",
        Hex(computed),
        Hex(root)
    )]
    OlderRootMismatch {
        /// Root that the proof leads to.
        computed: Hash,
        /// Root that the older tree is said to have.
        root: Hash,
    },
    /// The consistency proof leads to the older root but not to the newer one.
    #[error(
        "the proof leads to the newer root {}, not to {}",
        Hex(computed),
        Hex(root)
    )]
    NewerRootMismatch {
        /// Root that the proof leads to.
        computed: Hash,
        /// Root that the newer tree is said to have.
        root: Hash,
    },
    /// Two roots for one size: the log has forked.
    #[error(
        "two roots for one tree of {size} leaves: {} and {}",
        Hex(root1),
        Hex(root2)
    )]
    Fork {
        /// Leaves in both trees.
        size: u64,
        /// Root of the first.
        root1: Hash,
        /// Root of the second.
        root2: Hash,
    },
}

/// Shows a hash in errors.
struct Hex<'a>(&'a Hash);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How a path climbs from node `index` of its level to the root, see the module documentation.
/// `last` is the index, at the same level, of the node on the path of the last leaf.
#[derive(Clone, Copy)]
struct Climb {
    index: u64,
    /// Steps of the inner part.
    inner: u32,
}

impl Climb {
    fn new(index: u64, last: u64) -> Self {
        Self {
            index,
            inner: bit_length(index ^ last),
        }
    }

    /// Siblings met on the way: one each inner step, and one each bit left above them.
    fn siblings(self) -> u32 {
        self.inner + self.index.checked_shr(self.inner).unwrap_or(0).count_ones()
    }

    /// Whether the sibling met as number `step` stands to the left.
    fn sibling_is_left(self, step: u32) -> bool {
        step >= self.inner || (self.index >> step) & 1 == 1
    }
}

/// Cuts the leaves `[begin, end)` into perfect nodes, left (largest) to right. `begin` must be a
/// multiple of a power of two that is not below `end - begin`, as for every subtree in RFC 6962.
pub(crate) fn perfect_run(begin: u64, end: u64) -> impl Iterator<Item = Node> {
    let mut at = begin;
    std::iter::from_fn(move || {
        let level = bit_length(end.checked_sub(at)?).checked_sub(1)?;
        let index = at >> level;
        at += 1 << level;
        Some(Node {
            level: to_level(level),
            index,
        })
    })
}

/// Levels are positions of bits in a `u64`.
fn to_level(bit: u32) -> u8 {
    u8::try_from(bit).expect("a bit of a u64 is below 64")
}
