//! Step 3: who signed (spec/clients.md c.3).

use crate::failure::Failure;
use crate::limits;
use crate::material::Credential;
use crate::policy::{Match, Policy, Signer};
use crate::report::{Step, StepName, quoted};
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use regex::{Regex, RegexBuilder};

/// The names found in a certificate, right or wrong.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) identity: Option<String>,
    pub(crate) issuer: Option<String>,
}

/// Compares the certificate's one name and its OIDC issuer with the policy.
pub(crate) fn check(credential: Option<&Credential>, policy: &Policy) -> (Step, Found) {
    let Signer::Identity { identity, issuer } = &policy.signer else {
        return (
            Step::skipped(StepName::Identity, "not applicable: managed key"),
            Found::default(),
        );
    };
    let Some(Credential::Certificate { leaf, .. }) = credential else {
        return (
            Step::skipped(StepName::Identity, "not possible: no certificate"),
            Found::default(),
        );
    };
    let mut step = Step::new(StepName::Identity);
    let name = read_name(leaf, &mut step);
    let oidc_issuer = read_issuer(leaf, &mut step);
    if let Some(have) = &name {
        compare(have, identity, "identity", &mut step);
    }
    if let Some(have) = &oidc_issuer {
        compare(have, issuer, "issuer", &mut step);
    }
    (
        step,
        Found {
            identity: name,
            issuer: oidc_issuer,
        },
    )
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
fn read_issuer(leaf: &Certificate, step: &mut Step) -> Option<String> {
    let issuer = FulcioExtensions::read(leaf).issuer;
    if issuer.is_empty() {
        step.fail(Failure::NoIssuer);
        return None;
    }
    step.note(format!("vouched for by {}", quoted(&issuer)));
    Some(issuer)
}

fn compare(have: &str, want: &Match, what: &'static str, step: &mut Step) {
    let same = match want {
        Match::Exact(text) => have == text,
        Match::Regexp(pattern) => match whole(pattern) {
            Ok(regex) => regex.is_match(have),
            Err(failure) => {
                step.fail(failure);
                return;
            }
        },
    };
    if !same {
        step.fail(Failure::Identity {
            what,
            have: quoted(have),
            want: quoted(&want.to_string()),
        });
    }
}

/// The pattern, anchored at both ends and bounded in size.
fn whole(pattern: &str) -> Result<Regex, Failure> {
    let refuse = |reason: String| Failure::Pattern {
        pattern: quoted(pattern),
        reason,
    };
    if pattern.len() > limits::PATTERN_BYTES {
        return Err(refuse(format!(
            "longer than {} bytes",
            limits::PATTERN_BYTES
        )));
    }
    let compile = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(limits::PATTERN_COMPILED_BYTES)
            .dfa_size_limit(limits::PATTERN_COMPILED_BYTES)
            .build()
            .map_err(|error| refuse(error.to_string()))
    };
    // Alone first: `a)|(b` would otherwise close our group and escape the anchors.
    compile(pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        whole(pattern).expect("compiles").is_match(text)
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        assert!(matches("a|ab", "ab"));
        assert!(matches(r".*@example\.com", "alice@example.com"));
        assert!(!matches(r".*@example\.com", "alice@example.com.evil.test"));
        assert!(!matches("example", "an example"));
        assert!(!matches("(?m)^a$", "a\nb"));
    }

    #[test]
    fn a_pattern_cannot_escape_its_anchors() {
        assert!(whole("a)|(b").is_err());
        assert!(
            whole("(?x)a #").is_err(),
            "a comment would swallow the closing anchor"
        );
    }

    #[test]
    fn a_costly_pattern_is_refused() {
        assert!(whole("((a{100}){100}){100}").is_err());
        assert!(whole(&"a".repeat(5000)).is_err());
        assert!(whole("(").is_err());
    }

    #[test]
    fn equality_is_byte_for_byte() {
        for (have, want, fails) in [
            ("a@b", "a@b", false),
            ("A@b", "a@b", true),
            ("a@b ", "a@b", true),
            ("a@b", "", true),
        ] {
            let mut step = Step::new(StepName::Identity);
            compare(have, &Match::Exact(want.into()), "identity", &mut step);
            assert_eq!(!step.failures.is_empty(), fails, "{have} {want}");
        }
    }
}
