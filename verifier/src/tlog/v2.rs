//! Rekor v2 entries: inclusion proof under a checkpoint; no time of their own (spec/rekor.md B.5, B.7).

use super::{EntryFailure, ProofParts, check_key_in_use, checkpoint, verify_inclusion};
use crate::Context;
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
    let envelope = proof.checkpoint.as_ref().ok_or(EntryFailure::NoProof)?;
    let parts = ProofParts::parse(proof)?;
    let head = checkpoint::open_v2(cx, &envelope.envelope, log)?;
    // The checkpoint and the top-level index decide; the proof's own copies must agree where they are given
    // (they may be left out: spec h.3).
    let index = u64::try_from(entry.log_index)
        .map_err(|_| EntryFailure::ProofForm { what: "log index" })?;
    if parts.index != 0 && parts.index != index {
        return Err(EntryFailure::OtherTree { what: "log index" });
    }
    if parts.size != 0 && parts.size != head.size {
        return Err(EntryFailure::OtherTree { what: "tree size" });
    }
    if parts.root.is_some_and(|root| root != head.root) {
        return Err(EntryFailure::OtherTree { what: "root hash" });
    }
    verify_inclusion(
        &entry.canonicalized_body.0,
        index,
        head.size,
        &parts.hashes,
        &head.root,
    )?;
    check_key_in_use(cx, log, times)?;
    Ok(format!(
        "included in the tree of {} entries, checkpoint of {}",
        head.size,
        crate::report::quoted(&head.origin)
    ))
}
