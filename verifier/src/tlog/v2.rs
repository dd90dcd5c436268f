//! Rekor v2 entries: inclusion proof under a checkpoint; no time of their own (spec/rekor.md B.5, B.7).

use super::{EntryFailure, ProofParts, check_key_in_use, checkpoint, verify_inclusion};
use crate::Context;
use crate::material::checkpoint_of;
use crate::times::Times;
use crate::trust::Log;
use formats::bundle::TransparencyLogEntry;

/// Verifies checkpoint and inclusion; then what was shown.
pub(crate) fn check(
    cx: &Context<'_>,
    entry: &TransparencyLogEntry,
    log: &Log,
    times: &Times,
) -> Result<String, EntryFailure> {
    let proof = entry
        .inclusion_proof
        .as_ref()
        .ok_or(EntryFailure::NoProof)?;
    let envelope = checkpoint_of(proof).ok_or(EntryFailure::NoProof)?;
    let parts = ProofParts::parse(proof)?;
    let opened = checkpoint::open_v2(cx, envelope, log)?;
    let head = &opened.head;
    // The checkpoint and the top-level index decide. Differs: clients may ignore the proof's own copies (spec h.3);
    // Rekor v2 always fills them, so a copy that disagrees was altered.
    let index = u64::try_from(entry.log_index)
        .map_err(|_| EntryFailure::ProofForm { what: "log index" })?;
    for (what, same) in [
        ("log index", parts.index == index),
        ("tree size", parts.size == head.size),
        ("root hash", parts.root == head.root),
    ] {
        if !same {
            return Err(EntryFailure::OtherTree { what });
        }
    }
    verify_inclusion(
        &entry.canonicalized_body.0,
        index,
        head.size,
        &parts.hashes,
        &head.root,
    )?;
    check_key_in_use(cx, log, times)?;
    Ok(opened.evidence())
}
