//! RFC 6962 section 2.1 word for word: slow, recursive, and written without the fast code.

use merkle::Hash;
use sha2::{Digest, Sha256};

/// MTH(D[n]) over leaf hashes.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest(b"").into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// PATH(m, D[n]).
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if m < k {
        (path(m, left), root(right))
    } else {
        (path(m - k, right), root(left))
    };
    proof.push(other);
    proof
}

/// PROOF(m, D[n]).
pub(crate) fn consistency(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if m <= k {
        (subproof(m, left, whole), root(right))
    } else {
        (subproof(m - k, right, false), root(left))
    };
    proof.push(other);
    proof
}

/// The largest power of two below n.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::digest([b"\x01".as_slice(), left, right].concat()).into()
}

/// `count` different leaf hashes.
pub(crate) fn leaves(count: usize) -> Vec<Hash> {
    (0..count)
        .map(|i| Sha256::digest(format!("\0leaf {i}")).into())
        .collect()
}

/// The hash of every node that a tree over these leaves can be asked for.
pub(crate) fn node_at(leaves: &[Hash], node: merkle::proof::Node) -> Hash {
    let begin = usize::try_from(node.index << node.level).unwrap();
    let end = usize::try_from((node.index + 1) << node.level).unwrap();
    root(&leaves[begin..end])
}
