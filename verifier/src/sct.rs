//! Step 4: signed certificate timestamps (spec/clients.md c.2 step 3; RFC 6962 section 3.3).

use crate::Context;
use crate::failure::Failure;
use crate::limits;
use crate::material::Credential;
use crate::report::{Step, StepName};
use crate::times::show;
use crate::trust::Log;
use pki::cert::Certificate;
use pki::sct::{self, Sct};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Verifies every embedded SCT of a trusted log; gives the step and how many parties vouched.
pub(crate) fn check(
    cx: &Context<'_>,
    credential: Option<&Credential>,
    issuer: Option<&Certificate>,
) -> (Step, usize) {
    let Some(Credential::Certificate { leaf, .. }) = credential else {
        let why = if cx.policy.wants_certificate() {
            "not possible: no certificate"
        } else {
            "not applicable: managed key"
        };
        return (Step::skipped(StepName::Sct, why), 0);
    };
    let mut step = Step::new(StepName::Sct);
    let scts = match sct::embedded(leaf) {
        Ok(scts) if scts.len() > limits::SCTS => {
            step.fail(Failure::TooManyScts {
                have: scts.len(),
                limit: limits::SCTS,
            });
            return (step, 0);
        }
        Ok(scts) => scts,
        Err(source) => {
            step.fail(Failure::SctList { source });
            return (step, 0);
        }
    };
    let mut parties = BTreeSet::new();
    for sct in &scts {
        match check_sct(cx, sct, leaf, issuer, &mut step) {
            Ok(Some(party)) => drop(parties.insert(party)),
            Ok(None) => {}
            Err(failure) => step.fail(failure),
        }
    }
    conclude(cx, scts.len(), parties.len(), &mut step);
    (step, parties.len())
}

fn conclude(cx: &Context<'_>, have: usize, counted: usize, step: &mut Step) {
    let want = cx.policy.sct_threshold;
    if have == 0 && want == 0 {
        step.skip("the certificate carries no SCT and the policy asks for none");
    } else if have == 0 {
        step.fail(Failure::NoSct);
    } else if counted < want && step.failures.is_empty() {
        step.fail(Failure::SctThreshold {
            have: counted,
            want,
        });
    }
}

/// The party that vouched; `None` for a log that the trusted root does not know, which does not count.
fn check_sct(
    cx: &Context<'_>,
    sct: &Sct,
    leaf: &Certificate,
    issuer: Option<&Certificate>,
    step: &mut Step,
) -> Result<Option<String>, Failure> {
    let log_id = || hex::encode(sct.log_id);
    let at = time_of(sct).ok_or_else(|| Failure::SctTime {
        log: log_id(),
        millis: sct.timestamp,
    })?;
    let known: Vec<&Log> = cx
        .trust
        .ctlogs
        .iter()
        .filter(|log| log.id == sct.log_id)
        .collect();
    if known.is_empty() {
        step.note(format!("SCT of unknown log {}: not counted", log_id()));
        return Ok(None);
    }
    let log = known
        .into_iter()
        .find(|log| log.validity.contains(at))
        .ok_or_else(|| Failure::SctValidity {
            log: log_id(),
            at: show(at),
        })?;
    // The issuer key hash is part of what the log signed; without a verified path the named authority is tried,
    // so that this step has its own answer. The chain step still decides.
    let issuer = issuer
        .or_else(|| named_issuer(cx, leaf))
        .ok_or_else(|| Failure::SctIssuer { log: log_id() })?;
    cx.spend(1)?;
    sct::verify_embedded(sct, leaf, issuer, &log.key).map_err(|source| Failure::Sct {
        log: log_id(),
        source,
    })?;
    step.note(format!("SCT of {} at {}", log.label, show(at)));
    Ok(Some(log.party.clone()))
}

fn named_issuer<'a>(cx: &Context<'a>, leaf: &Certificate) -> Option<&'a Certificate> {
    let all = cx
        .trust
        .certificate_authorities
        .iter()
        .flat_map(|authority| &authority.chain);
    all.into_iter()
        .find(|cert| cert.subject_der() == leaf.issuer_der())
}

fn time_of(sct: &Sct) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(sct.timestamp).checked_mul(1_000_000)?)
        .ok()
}
