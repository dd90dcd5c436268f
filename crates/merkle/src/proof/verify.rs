//! Checks proofs against roots. Nothing is allocated.

use super::{Climb, ProofError};
use crate::{Hash, node_hash};

/// Verifies that `leaf` (a leaf hash) stands at `index` in the tree of `size` leaves with this
/// root. RFC 9162 section 2.1.3.2.
///
/// # Errors
/// When the index is not in the tree, the proof has not exactly the length that index and size
/// call for, or it leads to another root.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let computed = root_from_inclusion(index, size, leaf, proof)?;
    if computed != *root {
        return Err(ProofError::RootMismatch {
            computed,
            root: *root,
        });
    }
    Ok(())
}

/// Computes the root that an inclusion proof leads to.
///
/// # Errors
/// When the index is not in the tree or the proof has the wrong length.
pub fn root_from_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let climb = Climb::new(index, size - 1);
    check_length(proof, climb.siblings())?;

    let mut node = *leaf;
    for (step, sibling) in (0..).zip(proof) {
        node = if climb.sibling_is_left(step) {
            node_hash(sibling, &node)
        } else {
            node_hash(&node, sibling)
        };
    }
    Ok(node)
}

/// Verifies that the tree of `size1` leaves with `root1` is the beginning of the tree of `size2`
/// leaves with `root2`. RFC 9162 section 2.1.4.2.
///
/// # Errors
/// When the sizes are reversed or the older is 0, the proof has not exactly the length that the
/// sizes call for, or it does not lead to both roots.
pub fn verify_consistency(
    size1: u64,
    size2: u64,
    proof: &[Hash],
    root1: &Hash,
    root2: &Hash,
) -> Result<(), ProofError> {
    if size1 > size2 {
        return Err(ProofError::SizesReversed { size1, size2 });
    }
    if size1 == 0 {
        return Err(ProofError::EmptyTree);
    }
    if size1 == size2 {
        check_length(proof, 0)?;
        return same_root(size1, root1, root2);
    }

    // 1. The path starts at the last perfect node of the older tree. When that is the whole older
    //    tree, its hash is known and the proof leaves it out.
    let level = size1.trailing_zeros();
    let climb = Climb::new((size1 - 1) >> level, (size2 - 1) >> level);
    let whole = climb.index == 0;
    check_length(proof, climb.siblings() + u32::from(!whole))?;
    let (start, siblings) = match proof.split_first() {
        Some((first, rest)) if !whole => (first, rest),
        _ => (root1, proof),
    };

    // 2. Left siblings are in both trees, right ones in the newer alone.
    let (mut older, mut newer) = (*start, *start);
    for (step, sibling) in (0..).zip(siblings) {
        if climb.sibling_is_left(step) {
            older = node_hash(sibling, &older);
            newer = node_hash(sibling, &newer);
        } else {
            newer = node_hash(&newer, sibling);
        }
    }

    // 3. Both roots must come out.
    if older != *root1 {
        return Err(ProofError::OlderRootMismatch {
            computed: older,
            root: *root1,
        });
    }
    if newer != *root2 {
        return Err(ProofError::NewerRootMismatch {
            computed: newer,
            root: *root2,
        });
    }
    Ok(())
}

fn same_root(size: u64, root1: &Hash, root2: &Hash) -> Result<(), ProofError> {
    if root1 != root2 {
        return Err(ProofError::Fork {
            size,
            root1: *root1,
            root2: *root2,
        });
    }
    Ok(())
}

/// A proof of any other length is refused: a longer one could hide a chosen subtree, a shorter one
/// could pass an inner node off as the leaf.
fn check_length(proof: &[Hash], want: u32) -> Result<(), ProofError> {
    if u32::try_from(proof.len()) != Ok(want) {
        return Err(ProofError::ProofLength {
            want,
            have: proof.len(),
        });
    }
    Ok(())
}
