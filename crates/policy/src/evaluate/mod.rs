//! A policy against the bundles that were found for one artifact.

mod attempt;
pub(crate) mod statement;
mod text;

use crate::document::{Document, Signers};
use attempt::{Attempt, Bench};
use formats::bundle::Bundle;
use serde::Serialize;
use statement::{Kind, short};
use std::collections::BTreeSet;
use time::OffsetDateTime;
use verifier::{Artifact, Outcome, Report, TrustMaterial};

use crate::limits;

/// One bundle that may count for a requirement.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Where it was found, for the report.
    pub place: String,
    /// The bundle.
    pub bundle: &'a Bundle,
    /// What it should be about.
    pub artifact: Artifact<'a>,
}

/// The outcome of a policy: fails closed and explains itself.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// True only when every requirement passed.
    pub verified: bool,
    /// Name of the policy.
    pub policy: String,
    /// Each thing that the policy asks for, in the order of the document.
    pub requirements: Vec<Requirement>,
    /// Each bundle that was looked at.
    pub candidates: Vec<Judged>,
}

/// One thing that the policy asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// Its place in the document: `signatures`, `attestations[1]`, `roots`.
    pub path: String,
    /// What it asks for, in words.
    pub title: String,
    /// How it ended; never skipped.
    pub outcome: Outcome,
    /// One line for each bundle that counted. May quote outside text: [`Evaluation::to_text`] removes control
    /// characters, other writers must do the same.
    pub evidence: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do about `cause`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// One bundle, and what it counted for.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Where it was found.
    pub place: String,
    /// Paths of the requirements for which it counted.
    pub met: Vec<String>,
    /// The requirements that it might have met, and why it did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Miss>,
    /// Name of the trusted root of `report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The verification that went furthest; none when no trusted root was there, or too much to verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// Why a bundle did not count for a requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Miss {
    /// Path of the requirement, or of the rule in it.
    pub path: String,
    /// What does not hold.
    pub cause: String,
    /// What to do about it.
    pub cure: String,
}

impl Document {
    /// Evaluates the policy over all bundles that were found for one artifact.
    ///
    /// `roots` are the trusted roots at hand, by name, the default one first. A document that names roots is held
    /// to those, any other to the first; a bundle may verify under any of them. A requirement passes when enough
    /// distinct signers made bundles for it that verify; further bundles, bad ones too, do not matter.
    pub fn evaluate(
        &self,
        candidates: &[Candidate<'_>],
        roots: &[(&str, &TrustMaterial)],
        now: OffsetDateTime,
    ) -> Evaluation {
        let (roots, missing) = self.chosen_roots(roots);
        let mut session = Session::new(self, candidates, roots, now);
        let mut requirements: Vec<Requirement> = self
            .demands()
            .iter()
            .map(|demand| session.judge(demand))
            .collect();
        requirements.extend(missing);
        // A document asks for something, or it does not parse; were it otherwise, nothing would be verified.
        let verified = !requirements.is_empty()
            && requirements
                .iter()
                .all(|requirement| requirement.outcome == Outcome::Passed);
        Evaluation {
            verified,
            policy: self.name().to_owned(),
            requirements,
            candidates: session.finish(),
        }
    }

    /// The trusted roots that count, and a failed requirement when there is none of them.
    fn chosen_roots<'a>(
        &self,
        given: &[(&'a str, &'a TrustMaterial)],
    ) -> (Vec<(&'a str, &'a TrustMaterial)>, Option<Requirement>) {
        let names = self.roots();
        let chosen: Vec<_> = if names.is_empty() {
            given.iter().copied().take(1).collect()
        } else {
            let named = |name: &String| given.iter().find(|(known, _)| known == name).copied();
            names.iter().filter_map(named).collect()
        };
        if !chosen.is_empty() {
            return (chosen, None);
        }
        let known: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let cause = if names.is_empty() {
            "there is no trusted root".to_owned()
        } else {
            format!(
                "there is no trusted root of the name(s) {} (there are: {})",
                names.join(", "),
                or_none(&known)
            )
        };
        let failed = Requirement {
            path: "roots".to_owned(),
            title: "a trusted root".to_owned(),
            outcome: Outcome::Failed,
            evidence: Vec::new(),
            cause: Some(short(&cause)),
            cure: Some("add the trusted root, or correct its name in the policy".to_owned()),
        };
        (chosen, Some(failed))
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let signatures = self.signatures.as_ref().map(|signers| Demand {
            path: "signatures".to_owned(),
            attestation: None,
            signers,
        });
        let attestations = self.attestations.iter().enumerate();
        let attestations = attestations.map(|(position, attestation)| Demand {
            path: crate::error::item("attestations", position),
            signers: &attestation.signers,
            attestation: Some(attestation),
        });
        signatures.into_iter().chain(attestations).collect()
    }
}

/// One requirement of the document.
pub(crate) struct Demand<'d> {
    pub(crate) path: String,
    /// None for signatures.
    pub(crate) attestation: Option<&'d crate::document::Attestation>,
    pub(crate) signers: &'d Signers,
}

impl Demand<'_> {
    fn title(&self) -> String {
        let what = match self.attestation {
            None => "signature(s)".to_owned(),
            Some(attestation) => format!(
                "attestation(s) of type {}",
                short(&attestation.predicate_type.wanted().to_string())
            ),
        };
        format!("{what} by {} signer(s)", self.signers.threshold)
    }

    fn concerns(&self, kind: &Kind) -> bool {
        match (self.attestation, kind) {
            (None, Kind::Signature(_)) => true,
            (Some(attestation), Kind::Attestation(name) | Kind::Signature(Some(name))) => {
                attestation.predicate_type.accepts(name)
            }
            _ => false,
        }
    }

    /// What to say when no bundle is of the kind.
    fn absence(&self, kinds: &[Kind]) -> (String, String) {
        let types: BTreeSet<&str> = kinds
            .iter()
            .filter_map(|kind| match kind {
                Kind::Attestation(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let types: Vec<&str> = types.into_iter().take(8).collect();
        match self.attestation {
            None if types.is_empty() => (
                "no signature was found".to_owned(),
                "sign the artifact, and give or publish the bundle".to_owned(),
            ),
            None => (
                "no signature was found, only attestations, which do not count as one".to_owned(),
                "sign the artifact, or ask for its attestations under `attestations`".to_owned(),
            ),
            Some(_) => (
                short(&format!(
                    "no attestation of this type was found (there are: {})",
                    or_none(&types)
                )),
                "attest it, and give or publish the bundle".to_owned(),
            ),
        }
    }
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// One evaluation under way.
struct Session<'s> {
    bench: Bench<'s>,
    candidates: &'s [Candidate<'s>],
    over_limit: usize,
    kinds: Vec<Kind>,
    judged: Vec<Judged>,
    /// How far the stored report of each candidate went.
    ranks: Vec<usize>,
}

impl<'s> Session<'s> {
    fn new(
        document: &'s Document,
        candidates: &'s [Candidate<'s>],
        roots: Vec<(&'s str, &'s TrustMaterial)>,
        now: OffsetDateTime,
    ) -> Self {
        let over_limit = candidates.len().saturating_sub(limits::CANDIDATES);
        let candidates = candidates.get(..limits::CANDIDATES).unwrap_or(candidates);
        let judged = candidates.iter().map(|candidate| Judged {
            place: candidate.place.clone(),
            met: Vec::new(),
            missed: Vec::new(),
            root: None,
            report: None,
        });
        Self {
            bench: Bench::new(document, roots, now),
            candidates,
            over_limit,
            kinds: candidates.iter().map(|one| Kind::of(one.bundle)).collect(),
            judged: judged.collect(),
            ranks: vec![usize::MAX; candidates.len()],
        }
    }

    fn judge(&mut self, demand: &Demand<'_>) -> Requirement {
        let mut signers = BTreeSet::new();
        let mut evidence = Vec::new();
        let mut nearest: Option<(usize, Miss)> = None;
        let mut looked_at = 0_usize;
        for position in 0..self.candidates.len() {
            if !self
                .kinds
                .get(position)
                .is_some_and(|kind| demand.concerns(kind))
            {
                continue;
            }
            looked_at += 1;
            let Some(candidate) = self.candidates.get(position) else {
                continue;
            };
            let attempt = self.bench.attempt(demand, candidate);
            match attempt.miss() {
                None => {
                    let signer = attempt.signer();
                    evidence.push(format!("{}: {signer}", candidate.place));
                    signers.insert(signer);
                }
                Some(miss) => {
                    let rank = attempt.rank();
                    if nearest.as_ref().is_none_or(|(best, _)| rank < *best) {
                        let cause = format!("{}: {}", candidate.place, miss.cause);
                        nearest = Some((rank, Miss { cause, ..miss }));
                    }
                }
            }
            self.keep(position, demand, attempt);
        }
        let mut requirement = Requirement {
            path: demand.path.clone(),
            title: demand.title(),
            outcome: Outcome::Passed,
            evidence,
            cause: None,
            cure: None,
        };
        if signers.len() < demand.signers.threshold || signers.is_empty() {
            self.fail(&mut requirement, demand, signers.len(), looked_at, nearest);
        }
        requirement
    }

    fn fail(
        &self,
        requirement: &mut Requirement,
        demand: &Demand<'_>,
        have: usize,
        looked_at: usize,
        nearest: Option<(usize, Miss)>,
    ) {
        let (mut cause, cure) = match nearest {
            _ if looked_at == 0 => demand.absence(&self.kinds),
            Some((_, miss)) => (
                format!(
                    "{have} of {} signer(s) in {looked_at} bundle(s); nearest is {}",
                    demand.signers.threshold, miss.cause
                ),
                miss.cure,
            ),
            None => (
                format!("{have} of {} distinct signers", demand.signers.threshold),
                "have another of the named signers sign, or lower the threshold".to_owned(),
            ),
        };
        if self.over_limit > 0 {
            cause += &format!("; {} further bundles were not looked at", self.over_limit);
        }
        requirement.outcome = Outcome::Failed;
        requirement.cause = Some(cause);
        requirement.cure = Some(cure);
    }

    /// Keeps the attempt's outcome with its candidate, and its report when none went further.
    fn keep(&mut self, position: usize, demand: &Demand<'_>, attempt: Attempt) {
        let rank = attempt.rank();
        let (Some(judged), Some(best)) =
            (self.judged.get_mut(position), self.ranks.get_mut(position))
        else {
            return;
        };
        if attempt.misses.is_empty() {
            judged.met.push(demand.path.clone());
        } else {
            judged.missed.extend(attempt.misses);
        }
        if attempt.report.is_some() && rank < *best {
            *best = rank;
            judged.report = attempt.report;
            judged.root = attempt.root;
        }
    }

    /// Reports on the bundles that no requirement concerned, too: somebody will ask.
    fn finish(mut self) -> Vec<Judged> {
        for (position, candidate) in self.candidates.iter().enumerate() {
            let Some(judged) = self.judged.get_mut(position) else {
                continue;
            };
            if judged.report.is_some() || !judged.missed.is_empty() {
                continue;
            }
            let cause = match self.kinds.get(position) {
                Some(Kind::Unreadable(why)) => why.clone(),
                Some(Kind::Attestation(name)) => {
                    format!(
                        "the policy asks for no attestation of type `{}`",
                        short(name)
                    )
                }
                _ => "the policy asks for no signature".to_owned(),
            };
            judged.missed.push(Miss {
                path: String::new(),
                cause,
                cure: "nothing: it neither helps nor harms".to_owned(),
            });
            (judged.report, judged.root) = self.bench.unasked(candidate);
        }
        self.judged
    }
}
