//! One bundle against one requirement: signer, thresholds, window, rules; under each trusted root.

use super::{Candidate, Demand, Miss};
use crate::document::{Document, Signers};
use crate::limits;
use crate::rules::Work;
use pki::key::PublicKey;
use time::OffsetDateTime;
use verifier::{Outcome, Report, Signer, TrustMaterial};

/// What verifications of one evaluation share.
pub(super) struct Bench<'s> {
    document: &'s Document,
    roots: Vec<(&'s str, &'s TrustMaterial)>,
    now: OffsetDateTime,
    /// Verifications left.
    left: usize,
    /// What rules may still cost.
    work: Work,
}

/// How far one bundle came.
pub(super) struct Attempt {
    /// Why it does not count; empty when it counts.
    pub(super) misses: Vec<Miss>,
    pub(super) report: Option<Report>,
    pub(super) root: Option<String>,
    /// The managed key that verified, by its ID.
    key: Option<String>,
}

impl Attempt {
    /// The first reason against it.
    pub(super) fn miss(&self) -> Option<Miss> {
        self.misses.first().cloned()
    }

    /// 0 when it counts, 1 when only window or rules are against it, more for each failed step.
    pub(super) fn rank(&self) -> usize {
        match &self.report {
            _ if self.misses.is_empty() => 0,
            Some(report) if report.verified => 1,
            Some(report) => 2 + failed_steps(report),
            None => usize::MAX,
        }
    }

    /// Who signed: what a threshold counts.
    pub(super) fn signer(&self) -> String {
        if let Some(key) = &self.key {
            return format!("key {key}");
        }
        let report = self.report.as_ref();
        let name = |of: fn(&Report) -> Option<&String>| {
            report.and_then(of).map(String::as_str).unwrap_or_default()
        };
        format!(
            "{} (by {})",
            name(|report| report.identity.as_ref()),
            name(|report| report.issuer.as_ref())
        )
    }
}

impl<'s> Bench<'s> {
    pub(super) fn new(
        document: &'s Document,
        roots: Vec<(&'s str, &'s TrustMaterial)>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            document,
            roots,
            now,
            left: limits::VERIFICATIONS,
            work: Work::default(),
        }
    }

    /// Verifies a bundle for a requirement under each root until it counts; gives the attempt that went furthest.
    pub(super) fn attempt(&mut self, demand: &Demand<'_>, candidate: &Candidate<'_>) -> Attempt {
        let mut best: Option<Attempt> = None;
        for (name, trust) in self.roots.clone() {
            let mut attempt = self.verify(demand.signers, candidate, trust, &demand.path);
            attempt.root = attempt.report.is_some().then(|| name.to_owned());
            self.judge_content(demand, candidate, &mut attempt);
            if best
                .as_ref()
                .is_none_or(|best| attempt.rank() < best.rank())
            {
                best = Some(attempt);
            }
            if best.as_ref().is_some_and(|best| best.misses.is_empty()) {
                break;
            }
        }
        best.unwrap_or_else(|| Attempt {
            misses: vec![Miss {
                path: "roots".to_owned(),
                cause: "there is no trusted root to verify it with".to_owned(),
                cure: "add the trusted root, or correct its name in the policy".to_owned(),
            }],
            report: None,
            root: None,
            key: None,
        })
    }

    /// A report on a bundle that no requirement concerns, with the first signers of the document.
    pub(super) fn unasked(
        &mut self,
        candidate: &Candidate<'_>,
    ) -> (Option<Report>, Option<String>) {
        let document = self.document;
        let first = document.attestations.first().map(|one| &one.signers);
        let signers = document.signatures.as_ref().or(first);
        let (Some(signers), Some((name, trust))) = (signers, self.roots.first().copied()) else {
            return (None, None);
        };
        let attempt = self.verify(signers, candidate, trust, "");
        (attempt.report, Some(name.to_owned()))
    }

    fn verify(
        &mut self,
        signers: &Signers,
        candidate: &Candidate<'_>,
        trust: &TrustMaterial,
        path: &str,
    ) -> Attempt {
        let mut best: Option<(Report, Option<String>)> = None;
        for (signer, key) in signers_for(signers, candidate) {
            let Some(left) = self.left.checked_sub(1) else {
                break;
            };
            self.left = left;
            let policy = self.document.thresholds.policy(signer);
            let report = verifier::verify(
                candidate.bundle,
                &candidate.artifact,
                trust,
                &policy,
                self.now,
            );
            let verified = report.verified;
            let nearer = |(best, _): &(Report, _)| failed_steps(&report) < failed_steps(best);
            if verified || best.as_ref().is_none_or(nearer) {
                best = Some((report, key));
            }
            if verified {
                break;
            }
        }
        let Some((report, key)) = best else {
            return Attempt {
                misses: vec![Miss {
                    path: path.to_owned(),
                    cause: "not verified: there is more to verify than in any honest case"
                        .to_owned(),
                    cure: "give fewer bundles, or ask for less in one policy".to_owned(),
                }],
                report: None,
                root: None,
                key: None,
            };
        };
        Attempt {
            misses: unverified(&report, path).into_iter().collect(),
            report: Some(report),
            root: None,
            key,
        }
    }

    /// Window and rules, of what verified: nothing else is worth reading.
    fn judge_content(
        &mut self,
        demand: &Demand<'_>,
        candidate: &Candidate<'_>,
        attempt: &mut Attempt,
    ) {
        let Some(report) = attempt.report.as_ref().filter(|report| report.verified) else {
            return;
        };
        if let Err((cause, cure)) = self.document.window.check(&report.signed_at, self.now) {
            attempt.misses.push(Miss {
                path: "signed".to_owned(),
                cause,
                cure,
            });
        }
        if let Some(attestation) = demand.attestation {
            attempt.misses.extend(attestation.rules.check(
                candidate.bundle,
                report,
                &demand.path,
                &mut self.work,
            ));
        }
    }
}

/// The engine's signers that a bundle can be tried with: by its own form a certificate, or one of the keys.
fn signers_for(signers: &Signers, candidate: &Candidate<'_>) -> Vec<(Signer, Option<String>)> {
    let has_key = candidate.bundle.verification_material.public_key.is_some();
    if (has_key && !signers.keys.is_empty()) || signers.identities.is_empty() {
        let keyed = |pem: &String| {
            let id = PublicKey::parse_pem(pem).map(|key| {
                key.key_id()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            });
            (Signer::Key(pem.clone()), id.ok())
        };
        return signers.keys.iter().map(keyed).collect();
    }
    vec![(Signer::AnyIdentity(signers.identities.clone()), None)]
}

fn failed_steps(report: &Report) -> usize {
    let failed = |step: &&verifier::Step| step.outcome == Outcome::Failed;
    report.steps.iter().filter(failed).count()
}

/// Cause and cure of a report that did not verify.
fn unverified(report: &Report, path: &str) -> Option<Miss> {
    if report.verified {
        return None;
    }
    let step = report.first_failure();
    let cause = step.map(|step| {
        format!(
            "{}: {}",
            step.name.title(),
            step.cause.as_deref().unwrap_or("failed")
        )
    });
    Some(Miss {
        path: path.to_owned(),
        cause: cause.unwrap_or_else(|| "a mandatory step could not be evaluated".to_owned()),
        cure: step
            .and_then(|step| step.cure.clone())
            .unwrap_or_else(|| "see the bundle's report".to_owned()),
    })
}
