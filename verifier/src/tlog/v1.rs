//! Rekor v1 entries: signed entry timestamp, inclusion proof, checkpoint (spec/rekor.md A.5, A.6, A.13).

use super::{EntryFailure, LogEntry, ProofParts, check_key_in_use, checkpoint, verify_inclusion};
use crate::Context;
use crate::material::checkpoint_of;
use crate::times::{Times, show};
use crate::trust::Log;
use formats::bundle::TransparencyLogEntry;
use formats::entry;
use time::OffsetDateTime;

/// Verifies the SET; only then is the integrated time worth anything (c.2.1b).
pub(crate) fn verify_set(
    cx: &Context<'_>,
    entry: &TransparencyLogEntry,
    log: &Log,
    set: &[u8],
) -> Result<OffsetDateTime, EntryFailure> {
    let seconds = entry.integrated_time;
    let at = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|_| EntryFailure::IntegratedTime { seconds })?;
    // An absent time is 0 in JSON; no log integrated anything in 1970.
    if seconds <= 0 {
        return Err(EntryFailure::IntegratedTime { seconds });
    }
    if at > cx.now {
        return Err(EntryFailure::Future {
            at: show(at),
            now: show(cx.now),
        });
    }
    if !log.validity.contains(at) {
        return Err(EntryFailure::KeyValidity { at: show(at) });
    }
    // The top-level index, global over all shards, is the one that is signed (spec A.5).
    let message = entry::set_input(
        &entry.canonicalized_body.0,
        seconds,
        &log.id,
        entry.log_index,
    );
    cx.spend(1)?;
    log.key
        .verify(log.scheme, &message, set)
        .map_err(|_| EntryFailure::Set)?;
    Ok(at)
}

/// SET when present, proof when present, at least one of them; then what was shown.
pub(crate) fn check(
    cx: &Context<'_>,
    entry: &LogEntry<'_>,
    log: &Log,
    times: &Times,
) -> Result<String, EntryFailure> {
    let promised = match &entry.promised_time {
        Some(Ok(at)) => Some(format!("signed entry timestamp {}", show(*at))),
        Some(Err(failure)) => return Err(failure.clone()),
        None => {
            check_unsigned_time(cx, entry.entry)?;
            check_key_in_use(cx, log, times)?;
            None
        }
    };
    let included = check_proof(cx, entry.entry, log)?;
    // Witnesses see checkpoints only: a promise cannot stand in.
    if included.is_none() && cx.policy.witnesses.is_some() {
        return Err(EntryFailure::NotWitnessed);
    }
    match (promised, included) {
        (None, None) => Err(EntryFailure::NoEvidence),
        (promised, included) => Ok(promised
            .into_iter()
            .chain(included)
            .collect::<Vec<_>>()
            .join(", ")),
    }
}

/// Not signed, so not evidence; but nonsense is refused.
fn check_unsigned_time(cx: &Context<'_>, entry: &TransparencyLogEntry) -> Result<(), EntryFailure> {
    let seconds = entry.integrated_time;
    let at = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|_| EntryFailure::IntegratedTime { seconds })?;
    if at > cx.now {
        Err(EntryFailure::Future {
            at: show(at),
            now: show(cx.now),
        })
    } else {
        Ok(())
    }
}

/// What the proof shows; `None` when there is none, or none with a checkpoint (v0.1 bundles rest on the SET).
fn check_proof(
    cx: &Context<'_>,
    entry: &TransparencyLogEntry,
    log: &Log,
) -> Result<Option<String>, EntryFailure> {
    let Some(proof) = &entry.inclusion_proof else {
        return Ok(None);
    };
    let parts = ProofParts::parse(proof)?;
    // The index within the shard's tree, not the global one (spec A.13).
    verify_inclusion(
        &entry.canonicalized_body.0,
        parts.index,
        parts.size,
        &parts.hashes,
        &parts.root,
    )?;
    // A root that nobody signed proves nothing, but a path that does not even reach it was refused.
    let Some(envelope) = checkpoint_of(proof) else {
        return Ok(None);
    };
    let opened = checkpoint::open_v1(cx, envelope, log)?;
    let head = &opened.head;
    if head.size != parts.size {
        return Err(EntryFailure::OtherTree { what: "tree size" });
    }
    if head.root != parts.root {
        return Err(EntryFailure::OtherTree { what: "root hash" });
    }
    Ok(Some(opened.evidence()))
}
