//! Plans and verification against the text of the RFC.

use merkle::proof::{
    Node, Plan, ProofError, root_from_inclusion, verify_consistency, verify_inclusion,
};
use merkle::{Hash, RightEdge, empty_root};
use proptest::prelude::*;
use rs_merkle::MerkleTree;

use crate::edge::Rfc6962;
use crate::reference;

fn fulfil(plan: &Plan, leaves: &[Hash]) -> Vec<Hash> {
    let hashes: Vec<_> = plan
        .nodes()
        .map(|node| reference::node_at(leaves, node))
        .collect();
    plan.fold(&hashes).unwrap()
}

fn long(n: usize) -> u64 {
    u64::try_from(n).unwrap()
}

#[test]
fn plans_fold_to_the_rfc_inclusion_proof_for_all_pairs_up_to_70() {
    let all = reference::leaves(70);
    for size in 1..=70 {
        let leaves = &all[..size];
        let root = reference::root(leaves);
        for index in 0..size {
            let plan = Plan::inclusion(long(index), long(size)).unwrap();
            let proof = fulfil(&plan, leaves);
            assert_eq!(
                proof,
                reference::path(index, leaves),
                "leaf {index} of {size}"
            );
            verify_inclusion(long(index), long(size), &leaves[index], &proof, &root).unwrap();
        }
    }
}

#[test]
fn plans_fold_to_the_rfc_consistency_proof_for_all_pairs_up_to_70() {
    let all = reference::leaves(70);
    for size2 in 1..=70 {
        let leaves = &all[..size2];
        let root2 = reference::root(leaves);
        for size1 in 1..=size2 {
            let plan = Plan::consistency(long(size1), long(size2)).unwrap();
            let proof = fulfil(&plan, leaves);
            assert_eq!(
                proof,
                reference::consistency(size1, leaves),
                "{size1} in {size2}"
            );
            let root1 = reference::root(&leaves[..size1]);
            verify_consistency(long(size1), long(size2), &proof, &root1, &root2).unwrap();
        }
    }
}

#[test]
fn plans_ask_only_for_complete_nodes_and_have_one_ephemeral_element() {
    for size in 1..=200u64 {
        for index in 0..size {
            for plan in [Plan::inclusion(index, size), Plan::consistency(index, size)] {
                let plan = plan.unwrap();
                assert!(
                    plan.nodes()
                        .all(|node| (node.index + 1) << node.level <= size)
                );
                assert!(plan.elements().filter(|run| run.len() > 1).count() <= 1);
                let joined: Vec<Node> = plan.elements().flatten().copied().collect();
                assert_eq!(joined, plan.nodes().collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn rs_merkle_gives_the_same_inclusion_proofs() {
    let all = reference::leaves(130);
    for size in [1, 2, 3, 7, 64, 65, 100, 127, 128, 129, 130] {
        let tree = MerkleTree::<Rfc6962>::from_leaves(&all[..size]);
        for index in 0..size {
            let plan = Plan::inclusion(long(index), long(size)).unwrap();
            let oracle = tree.proof(&[index]);
            assert_eq!(
                fulfil(&plan, &all[..size]),
                oracle.proof_hashes(),
                "{index} of {size}"
            );
        }
    }
}

#[test]
fn a_proof_holds_for_no_other_index_size_leaf_or_root() {
    let all = reference::leaves(20);
    for size in 1..=20u64 {
        let leaves = &all[..usize::try_from(size).unwrap()];
        let root = reference::root(leaves);
        for index in 0..size {
            let place = usize::try_from(index).unwrap();
            let proof = reference::path(place, leaves);
            for other in (0..size + 2).filter(|other| *other != index) {
                let result = verify_inclusion(other, size, &leaves[place], &proof, &root);
                assert!(result.is_err(), "{index} passes as {other} of {size}");
            }
            assert!(verify_inclusion(index, size, &root, &proof, &root).is_err() || size == 1);
            assert!(verify_inclusion(index, size, &leaves[place], &proof, &[7; 32]).is_err());
        }
    }
}

#[test]
fn a_proof_of_any_other_length_is_refused_with_both_lengths() {
    let leaves = reference::leaves(7);
    let root = reference::root(&leaves);
    let mut proof = reference::path(2, &leaves);
    proof.push(root);
    let error = verify_inclusion(2, 7, &leaves[2], &proof, &root).unwrap_err();
    assert_eq!(error, ProofError::ProofLength { want: 3, have: 4 });
    let error = verify_inclusion(2, 7, &leaves[2], &proof[..2], &root).unwrap_err();
    assert_eq!(error, ProofError::ProofLength { want: 3, have: 2 });
    assert!(error.to_string().contains("has 2 hashes"), "{error}");
}

#[test]
fn an_index_outside_the_tree_has_no_proof() {
    for (index, size) in [(0, 0), (1, 1), (u64::MAX, 5), (u64::MAX, u64::MAX)] {
        let want = ProofError::IndexOutOfRange { index, size };
        assert_eq!(Plan::inclusion(index, size), Err(want));
        assert_eq!(root_from_inclusion(index, size, &[0; 32], &[]), Err(want));
    }
}

#[test]
fn reversed_sizes_have_no_proof() {
    let want = ProofError::SizesReversed { size1: 3, size2: 2 };
    assert_eq!(Plan::consistency(3, 2), Err(want));
    assert_eq!(verify_consistency(3, 2, &[], &[0; 32], &[0; 32]), Err(want));
}

#[test]
fn the_empty_tree_is_proved_with_nothing_and_proves_nothing() {
    assert_eq!(Plan::consistency(0, 9).unwrap().nodes().len(), 0);
    let result = verify_consistency(0, 9, &[], &empty_root(), &[1; 32]);
    assert_eq!(result, Err(ProofError::EmptyTree));
}

#[test]
fn two_roots_for_one_size_are_a_fork() {
    let error = verify_consistency(5, 5, &[], &[1; 32], &[2; 32]).unwrap_err();
    assert_eq!(
        error,
        ProofError::Fork {
            size: 5,
            root1: [1; 32],
            root2: [2; 32]
        }
    );
    assert!(
        error
            .to_string()
            .starts_with("two roots for one tree of 5 leaves: 01010101")
    );
    verify_consistency(5, 5, &[], &[1; 32], &[1; 32]).unwrap();
}

#[test]
fn which_root_a_consistency_proof_misses_is_told() {
    let leaves = reference::leaves(7);
    let (root1, root2) = (reference::root(&leaves[..6]), reference::root(&leaves));
    let proof = reference::consistency(6, &leaves);
    let bad = [9; 32];
    assert_eq!(
        verify_consistency(6, 7, &proof, &bad, &root2),
        Err(ProofError::OlderRootMismatch {
            computed: root1,
            root: bad
        })
    );
    assert_eq!(
        verify_consistency(6, 7, &proof, &root1, &bad),
        Err(ProofError::NewerRootMismatch {
            computed: root2,
            root: bad
        })
    );
}

#[test]
fn fold_refuses_another_number_of_hashes() {
    let plan = Plan::inclusion(0, 7).unwrap();
    let want = plan.nodes().len();
    let error = ProofError::NodeCount {
        want,
        have: want - 1,
    };
    assert_eq!(plan.fold(&vec![[0; 32]; want - 1]), Err(error));
}

#[test]
fn the_largest_trees_are_planned_without_overflow() {
    for size in [1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, size / 2, size - 2, size - 1] {
            let plan = Plan::inclusion(index, size).unwrap();
            let proof = plan.fold(&vec![[0; 32]; plan.nodes().len()]).unwrap();
            root_from_inclusion(index, size, &[0; 32], &proof).unwrap();
            let plan = Plan::consistency(index, size).unwrap();
            let proof = plan.fold(&vec![[0; 32]; plan.nodes().len()]).unwrap();
            let result = verify_consistency(index, size, &proof, &[0; 32], &[0; 32]);
            assert!(
                !matches!(result, Err(ProofError::ProofLength { .. })),
                "{index} of {size}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pair_up_to_5000_matches_the_rfc((size, index) in (1usize..=5000).prop_flat_map(|size| (Just(size), 0..size))) {
        let leaves = reference::leaves(size);
        let edge: RightEdge = leaves.iter().copied().collect();

        let proof = fulfil(&Plan::inclusion(long(index), long(size)).unwrap(), &leaves);
        prop_assert_eq!(&proof, &reference::path(index, &leaves));
        prop_assert_eq!(verify_inclusion(long(index), long(size), &leaves[index], &proof, &edge.root()), Ok(()));

        let size1 = index + 1;
        let older: RightEdge = leaves[..size1].iter().copied().collect();
        let proof = fulfil(&Plan::consistency(long(size1), long(size)).unwrap(), &leaves);
        prop_assert_eq!(&proof, &reference::consistency(size1, &leaves));
        prop_assert_eq!(verify_consistency(long(size1), long(size), &proof, &older.root(), &edge.root()), Ok(()));
    }

    #[test]
    fn one_flipped_bit_anywhere_breaks_a_proof(
        (size, index) in (2usize..=300).prop_flat_map(|size| (Just(size), 0..size)),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let leaves = reference::leaves(size);
        let root = reference::root(&leaves);
        let mut proof = reference::path(index, &leaves);
        let at = place.index(proof.len() * 32);
        proof[at / 32][at % 32] ^= 1 << bit;
        prop_assert!(verify_inclusion(long(index), long(size), &leaves[index], &proof, &root).is_err());

        let size1 = index.max(1);
        let mut proof = reference::consistency(size1, &leaves);
        prop_assume!(!proof.is_empty());
        let at = place.index(proof.len() * 32);
        proof[at / 32][at % 32] ^= 1 << bit;
        let older = reference::root(&leaves[..size1]);
        prop_assert!(verify_consistency(long(size1), long(size), &proof, &older, &root).is_err());
    }

    #[test]
    fn hostile_proofs_never_panic(
        a in any::<u64>(), b in any::<u64>(),
        proof in prop::collection::vec(any::<Hash>(), 0..130),
        root in any::<Hash>(),
    ) {
        prop_assert!(verify_inclusion(a, b, &root, &proof, &root).is_err() || b == 1);
        prop_assert!(verify_consistency(a, b, &proof, &root, &root).is_err() || a == b);
    }
}
