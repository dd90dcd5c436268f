//! At least 200 mutants of every good bundle: what is accepted is harmless for a reason that stands here, and an
//! independent implementation gives the same verdict, but for differences that stand here as well.

use crate::cases::{self, Case};
use crate::differential::verdict_of_the_other;
use serde_json::Value;
use std::collections::BTreeSet;
use testkit::mutants::{Kind, Mutant, mutants};
use verifier::{Artifact, Report, StepName};

const SEED: u64 = 20_250_101;
const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
const BODY: &str = "/verificationMaterial/tlogEntries/0/canonicalizedBody";
const STAMPS: &str = "/verificationMaterial/timestampVerificationData";

fn of(case: &Case) -> Vec<Mutant> {
    let others = cases::good().into_iter();
    let donors: Vec<(String, Value)> = others
        .filter(|other| other.name != case.name)
        .map(|other| (other.name.clone(), other.json()))
        .collect();
    mutants(&case.json(), &donors, SEED)
}

#[test]
fn of_200_mutants_of_every_good_bundle_only_the_harmless_are_accepted() {
    for case in cases::good() {
        let (trust, original) = (case.trust(), case.report());
        let mutants = of(&case);
        assert!(mutants.len() >= 200, "{}: {}", case.name, mutants.len());
        for mutant in &mutants {
            let report = cases::report_on(&mutant.bundle, &case, &trust);
            let accepted = report.filter(|report| report.verified);
            if let Some(report) = accepted {
                let why = harmless(mutant, &case, &report, &original);
                assert!(
                    why.is_some(),
                    "{}: {} was accepted\n{}",
                    case.name,
                    mutant.what,
                    report.to_text(false)
                );
            }
        }
    }
}

/// Why an accepted mutant does no harm: nothing that was established rests on what changed.
fn harmless(
    mutant: &Mutant,
    case: &Case,
    report: &Report,
    original: &Report,
) -> Option<&'static str> {
    let original_json = case.json();
    let place = mutant.place.as_str();
    let is = |kind| mutant.kind == kind;
    let says_the_same = report.to_text(false) == original.to_text(false);
    let counts = |report: &Report| {
        report
            .step(StepName::Policy)
            .map(|step| step.evidence.clone())
    };
    let promised = has(&original_json, &format!("{ENTRY}/inclusionPromise"));
    if place.ends_with("/hint") || place.ends_with("/keyid") {
        return Some("a hint, which nobody trusts");
    }
    if is(Kind::Removed) && place == "/messageSignature/messageDigest" {
        return Some("a hint: the signature is checked over the artifact");
    }
    if (is(Kind::Token) || place.ends_with("/signedTimestamp")) && says_the_same {
        return Some("a part of the token that is not signed and not read");
    }
    if is(Kind::Duplicate) && counts(report) == counts(original) {
        return Some("counted once");
    }
    if is(Kind::Checkpoint) && mutant.what.ends_with("line 4 twice") && says_the_same {
        return Some("the log's signature twice: both hold");
    }
    if is(Kind::Exchanged) && mutant.bundle.pointer(BODY) == original_json.pointer(BODY) {
        return Some("the donor is about the very same signature");
    }
    if is(Kind::Form) && place == "/mediaType" {
        return Some("the bundle has the form of that version too");
    }
    if is(Kind::Form) && place.ends_with("ignature") || is(Kind::Form) && place.ends_with("/sig") {
        return Some(
            "protojson reads both alphabets, with and without padding; Go skips line breaks",
        );
    }
    let is_v01 = original_json["mediaType"]
        .as_str()
        .is_some_and(|v| v.ends_with("=0.1"));
    if is_v01 && promised && place.starts_with(&format!("{ENTRY}/inclusionProof")) {
        let gone = is(Kind::Removed) || !has_checkpoint(&mutant.bundle);
        return gone.then_some("bundles of version 0.1 rest on the promise");
    }
    let stamped = has(&original_json, STAMPS);
    if is(Kind::Removed) && promised && stamped {
        let source = place == format!("{ENTRY}/inclusionPromise") || place.starts_with(STAMPS);
        return source.then_some("one of two sources of time");
    }
    None
}

fn has(json: &Value, place: &str) -> bool {
    json.pointer(place).is_some()
}

fn has_checkpoint(json: &Value) -> bool {
    let place = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let text = json.pointer(&place).and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty())
}

/// Where the verdicts differ: the sort of mutant, a part of its description, who accepts, and why that is right.
const DIFFERENCES: [(Kind, &str, &str, &str); 19] = [
    (
        Kind::Changed,
        "/inclusionProof/logIndex",
        THEY,
        "v2: they take index and tree from the entry and the checkpoint; here the fields must agree with them",
    ),
    (
        Kind::Changed,
        "/inclusionProof/rootHash",
        THEY,
        "as logIndex",
    ),
    (
        Kind::Changed,
        "/inclusionProof/treeSize",
        THEY,
        "as logIndex",
    ),
    (
        Kind::Exchanged,
        "/inclusionProof/rootHash",
        THEY,
        "as logIndex",
    ),
    (
        Kind::Removed,
        "/inclusionProof/logIndex",
        THEY,
        "as logIndex",
    ),
    (
        Kind::Proof,
        "/inclusionProof/hashes index",
        THEY,
        "as logIndex",
    ),
    (
        Kind::Changed,
        "/logId/keyId",
        THEY,
        "they find the log by the checkpoint's hint, whatever the entry's log ID",
    ),
    (Kind::Exchanged, "/logId", THEY, "as logId/keyId"),
    (
        Kind::Checkpoint,
        "line 3 twice",
        THEY,
        "two blank lines: C2SP signed-note makes the first part of the text, which is then not what was signed",
    ),
    (
        Kind::Checkpoint,
        "line 4 twice",
        THEY,
        "a note's signature twice where the second line is another's cosignature",
    ),
    (
        Kind::Duplicate,
        "rfc3161Timestamps a hundred times",
        THEY,
        "more than 32 are refused, as by sigstore-go and sigstore-python",
    ),
    (
        Kind::Duplicate,
        "tlogEntries a hundred times",
        THEY,
        "more than 32 are refused, as by sigstore-go",
    ),
    (
        Kind::Duplicate,
        "certificates a hundred times",
        THEY,
        "a chain of a hundred certificates is over the budget",
    ),
    (
        Kind::Form,
        "with an unknown member",
        THEY,
        "protojson refuses unknown members",
    ),
    (
        Kind::Form,
        "/mediaType",
        THEY,
        "they do not ask v0.1 for a promise, nor v0.2 for a chain",
    ),
    (
        Kind::Removed,
        "/mediaType",
        THEY,
        "they take a missing type for an old version",
    ),
    (
        Kind::Form,
        "with a line break",
        WE,
        "Go's decoder of base64 skips line breaks, so cosign accepts them",
    ),
    (
        Kind::Removed,
        "/inclusionProof/checkpoint",
        WE,
        "v0.1 rests on the promise; a proof without checkpoint is not used",
    ),
    (
        Kind::Changed,
        "/checkpoint/envelope = ",
        WE,
        "as checkpoint removed",
    ),
];
const WE: &str = "we";
const THEY: &str = "they";

#[test]
fn both_implementations_judge_mutants_alike_but_for_known_differences() {
    let mut used = BTreeSet::new();
    for case in cases::good() {
        for mutant in of(&case) {
            let altered = Case {
                bundle: mutant.bundle.to_string().into_bytes(),
                ..case.clone()
            };
            let ours = altered.verdict(&Artifact::Bytes(&case.artifact));
            let theirs = verdict_of_the_other(&case, &altered.bundle);
            if ours.is_ok() == theirs.is_ok() {
                continue;
            }
            let who = if ours.is_ok() { WE } else { THEY };
            let known = DIFFERENCES.iter().position(|(kind, part, accepts, _)| {
                *kind == mutant.kind && mutant.what.contains(part) && *accepts == who
            });
            let known = known.unwrap_or_else(|| {
                panic!(
                    "{}: {} ({:?})\nours {ours:?}\ntheirs {theirs:?}",
                    case.name, mutant.what, mutant.kind
                )
            });
            used.insert(known);
        }
    }
    // A difference that is gone must not go on excusing.
    if !cases::good().is_empty() {
        let stale = (0..DIFFERENCES.len()).filter(|known| !used.contains(known));
        let stale: Vec<_> = stale.map(|known| DIFFERENCES[known]).collect();
        assert!(stale.is_empty(), "no longer a difference: {stale:?}");
    }
}
