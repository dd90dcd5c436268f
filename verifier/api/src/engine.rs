//! The use case: a question in, a verdict out, kept ones included. Everything here is work for a core.

use crate::cache::{Cache, Detail, Verdict};
use crate::error::{ApiError, quoted};
use crate::limits;
use crate::policies::Named;
use crate::question::{Asked, Demand, Question};
use crate::wire::Reason;
use clock::Clock;
use formats::bundle::Bundle;
use policy::Candidate;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use time::OffsetDateTime;
use verifier::Report;

/// A verdict and whether it was kept from an earlier question.
pub(crate) struct Answered {
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) cached: bool,
}

/// Answers questions.
pub(crate) struct Engine {
    cache: Cache,
    clock: Clock,
}

impl Engine {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            cache: Cache::new(),
            clock,
        }
    }

    /// The kept answer, or a new one.
    ///
    /// # Errors
    /// When the bundle cannot be read. That is not kept.
    pub(crate) fn answer(&self, question: &Question) -> Result<Answered, ApiError> {
        let (key, now) = (question.key(), self.clock.now());
        if let Some(verdict) = self.cache.get(&key, now) {
            return Ok(Answered {
                verdict,
                cached: true,
            });
        }
        let verdict = Arc::new(verify(question, now)?);
        self.cache.put(key, &verdict);
        Ok(Answered {
            verdict,
            cached: false,
        })
    }
}

/// Verifies without looking at what is kept.
fn verify(question: &Question, now: OffsetDateTime) -> Result<Verdict, ApiError> {
    let bundle = read_bundle(&question.bundle)?;
    let artifact = question.subject.as_artifact();
    match &question.demand.asked {
        Asked::Signer(policy) => {
            // Such a demand has one root.
            let named = question.demand.roots.first();
            let material = named.ok_or_else(ApiError::internal)?.root.material();
            let report = verifier::verify(&bundle, &artifact, material, policy, now);
            reported(&question.demand, &bundle, &report, now)
        }
        Asked::Policy(named) => {
            let candidate = Candidate {
                place: "request".to_owned(),
                bundle: &bundle,
                artifact,
            };
            evaluate(&question.demand, named, &[candidate], now)
        }
    }
}

fn reported(
    demand: &Demand,
    bundle: &Bundle,
    report: &Report,
    now: OffsetDateTime,
) -> Result<Verdict, ApiError> {
    Ok(Verdict {
        verified: report.verified,
        reasons: reasons(report),
        at: now,
        until: until(demand, &[bundle], now),
        roots: demand.used_roots(),
        policy: None,
        detail: Detail::Report(to_raw_value(report).map_err(|_| ApiError::internal())?),
    })
}

/// Evaluates a policy over what was found for one artifact.
pub(crate) fn evaluate(
    demand: &Demand,
    named: &Named,
    candidates: &[Candidate<'_>],
    now: OffsetDateTime,
) -> Result<Verdict, ApiError> {
    let roots = demand.roots.iter();
    let roots: Vec<_> = roots
        .map(|named| (named.name.as_str(), named.root.material()))
        .collect();
    let evaluation = named.document.evaluate(candidates, &roots, now);
    let failed = evaluation.requirements.iter().filter_map(|requirement| {
        Some(Reason {
            step: requirement.path.clone(),
            cause: requirement.cause.clone()?,
            cure: requirement.cure.clone().unwrap_or_default(),
        })
    });
    let bundles: Vec<&Bundle> = candidates.iter().map(|one| one.bundle).collect();
    // A window that moves with the clock can end any moment.
    let until = match named.is_timeless {
        true => until(demand, &bundles, now),
        false => None,
    };
    Ok(Verdict {
        verified: evaluation.verified,
        reasons: failed.collect(),
        at: now,
        until,
        roots: demand.used_roots(),
        policy: Some(named.used()),
        detail: Detail::Evaluation(to_raw_value(&evaluation).map_err(|_| ApiError::internal())?),
    })
}

/// Parses a bundle.
pub(crate) fn read_bundle(json: &[u8]) -> Result<Bundle, ApiError> {
    Bundle::parse(json).map_err(|error| {
        ApiError::unreadable(
            "bundle",
            quoted(&error.to_string()),
            "give a Sigstore bundle, as sign and attest write it",
        )
    })
}

fn reasons(report: &Report) -> Vec<Reason> {
    let steps = report.steps.iter();
    let reason = |step: &verifier::Step| {
        Some(Reason {
            step: serde_json::to_value(step.name).ok()?.as_str()?.to_owned(),
            cause: step.cause.clone()?,
            cure: step.cure.clone().unwrap_or_default(),
        })
    };
    let mut reasons: Vec<Reason> = steps.filter_map(reason).collect();
    // A mandatory step that was skipped, and nothing failed: the verdict must not stand there without a reason.
    if !report.verified && reasons.is_empty() {
        reasons.push(Reason {
            step: "policy".to_owned(),
            cause: "a mandatory step was skipped".to_owned(),
            cure: "see the report".to_owned(),
        });
    }
    reasons
}

/// The first moment at which the verdict could change though nothing in the question does; `None` when it may change at
/// any time.
///
/// The engine asks for the time twice: an integrated time must not lie in the future, and a log's key must be in use
/// now when a managed key has no trusted time.
pub(crate) fn until(
    demand: &Demand,
    bundles: &[&Bundle],
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let entries = bundles
        .iter()
        .flat_map(|bundle| &bundle.verification_material.tlog_entries);
    let mut times = entries.map(|entry| entry.integrated_time);
    if times.any(|time| time > now.unix_timestamp()) {
        return None;
    }
    let bounds = demand
        .roots
        .iter()
        .filter_map(|named| named.root.next_change(now));
    bounds.chain([now + limits::CACHE_TIME]).min()
}
