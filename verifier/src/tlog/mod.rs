//! Step 6: each log entry (spec/clients.md c.2 steps 5 and 6).

pub(crate) mod checkpoint;
mod failure;
pub(crate) mod v1;
pub(crate) mod v2;

pub use failure::EntryFailure;

use crate::Context;
use crate::body::{self, BodyFailure};
use crate::failure::Failure;
use crate::limits;
use crate::material::{Credential, Material};
use crate::report::{Step, StepName, quoted};
use crate::times::{Times, show};
use crate::trust::Log;
use formats::bundle::{InclusionProof, TransparencyLogEntry};
use formats::entry::Body;
use merkle::Hash;
use merkle::proof;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// A log entry with what could be found out about it before the certificate is looked at.
pub(crate) struct LogEntry<'a> {
    pub(crate) entry: &'a TransparencyLogEntry,
    /// The log of the trusted root; `None` when it knows none of that ID.
    pub(crate) log: Option<&'a Log>,
    pub(crate) body: Result<Body, BodyFailure>,
    /// The integrated time under a verified SET; `None` when there is no SET, or none that gives time.
    pub(crate) promised_time: Option<Result<OffsetDateTime, EntryFailure>>,
}

/// Looks up logs, parses bodies and verifies SETs: what trusted times need.
pub(crate) fn read<'a>(cx: &Context<'a>, material: &Material<'a>) -> Vec<LogEntry<'a>> {
    material
        .entries
        .iter()
        .map(|entry| read_entry(cx, entry))
        .collect()
}

fn read_entry<'a>(cx: &Context<'a>, entry: &'a TransparencyLogEntry) -> LogEntry<'a> {
    let log = find_log(cx, entry);
    let body = body::parse(entry);
    // Only v1 logs promise; a "promise" beside a v2 body was never made by its log and gives no time (c.2.1c).
    let promised_time = match (log, &body, &entry.inclusion_promise) {
        (Some(log), Ok(body), Some(promise)) if !body::is_v2(body) => Some(v1::verify_set(
            cx,
            entry,
            log,
            &promise.signed_entry_timestamp.0,
        )),
        _ => None,
    };
    LogEntry {
        entry,
        log,
        body,
        promised_time,
    }
}

/// By log ID; of several instances (a key listed twice) the one whose validity covers the integrated time.
fn find_log<'a>(cx: &Context<'a>, entry: &TransparencyLogEntry) -> Option<&'a Log> {
    let id = entry.log_id.key_id.0.as_slice();
    let mut known = cx.trust.tlogs.iter().filter(|log| log.id == id);
    let at = OffsetDateTime::from_unix_timestamp(entry.integrated_time).ok();
    let covering = known
        .clone()
        .find(|log| at.is_some_and(|at| log.validity.contains(at)));
    covering.or_else(|| known.next())
}

/// For entries without a signed time of their own: of several instances of the log, the one in use at a trusted time.
fn instance_in_use<'a>(cx: &Context<'a>, log: &'a Log, times: &Times) -> &'a Log {
    let same = |other: &&Log| other.id == log.id && other.key == log.key;
    let mut instances = cx.trust.tlogs.iter().filter(same);
    instances
        .find(|other| check_key_in_use(cx, other, times).is_ok())
        .unwrap_or(log)
}

/// Verifies every entry of a known log; gives the step and how many parties hold the entry.
pub(crate) fn check(
    cx: &Context<'_>,
    material: &Material<'_>,
    entries: &[LogEntry<'_>],
    times: &Times,
) -> (Step, usize) {
    let mut step = Step::new(StepName::TransparencyLog);
    let Some(credential) = &material.credential else {
        step.skip("not possible: no certificate or key");
        return (step, 0);
    };
    let mut parties = BTreeSet::new();
    for (position, entry) in entries.iter().enumerate() {
        let Some(log) = entry.log else {
            step.note(format!(
                "entry {position} is of unknown log {}: not counted",
                quoted(&hex::encode(&entry.entry.log_id.key_id.0))
            ));
            continue;
        };
        let log = match &entry.promised_time {
            Some(_) => log,
            None => instance_in_use(cx, log, times),
        };
        match check_entry(cx, material, credential, entry, log, times) {
            Ok(evidence) => {
                step.note(evidence);
                parties.insert(log.party.as_str());
            }
            Err(reason) => step.fail(Failure::Entry {
                position,
                log: log.label.clone(),
                reason,
            }),
        }
    }
    conclude(cx, entries.len(), parties.len(), &mut step);
    (step, parties.len())
}

fn conclude(cx: &Context<'_>, have: usize, counted: usize, step: &mut Step) {
    let want = cx.policy.tlog_threshold;
    if have == 0 && want == 0 {
        step.skip("the bundle carries no log entry and the policy asks for none");
    } else if have == 0 {
        step.fail(Failure::NoEntry);
    } else if counted < want && step.failures.is_empty() {
        step.fail(Failure::TlogThreshold {
            have: counted,
            want,
        });
    }
}

/// One entry of a known log; the evidence line when all of it holds.
fn check_entry(
    cx: &Context<'_>,
    material: &Material<'_>,
    credential: &Credential,
    entry: &LogEntry<'_>,
    log: &Log,
    times: &Times,
) -> Result<String, EntryFailure> {
    let body = entry.body.as_ref().map_err(|failure| failure.clone())?;
    let shown = if body::is_v2(body) {
        v2::check(cx, entry.entry, log, times)?
    } else {
        v1::check(cx, entry, log, times)?
    };
    body::check(body, material, credential, &cx.digests)?;
    Ok(format!(
        "{} entry {} of {}: {shown}",
        entry.entry.kind_version.kind, entry.entry.log_index, log.label
    ))
}

/// For entries without a signed time of their own: the key must have been in use at some trusted time (c.2.5d).
///
/// A managed key may have no trusted time at all when the policy asks for none; then the key must be in use now.
pub(crate) fn check_key_in_use(
    cx: &Context<'_>,
    log: &Log,
    times: &Times,
) -> Result<(), EntryFailure> {
    let at = times.at.first().copied().unwrap_or(cx.now);
    let in_use = times.at.iter().any(|at| log.validity.contains(*at))
        || (times.at.is_empty() && log.validity.contains(cx.now));
    if in_use {
        Ok(())
    } else {
        Err(EntryFailure::KeyValidity { at: show(at) })
    }
}

/// An inclusion proof in the types of the Merkle room.
pub(crate) struct ProofParts {
    pub(crate) hashes: Vec<Hash>,
    pub(crate) root: Hash,
    pub(crate) size: u64,
    pub(crate) index: u64,
}

impl ProofParts {
    pub(crate) fn parse(proof: &InclusionProof) -> Result<Self, EntryFailure> {
        let form = |what| EntryFailure::ProofForm { what };
        if proof.hashes.len() > limits::PROOF_HASHES {
            return Err(form("number of hashes"));
        }
        let hash = |bytes: &[u8]| Hash::try_from(bytes).ok();
        let hashes: Option<Vec<Hash>> = proof.hashes.iter().map(|bytes| hash(&bytes.0)).collect();
        let root = hash(&proof.root_hash.0).ok_or(form("root hash"))?;
        Ok(Self {
            hashes: hashes.ok_or(form("hash"))?,
            root,
            size: u64::try_from(proof.tree_size).map_err(|_| form("tree size"))?,
            index: u64::try_from(proof.log_index).map_err(|_| form("log index"))?,
        })
    }
}

/// RFC 6962 section 2.1.1: the path from the leaf (the canonical body) to the root.
pub(crate) fn verify_inclusion(
    body: &[u8],
    index: u64,
    size: u64,
    hashes: &[Hash],
    root: &Hash,
) -> Result<(), EntryFailure> {
    proof::verify_inclusion(index, size, &merkle::leaf_hash(body), hashes, root)
        .map_err(|source| EntryFailure::Proof { size, source })
}
