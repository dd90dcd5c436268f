//! Hashing, roots and the right edge.

use hex::ToHex;
use merkle::proof::Node;
use merkle::{EdgeError, Hash, MAX_SIZE, RightEdge, empty_root, leaf_hash, node_hash};
use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleTree};
use sha2::{Digest, Sha256};

use crate::reference;

/// The eight leaves that implementations of RFC 6962 share.
const CLASSIC_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const CLASSIC_ROOTS: [&str; 9] = [
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

fn classic_leaves() -> Vec<Hash> {
    CLASSIC_LEAVES
        .map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()))
        .to_vec()
}

#[test]
fn the_classic_leaves_give_the_classic_roots() {
    let mut edge = RightEdge::default();
    assert_eq!(empty_root().encode_hex::<String>(), CLASSIC_ROOTS[0]);
    assert_eq!(edge.root().encode_hex::<String>(), CLASSIC_ROOTS[0]);
    for (leaf, root) in classic_leaves().into_iter().zip(&CLASSIC_ROOTS[1..]) {
        edge.push(leaf);
        assert_eq!(edge.root().encode_hex::<String>(), *root);
    }
}

#[test]
fn a_leaf_is_never_a_node() {
    let (left, right) = (leaf_hash(b"l"), leaf_hash(b"r"));
    assert_ne!(leaf_hash(&[left, right].concat()), node_hash(&left, &right));
    assert_eq!(reference::node(&left, &right), node_hash(&left, &right));
}

#[test]
fn the_edge_has_one_node_a_bit_of_the_size() {
    let leaves = reference::leaves(300);
    let mut edge = RightEdge::default();
    for (size, leaf) in (1u64..).zip(&leaves) {
        edge.push(*leaf);
        let want: Vec<_> = RightEdge::coordinates(size)
            .map(|n| reference::node_at(&leaves, n))
            .collect();
        assert_eq!(edge.nodes(), want);
        assert_eq!(edge.size(), size);
        assert_eq!(want.len(), usize::try_from(size.count_ones()).unwrap());
    }
}

#[test]
fn the_edge_of_seven_leaves_is_as_drawn() {
    let edge: Vec<_> = RightEdge::coordinates(7).collect();
    let node = |level, index| Node { level, index };
    assert_eq!(edge, [node(2, 0), node(1, 2), node(0, 6)]);
}

#[test]
fn a_restored_edge_goes_on_like_the_one_it_came_from() {
    let leaves = reference::leaves(100);
    for cut in 0..100 {
        let before: RightEdge = leaves[..cut].iter().copied().collect();
        let mut after = RightEdge::from_nodes(before.size(), before.nodes().to_vec()).unwrap();
        assert_eq!(after, before);
        after.extend(leaves[cut..].iter().copied());
        assert_eq!(after.root(), reference::root(&leaves));
    }
}

#[test]
fn an_edge_with_too_few_or_too_many_nodes_is_refused() {
    let node = [1; 32];
    for have in [0, 1, 2, 4] {
        let want = EdgeError::NodeCount {
            size: 7,
            want: 3,
            have,
        };
        assert_eq!(RightEdge::from_nodes(7, vec![node; have]), Err(want));
    }
    let nodes = vec![node; 64];
    assert_eq!(
        RightEdge::from_nodes(u64::MAX, nodes),
        Err(EdgeError::TooLarge { size: u64::MAX })
    );
    assert!(RightEdge::from_nodes(MAX_SIZE, vec![node]).is_ok());
}

#[test]
fn pushing_shows_every_node_once_when_it_completes() {
    let leaves = reference::leaves(70);
    let mut edge = RightEdge::default();
    let mut seen = Vec::new();
    for leaf in &leaves {
        let before = seen.len();
        edge.push_with(*leaf, |node, hash| {
            assert_eq!(*hash, reference::node_at(&leaves, node));
            seen.push(node);
        });
        // 1 leaf, and a parent for each trailing one of the old size.
        let completed = usize::try_from((edge.size() - 1).trailing_ones()).unwrap() + 1;
        assert_eq!(seen.len() - before, completed);
    }
    seen.sort();
    let want: Vec<_> = (0u8..7)
        .flat_map(|level| (0..70 >> level).map(move |index| Node { level, index }))
        .collect();
    assert_eq!(seen, want);
}

/// RFC 6962 hashing for rs_merkle, which promotes odd nodes and so builds the same tree.
#[derive(Clone)]
pub(crate) struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        Sha256::digest([b"\x00".as_slice(), data].concat()).into()
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        right.map_or(*left, |right| reference::node(left, right))
    }
}

#[test]
fn rs_merkle_gives_the_same_roots_up_to_300() {
    let leaves = reference::leaves(300);
    let mut edge = RightEdge::default();
    for size in 1..=300 {
        edge.push(leaves[size - 1]);
        let oracle = MerkleTree::<Rfc6962>::from_leaves(&leaves[..size]);
        assert_eq!(Some(edge.root()), oracle.root(), "size {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_size_up_to_5000_has_the_root_of_both_oracles(size in 1usize..=5000) {
        let leaves = reference::leaves(size);
        let edge: RightEdge = leaves.iter().copied().collect();
        prop_assert_eq!(edge.root(), reference::root(&leaves));
        prop_assert_eq!(edge.root(), merkle::tile::fold(&leaves));
        prop_assert_eq!(Some(edge.root()), MerkleTree::<Rfc6962>::from_leaves(&leaves).root());
    }

    #[test]
    fn any_batching_gives_one_root(cuts in prop::collection::vec(0usize..=700, 0..12)) {
        let leaves = reference::leaves(700);
        let mut cuts = cuts;
        cuts.extend([0, 700]);
        cuts.sort_unstable();
        let mut stored = RightEdge::default();
        for batch in cuts.windows(2) {
            // Every batch starts from what a store would have kept.
            let mut edge = RightEdge::from_nodes(stored.size(), stored.nodes().to_vec()).unwrap();
            edge.extend(leaves[batch[0]..batch[1]].iter().copied());
            stored = edge;
        }
        prop_assert_eq!(stored.root(), reference::root(&leaves));
    }
}
