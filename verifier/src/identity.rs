//! Step 3: who signed (spec/clients.md c.3).

use crate::failure::Failure;
use crate::material::Credential;
use crate::pattern::Pattern;
use crate::policy::{IdentityRule, Policy, Signer};
use crate::report::{Step, StepName, quoted};
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Alternatives that a report explains, nearest first; of the others only the number is given.
const EXPLAINED: usize = 5;

/// What the certificate says of its holder, right or wrong.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) identity: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) certificate: BTreeMap<&'static str, String>,
}

/// Compares the certificate's one name, its OIDC issuer and its fields with the policy.
pub(crate) fn check(credential: Option<&Credential>, policy: &Policy) -> (Step, Found) {
    let rules = match &policy.signer {
        Signer::Key(_) => {
            return (
                Step::skipped(StepName::Identity, "not applicable: managed key"),
                Found::default(),
            );
        }
        Signer::Identity { identity, issuer } => {
            IdentityRule::new(identity.clone(), issuer.clone(), [])
                .map(|rule| Cow::Owned(vec![rule]))
        }
        Signer::AnyIdentity(rules) => Ok(Cow::Borrowed(rules.as_slice())),
    };
    let Some(Credential::Certificate { leaf, .. }) = credential else {
        return (
            Step::skipped(StepName::Identity, "not possible: no certificate"),
            Found::default(),
        );
    };
    let mut step = Step::new(StepName::Identity);
    let found = read(leaf, &mut step);
    match rules {
        Ok(rules) => compare(&rules, &found, &mut step),
        Err(failure) => step.fail(failure),
    }
    (step, found)
}

fn read(leaf: &Certificate, step: &mut Step) -> Found {
    let extensions = FulcioExtensions::read(leaf);
    let identity = read_name(leaf, step);
    let issuer = read_issuer(&extensions, step);
    let mut certificate = BTreeMap::new();
    for (name, value) in extensions.named() {
        step.note(format!("{name}: {}", quoted(value)));
        certificate.insert(name, value.to_owned());
    }
    Found {
        identity,
        issuer,
        certificate,
    }
}

/// Exactly one name of one of three kinds.
fn read_name(leaf: &Certificate, step: &mut Step) -> Option<String> {
    let san = match leaf.san() {
        Ok(san) => san,
        Err(source) => {
            step.fail(Failure::San { source });
            return None;
        }
    };
    let kind = match san {
        San::Email(_) => "e-mail address",
        San::Uri(_) => "URI",
        San::OtherName(_) => "Fulcio other name",
    };
    step.note(format!(
        "certificate names {} ({kind})",
        quoted(san.value())
    ));
    Some(san.value().to_owned())
}

/// .8, else .1 (pki reads them in that order).
fn read_issuer(extensions: &FulcioExtensions, step: &mut Step) -> Option<String> {
    if extensions.issuer.is_empty() {
        step.fail(Failure::NoIssuer);
        return None;
    }
    step.note(format!("vouched for by {}", quoted(&extensions.issuer)));
    Some(extensions.issuer.clone())
}

/// One rule must fit in all its parts. Else each alternative is explained, nearest first.
fn compare(rules: &[IdentityRule], found: &Found, step: &mut Step) {
    let mut misfits = Vec::with_capacity(rules.len());
    for (position, rule) in rules.iter().enumerate() {
        let failures = misfits_of(rule, found);
        // What could not be read has failed the step already, and fits nothing.
        if failures.is_empty() && found.identity.is_some() && found.issuer.is_some() {
            if rules.len() > 1 {
                step.note(format!("fits identity {position} of the policy"));
            }
            return;
        }
        misfits.push((position, failures));
    }
    // Stable: among equals the order of the policy decides.
    misfits.sort_by_key(|(_, failures)| failures.len());
    explain(misfits, step);
}

fn explain(misfits: Vec<(usize, Vec<Failure>)>, step: &mut Step) {
    let alternatives = misfits.len();
    let nearest = misfits.first().map_or(0, |(position, _)| *position);
    if alternatives != 1 {
        step.fail(Failure::NoAlternative {
            alternatives,
            nearest,
        });
    }
    for (rank, (position, failures)) in misfits.into_iter().enumerate().take(EXPLAINED) {
        for failure in failures {
            if rank == 0 {
                step.fail(failure);
            } else {
                step.note(format!("identity {position}: {failure}"));
            }
        }
    }
    if alternatives > EXPLAINED {
        step.note(format!(
            "{} more identities of the policy do not fit either",
            alternatives - EXPLAINED
        ));
    }
}

/// What of one rule does not match.
fn misfits_of(rule: &IdentityRule, found: &Found) -> Vec<Failure> {
    let names = [
        ("identity", &rule.identity, &found.identity),
        ("issuer", &rule.issuer, &found.issuer),
    ];
    let names = names
        .into_iter()
        .filter_map(|(what, want, have)| mismatch(what, have.as_deref()?, want));
    let fields = rule.certificate.iter().filter_map(|(field, want)| {
        match found.certificate.get(field) {
            Some(have) => mismatch(field, have, want),
            // An absent field matches nothing, not even a pattern that takes the empty text.
            None => Some(Failure::FieldAbsent {
                field,
                want: quoted(&want.wanted().to_string()),
            }),
        }
    });
    names.chain(fields).collect()
}

fn mismatch(what: &'static str, have: &str, want: &Pattern) -> Option<Failure> {
    (!want.accepts(have)).then(|| Failure::Identity {
        what,
        have: quoted(have),
        want: quoted(&want.wanted().to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Match;

    fn found(identity: &str, issuer: &str, fields: &[(&'static str, &str)]) -> Found {
        Found {
            identity: Some(identity.into()),
            issuer: Some(issuer.into()),
            certificate: fields.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
        }
    }

    fn rule(identity: &str, issuer: &str, fields: &[(&str, &str)]) -> IdentityRule {
        let exact = |text: &str| Match::Exact(text.into());
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), exact(v)));
        IdentityRule::new(exact(identity), exact(issuer), fields).expect("known fields")
    }

    fn step(rules: &[IdentityRule], found: &Found) -> Step {
        let mut step = Step::new(StepName::Identity);
        compare(rules, found, &mut step);
        step
    }

    #[test]
    fn every_part_of_a_rule_must_match() {
        let have = found("a@b", "i", &[("build-trigger", "push")]);
        for (rule, failures) in [
            (rule("a@b", "i", &[("build-trigger", "push")]), 0),
            (rule("a@c", "i", &[("build-trigger", "push")]), 1),
            (rule("a@b", "j", &[("build-trigger", "push")]), 1),
            (rule("a@b", "i", &[("build-trigger", "tag")]), 1),
            (rule("a@c", "j", &[("build-trigger", "tag")]), 3),
        ] {
            assert_eq!(step(&[rule], &have).failures.len(), failures);
        }
    }

    #[test]
    fn a_field_that_is_absent_matches_no_pattern() {
        let any = Match::Regexp(".*".into());
        let rule = IdentityRule::new(any.clone(), any.clone(), [("subject".to_owned(), any)]);
        let step = step(&[rule.expect("compiles")], &found("a@b", "i", &[]));
        assert!(matches!(
            step.failures.as_slice(),
            [Failure::FieldAbsent {
                field: "subject",
                ..
            }]
        ));
    }

    #[test]
    fn one_alternative_suffices() {
        let rules = [rule("x", "y", &[]), rule("a@b", "i", &[])];
        let step = step(&rules, &found("a@b", "i", &[]));
        assert!(step.failures.is_empty());
        assert_eq!(step.evidence, ["fits identity 1 of the policy"]);
    }

    #[test]
    fn the_nearest_alternative_is_explained_first() {
        let rules = [
            rule("x", "y", &[]),
            rule("a@b", "y", &[]),
            rule("z", "y", &[("subject", "s")]),
        ];
        let step = step(&rules, &found("a@b", "i", &[]));
        assert_eq!(
            step.failures.first(),
            Some(&Failure::NoAlternative {
                alternatives: 3,
                nearest: 1
            })
        );
        assert!(matches!(
            step.failures.get(1),
            Some(Failure::Identity { what: "issuer", .. })
        ));
        assert!(
            step.evidence
                .iter()
                .any(|line| line.starts_with("identity 0: "))
        );
    }

    #[test]
    fn no_alternative_at_all_is_a_failure() {
        let step = step(&[], &found("a@b", "i", &[]));
        assert_eq!(step.failures.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_fits_nothing() {
        let any = || Match::Regexp(".*".into());
        let rule = IdentityRule::new(any(), any(), []).expect("compiles");
        let mut step = Step::new(StepName::Identity);
        compare(&[rule], &Found::default(), &mut step);
        assert!(!step.evidence.iter().any(|line| line.starts_with("fits")));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let exact = || Match::Exact("a".into());
        let made = IdentityRule::new(exact(), exact(), [("sourceRepo".to_owned(), exact())]);
        assert_eq!(
            made,
            Err(Failure::UnknownField {
                name: "sourceRepo".into()
            })
        );
    }
}
