//! Step 2: trusted times, and the certificate's path at every one of them (spec/clients.md c.2 steps 1 and 2).

use crate::Context;
use crate::failure::Failure;
use crate::material::Credential;
use crate::report::{Step, StepName};
use crate::times::{Times, show};
use crate::trust::Authority;
use pki::cert::Certificate;
use pki::path::{self, Usage};
use time::OffsetDateTime;

/// Checks the path at every trusted time; gives the step and the certificate that issued the leaf.
pub(crate) fn check<'a>(
    cx: &Context<'a>,
    credential: Option<&'a Credential>,
    times: &Times,
) -> (Step, Option<&'a Certificate>) {
    let mut step = Step::new(StepName::CertificateChain);
    times
        .evidence
        .iter()
        .for_each(|line| step.note(line.clone()));
    times
        .failures
        .iter()
        .for_each(|failure| step.fail(failure.clone()));
    let Some(Credential::Certificate { leaf }) = credential else {
        step.skip(if cx.policy.wants_certificate() {
            "not possible: no certificate"
        } else {
            "not applicable: managed key"
        });
        return (step, None);
    };
    // d. With a certificate and no trusted time nothing says that it was valid when it signed.
    if times.at.is_empty() {
        step.fail(Failure::NoTrustedTime);
        return (step, None);
    }
    let issuer = check_at_all_times(cx, leaf, times, &mut step);
    (step, issuer)
}

/// One good and one bad time is bad (spec c.2 step 2).
fn check_at_all_times<'a>(
    cx: &Context<'a>,
    leaf: &'a Certificate,
    times: &Times,
    step: &mut Step,
) -> Option<&'a Certificate> {
    let mut found: Option<Path<'a>> = None;
    for &at in &times.at {
        if found.as_ref().is_some_and(|path| path.holds_at(at)) {
            continue;
        }
        match find_path(cx, leaf, at) {
            Ok(path) => found = Some(path),
            Err(failure) => step.fail(failure),
        }
    }
    let path = found?;
    step.note(format!(
        "issued by {}, a certificate authority of the trusted root",
        path.issuer()?.subject_text()
    ));
    path.issuer()
}

/// A path that was found, leaf first, and the authority it belongs to.
struct Path<'a> {
    authority: &'a Authority,
    certificates: Vec<&'a Certificate>,
}

impl<'a> Path<'a> {
    /// Its signatures do not depend on the time, so at another time only the validity periods are compared.
    fn holds_at(&self, at: OffsetDateTime) -> bool {
        let valid = |cert: &&Certificate| cert.not_before() <= at && at <= cert.not_after();
        self.authority.validity.contains(at)
            && self.authority.valid_at(at)
            && self.certificates.iter().all(valid)
    }

    fn issuer(&self) -> Option<&'a Certificate> {
        self.certificates.get(1).copied()
    }
}

/// Tries every authority whose validFor covers `at`; reports the failure of the one that could have issued the leaf.
fn find_path<'a>(
    cx: &Context<'a>,
    leaf: &'a Certificate,
    at: OffsetDateTime,
) -> Result<Path<'a>, Failure> {
    let issued_by = |cert: &Certificate| cert.subject_der() == leaf.issuer_der();
    let mut failure = None;
    for authority in &cx.trust.certificate_authorities {
        if !authority.chain.iter().any(issued_by) {
            continue;
        }
        if !authority.validity.contains(at) {
            failure = Some(Failure::CaValidity {
                ca: authority.label(),
                at: show(at),
            });
            continue;
        }
        match path_through(cx, authority, leaf, at) {
            Ok(certificates) => {
                return Ok(Path {
                    authority,
                    certificates,
                });
            }
            Err(reason) => failure = Some(reason),
        }
    }
    Err(failure.unwrap_or_else(|| Failure::UnknownCa {
        issuer: leaf.issuer_text(),
    }))
}

fn path_through<'a>(
    cx: &Context<'a>,
    authority: &'a Authority,
    leaf: &'a Certificate,
    at: OffsetDateTime,
) -> Result<Vec<&'a Certificate>, Failure> {
    if leaf.is_ca() {
        return Err(Failure::LeafIsCa);
    }
    let failed = |source| Failure::Path {
        ca: authority.label(),
        at: show(at),
        valid: format!("{} to {}", show(leaf.not_before()), show(leaf.not_after())),
        source: Box::new(source),
    };
    // The usual case: issued by the first CA, whose own path was checked once for this trusted root.
    let issuing = authority
        .first()
        .filter(|ca| ca.subject_der() == leaf.issuer_der());
    if let Some(issuing) = issuing.filter(|_| authority.issuing_ca_is_sound(at)) {
        cx.spend(1)?;
        if let Ok(path) = path::check_path(leaf, &[], &[issuing], Usage::CodeSigning, at) {
            return Ok(path);
        }
    }
    // Only the authority's own: a rotation keeps the root, so a CA of the bundle's chain may be one that was removed.
    let between: Vec<&Certificate> = authority.intermediates().iter().collect();
    let anchors: Vec<&Certificate> = authority.anchor().into_iter().collect();
    cx.spend(between.len() + 1)?;
    path::check_path(leaf, &between, &anchors, Usage::CodeSigning, at).map_err(failed)
}

#[cfg(test)]
mod tests;
