//! Which nodes a proof is made of, and how they become the proof.

use std::ops::Range;

use super::{Climb, Node, ProofError, perfect_run, to_level};
use crate::{Hash, fold_right_to_left};

/// A proof as the perfect nodes to fetch, and how to fold them: each element of the proof is one
/// perfect node, except at most one, the ephemeral node on the right edge of the tree, which is the
/// RFC 6962 fold (right to left) of a run of perfect nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order of the proof: bottom to top, the run of the ephemeral node left to right.
    nodes: Vec<Node>,
    /// The run inside `nodes` that makes one element; empty when every node is one.
    run: Range<usize>,
}

impl Plan {
    /// Plans the proof that leaf `index` is in the tree of `size` leaves. RFC 9162 section 2.1.3.1.
    ///
    /// # Errors
    /// When the index is not in the tree.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::IndexOutOfRange { index, size });
        }
        let mut plan = Self::empty();
        plan.climb(0, index, size);
        Ok(plan)
    }

    /// Plans the proof that the tree of `size1` leaves is the beginning of the tree of `size2`
    /// leaves. RFC 9162 section 2.1.4.1. The proof is empty when the sizes are equal, and when
    /// `size1` is 0 (RFC 6962 leaves that open; witnesses expect no hashes there).
    ///
    /// # Errors
    /// When the sizes are reversed.
    pub fn consistency(size1: u64, size2: u64) -> Result<Self, ProofError> {
        if size1 > size2 {
            return Err(ProofError::SizesReversed { size1, size2 });
        }
        let mut plan = Self::empty();
        if size1 == 0 || size1 == size2 {
            return Ok(plan);
        }
        let level = size1.trailing_zeros();
        let index = (size1 - 1) >> level;
        // The verifier knows the first node already when it is the whole older tree.
        if index != 0 {
            plan.nodes.push(Node {
                level: to_level(level),
                index,
            });
        }
        plan.climb(level, index, size2);
        Ok(plan)
    }

    /// Lists every perfect node the plan needs, in the order [`Plan::fold`] wants their hashes. At
    /// most 127 nodes, in practice about two for each bit of the size.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node> + '_ {
        self.nodes.iter().copied()
    }

    /// Lists the elements of the proof, bottom to top: the nodes whose fold (right to left) is the
    /// element.
    pub fn elements(&self) -> impl Iterator<Item = &[Node]> {
        let (before, run, after) = cut(&self.nodes, &self.run);
        before
            .chunks(1)
            .chain((!run.is_empty()).then_some(run))
            .chain(after.chunks(1))
    }

    /// Folds fetched hashes (same order as [`Plan::nodes`]) into the proof, bottom to top.
    ///
    /// # Errors
    /// When there are not as many hashes as nodes.
    pub fn fold(&self, hashes: &[Hash]) -> Result<Vec<Hash>, ProofError> {
        if hashes.len() != self.nodes.len() {
            return Err(ProofError::NodeCount {
                want: self.nodes.len(),
                have: hashes.len(),
            });
        }
        let (before, run, after) = cut(hashes, &self.run);
        let mut proof = Vec::with_capacity(hashes.len());
        proof.extend_from_slice(before);
        proof.extend(fold_right_to_left(run));
        proof.extend_from_slice(after);
        Ok(proof)
    }

    fn empty() -> Self {
        // One allocation: a path through a tree of 2^32 leaves and its ephemeral run fit.
        Self {
            nodes: Vec::with_capacity(48),
            run: 0..0,
        }
    }

    /// Adds the siblings on the path from node `(level, index)` to the root of `size` leaves.
    fn climb(&mut self, level: u32, index: u64, size: u64) {
        let climb = Climb::new(index, (size - 1) >> level);
        // The topmost inner sibling reaches to the end of the tree: perfect or ephemeral.
        if let Some(top) = climb.inner.checked_sub(1) {
            self.nodes
                .extend((0..top).map(|step| sibling(level, index, step)));
            let begin = ((index >> top) ^ 1) << (level + top);
            let start = self.nodes.len();
            self.nodes.extend(perfect_run(begin, size));
            self.run = start..self.nodes.len();
        }
        let border = (climb.inner..u64::BITS).filter(|&step| (index >> step) & 1 == 1);
        self.nodes
            .extend(border.map(|step| sibling(level, index, step)));
    }
}

/// The sibling of the node that stands `step` levels above node `(level, index)`.
fn sibling(level: u32, index: u64, step: u32) -> Node {
    Node {
        level: to_level(level + step),
        index: (index >> step) ^ 1,
    }
}

/// Cuts a list before and after a range.
fn cut<'a, T>(list: &'a [T], range: &Range<usize>) -> (&'a [T], &'a [T], &'a [T]) {
    let (head, after) = list.split_at(range.end);
    let (before, run) = head.split_at(range.start);
    (before, run, after)
}
