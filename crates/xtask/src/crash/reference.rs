//! Roots and paths as RFC 6962 section 2.1 writes them, with nothing of ours in between.
//!
//! The crash loop proves the log with this and with the crate `rs_merkle`, so that a fault in our own tree code cannot
//! hide itself.

use sha2::{Digest, Sha256};

pub(super) type Hash = [u8; 32];

/// MTH({d(0)}) = SHA-256(0x00 || d(0)).
pub(super) fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The leaves of a log; gives the root of any prefix.
pub(super) struct Leaves {
    /// `full[k][i]` is the hash of the 2^k leaves from i * 2^k on: the recursion below asks for the same ones for every
    /// size, so they are kept.
    full: Vec<Vec<Hash>>,
}

impl Leaves {
    pub(super) fn new(leaf_hashes: Vec<Hash>) -> Self {
        let mut full = vec![leaf_hashes];
        while let Some(below) = full.last().filter(|below| below.len() > 1) {
            let pairs = below.chunks_exact(2);
            let above = pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect();
            full.push(above);
        }
        Self { full }
    }

    pub(super) fn hashes(&self) -> &[Hash] {
        &self.full[0]
    }

    /// MTH(D[0:size]); `None` when there are fewer leaves.
    pub(super) fn root(&self, size: usize) -> Option<Hash> {
        match size {
            // The hash of an empty list is the hash of an empty string.
            0 => Some(Sha256::digest([]).into()),
            _ if size > self.hashes().len() => None,
            _ => Some(self.subtree(0, size)),
        }
    }

    /// MTH(D[start:start+n]), where `start` is a multiple of the power of two at or above n.
    fn subtree(&self, start: usize, n: usize) -> Hash {
        if n.is_power_of_two() {
            return self.full[n.trailing_zeros() as usize][start / n];
        }
        // "Let k be the largest power of two smaller than n."
        let k = 1 << n.ilog2();
        node_hash(&self.subtree(start, k), &self.subtree(start + k, n - k))
    }
}

/// The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2); `None` when it cannot be one.
pub(super) fn root_of_path(index: u64, size: u64, leaf: &Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut fnode, mut snode, mut root) = (index, size - 1, *leaf);
    for hash in path {
        if snode == 0 {
            return None;
        }
        if fnode & 1 == 1 || fnode == snode {
            root = node_hash(hash, &root);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    (snode == 0).then_some(root)
}

/// The root of leaf hashes by `rs_merkle`, which builds the tree the other way, from the bottom up.
pub(super) fn rs_merkle_root(leaf_hashes: &[Hash]) -> Option<Hash> {
    rs_merkle::MerkleTree::<Rfc6962>::from_leaves(leaf_hashes).root()
}

#[derive(Clone)]
struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        leaf_hash(data)
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        // A node without a sibling moves up as it is.
        right.map_or(*left, |right| node_hash(left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots that the first certificate-transparency implementation was tested with.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaves() -> Leaves {
        let hash = |leaf: &&str| leaf_hash(&hex::decode(leaf).unwrap());
        Leaves::new(LEAVES.iter().map(hash).collect())
    }

    #[test]
    fn the_known_roots_come_out() {
        let leaves = leaves();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(leaves.root(size).unwrap()), *root);
        }
        assert_eq!(leaves.root(9), None);
    }

    #[test]
    fn two_implementations_agree_at_every_size() {
        let hashes: Vec<Hash> = (0..300_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let leaves = Leaves::new(hashes.clone());
        for size in 1..=hashes.len() {
            assert_eq!(leaves.root(size), rs_merkle_root(&hashes[..size]), "{size}");
        }
    }

    #[test]
    fn a_path_leads_to_the_root_of_its_own_leaf_only() {
        let hashes = leaves().hashes().to_vec();
        // Leaf 2 of 5 has leaf 3, the first pair, and leaf 4 beside it.
        let path = [hashes[3], node_hash(&hashes[0], &hashes[1]), hashes[4]];
        let root = leaves().root(5);
        assert_eq!(root_of_path(2, 5, &hashes[2], &path), root);
        assert_ne!(root_of_path(2, 5, &hashes[1], &path), root);
        assert_eq!(root_of_path(2, 5, &hashes[2], &path[..2]), None);
        assert_eq!(root_of_path(5, 5, &hashes[2], &path), None);
    }
}
