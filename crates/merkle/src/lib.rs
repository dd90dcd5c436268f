//! RFC 6962 Merkle trees: hashing, proofs, tiles. Pure.
#![allow(clippy::todo, missing_docs)]

/// A SHA-256 hash of a leaf, a node or a root.
pub type Hash = [u8; 32];

pub fn leaf_hash(data: &[u8]) -> Hash { todo!() }
pub fn node_hash(left: &Hash, right: &Hash) -> Hash { todo!() }
/// Root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash { todo!() }

/// The right edge of a tree: what is needed to append and to know the root. (RFC 6962 "compact range" from 0.)
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RightEdge { /* size and the roots of the perfect subtrees, left to right */ }
impl RightEdge {
    /// The edge of a tree of `size` leaves whose perfect-subtree roots are `nodes`, left (largest) to right.
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Result<Self, EdgeError> { todo!() }
    pub fn size(&self) -> u64 { todo!() }
    pub fn nodes(&self) -> &[Hash] { todo!() }
    pub fn root(&self) -> Hash { todo!() }
    pub fn push(&mut self, leaf: Hash) { todo!() }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError { #[error("a tree of {size} leaves has {want} edge nodes, got {have}")] NodeCount { size: u64, want: usize, have: usize } }

pub mod proof {
    //! Inclusion and consistency: verification, and which nodes a proof is made of.
    use super::Hash;
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum ProofError { #[error("TODO")] Todo }
    /// RFC 6962 inclusion verify.
    pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), ProofError> { todo!() }
    pub fn verify_consistency(size1: u64, size2: u64, proof: &[Hash], root1: &Hash, root2: &Hash) -> Result<(), ProofError> { todo!() }
    /// The root that an inclusion proof leads to.
    pub fn root_from_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, ProofError> { todo!() }

    /// A perfect-subtree node: level 0 is leaves; it covers leaves [index << level, (index+1) << level).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Node { pub level: u8, pub index: u64 }

    /// A proof as the perfect nodes to fetch, and how to fold them: each element of the proof is the
    /// RFC 6962 fold (right to left) of a run of perfect nodes (one node for complete siblings, several
    /// for the ephemeral right-edge node).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Plan { pub elements: Vec<Vec<Node>> }
    impl Plan {
        pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> { todo!() }
        pub fn consistency(size1: u64, size2: u64) -> Result<Self, ProofError> { todo!() }
        /// Every perfect node the plan needs, in the order `fold` wants their hashes.
        pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ { self.elements.iter().flatten().copied() }
        /// Folds fetched hashes (same order as `nodes`) into the proof.
        pub fn fold(&self, hashes: &[Hash]) -> Result<Vec<Hash>, ProofError> { todo!() }
    }
}

pub mod tile {
    //! C2SP tlog-tiles coordinates.
    use super::{Hash, proof::Node};
    pub const WIDTH: u16 = 256;
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct TileId { pub level: u8, pub index: u64 }
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum TileError { #[error("TODO")] Todo }
    /// `x001/x234/067` for 1234067.
    pub fn format_index(index: u64) -> String { todo!() }
    /// Parses `<N>[.p/<W>]` given the path segments after `tile/<L>/`; returns index and width (256 when full).
    pub fn parse_index_path(path: &str) -> Result<(u64, u16), TileError> { todo!() }
    /// Parses the level segment `0`..`63`.
    pub fn parse_level(text: &str) -> Result<u8, TileError> { todo!() }
    /// The width that tile (level,index) has in a tree of `size`: 0 when it does not exist, up to 256.
    pub fn width_at(id: TileId, size: u64) -> u16 { todo!() }
    /// The tile that holds `node`'s descendants at the stored level, and the range [start, start+count) in it:
    /// tile level = node.level / 8, count = 2^(node.level % 8).
    pub fn location(node: Node) -> (TileId, u16, u16) { todo!() }
    /// Root of a run of 2^k hashes.
    pub fn fold(hashes: &[Hash]) -> Hash { todo!() }
    /// Path `tile/<L>/<N>[.p/<W>]`, for static trees.
    pub fn path(id: TileId, width: u16) -> String { todo!() }
    /// Path `tile/entries/<N>[.p/<W>]`.
    pub fn entries_path(index: u64, width: u16) -> String { todo!() }
}
