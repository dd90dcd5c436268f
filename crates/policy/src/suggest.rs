//! The narrowest policy that one bundle satisfies.

use crate::document::Document;
use crate::evaluate::Candidate;
use crate::evaluate::statement::Kind;
use serde_json::Value;
use std::fmt::Write;
use time::OffsetDateTime;
use verifier::{IdentityRule, Match, Policy, Report, Signer, TrustMaterial};

/// A policy with a comment on each line, and the same as a document.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// YAML for people to read, shorten and keep.
    pub yaml: String,
    /// What the text says.
    pub document: Document,
}

/// Why nothing is suggested.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SuggestError {
    /// The bundle does not verify under the trusted root: whatever it says may be anybody's.
    #[error("the bundle does not verify, so that nothing in it can be trusted: {}", cause(.report))]
    NotVerified {
        /// All that was checked.
        report: Box<Report>,
    },
    /// The bundle was signed with a managed key, and the key was not given.
    #[error("the bundle was signed with a managed key: give the key that you trust")]
    NoKey,
    /// What the bundle says cannot be written as a policy that the bundle satisfies.
    #[error("the bundle's own content cannot be put into a policy: {reason}")]
    Unwritable {
        /// What stands in the way.
        reason: String,
    },
}

fn cause(report: &Report) -> String {
    let step = report.first_failure();
    step.and_then(|step| Some(format!("{}: {}", step.name.title(), step.cause.as_deref()?)))
        .unwrap_or_else(|| "see the report".to_owned())
}

/// Writes the policy that asks for exactly what the bundle shows, without a window of time.
///
/// `root` is the name that the policy gives the trusted root (empty: the default one) and the root itself; `key` the
/// managed key (PEM) for a bundle without certificate. The document is evaluated over the bundle before it is
/// returned.
pub fn suggest(
    candidate: &Candidate<'_>,
    root: (&str, &TrustMaterial),
    key: Option<&str>,
    now: OffsetDateTime,
) -> Result<Suggestion, SuggestError> {
    let report = verified(candidate, root.1, key, now)?;
    let yaml = write(candidate, root.0, key, &report);
    let unwritable = |reason: String| SuggestError::Unwritable { reason };
    let document =
        Document::parse(yaml.as_bytes()).map_err(|error| unwritable(error.to_string()))?;
    let evaluation = document.evaluate(std::slice::from_ref(candidate), &[root], now);
    if !evaluation.verified {
        let cause = evaluation
            .requirements
            .into_iter()
            .find_map(|one| one.cause);
        return Err(unwritable(cause.unwrap_or_default()));
    }
    Ok(Suggestion { yaml, document })
}

/// Verifies the bundle, whoever signed it: what it says is written down for somebody to judge.
fn verified(
    candidate: &Candidate<'_>,
    trust: &TrustMaterial,
    key: Option<&str>,
    now: OffsetDateTime,
) -> Result<Report, SuggestError> {
    let material = &candidate.bundle.verification_material;
    let signer = match key {
        Some(pem) => Signer::Key(pem.to_owned()),
        None if material.public_key.is_some() => return Err(SuggestError::NoKey),
        None => {
            let any = || Match::Glob("**".to_owned());
            let rule = IdentityRule::new(any(), any(), []).map_err(|failure| {
                SuggestError::Unwritable {
                    reason: failure.to_string(),
                }
            })?;
            Signer::AnyIdentity(vec![rule])
        }
    };
    let mut policy = Policy::new(signer);
    policy.tlog_threshold = 0;
    policy.sct_threshold = 0;
    policy.timestamp_threshold = 0;
    let report = verifier::verify(candidate.bundle, &candidate.artifact, trust, &policy, now);
    if report.verified {
        Ok(report)
    } else {
        Err(SuggestError::NotVerified {
            report: Box::new(report),
        })
    }
}

fn write(candidate: &Candidate<'_>, root: &str, key: Option<&str>, report: &Report) -> String {
    let mut text = String::from(
        "# Suggested from one bundle: the narrowest policy that it satisfies. Widen what may differ next time.\n\
         apiVersion: sigstead.dev/policy/v1\n\
         name: suggested # shown in reports\n",
    );
    if !root.is_empty() {
        line(
            &mut text,
            "",
            &format!("roots: [{}]", quoted(root)),
            "verify under this trusted root alone",
        );
    }
    let indent = match Kind::of(candidate.bundle) {
        Kind::Attestation(name) => {
            line(&mut text, "", "attestations:", "all of these must be there");
            let member = format!("- predicateType: {}", quoted(&name));
            line(&mut text, "  ", &member, "what kind of statement");
            "    "
        }
        _ => {
            line(
                &mut text,
                "",
                "signatures:",
                "signatures of the artifact itself",
            );
            "  "
        }
    };
    match key {
        Some(pem) => write_key(&mut text, indent, pem),
        None => write_identity(&mut text, indent, report),
    }
    write_thresholds(&mut text, key.is_none(), report);
    text
}

fn write_key(text: &mut String, indent: &str, pem: &str) {
    line(text, indent, "keys:", "any of these may sign");
    let _ = writeln!(text, "{indent}  - {}", quoted(pem));
}

fn write_identity(text: &mut String, indent: &str, report: &Report) {
    let name = |name: &Option<String>| quoted(name.as_deref().unwrap_or_default());
    line(text, indent, "identities:", "any of these may sign");
    let member = format!("- identity: {}", name(&report.identity));
    line(
        text,
        &format!("{indent}  "),
        &member,
        "exactly this name in the certificate",
    );
    let below = format!("{indent}    ");
    let member = format!("issuer: {}", name(&report.issuer));
    line(text, &below, &member, "vouched for by this OIDC issuer");
    let pinned: Vec<_> = PINNED
        .iter()
        .filter_map(|(field, comment)| Some((field, report.certificate.get(field)?, comment)))
        .collect();
    if pinned.is_empty() {
        return;
    }
    line(text, &below, "certificate:", "and with all of these fields");
    for (field, value, comment) in pinned {
        let old = field.starts_with("github-");
        // The old fields say the same as the newer ones; one of them is enough.
        if !old || !report.certificate.contains_key("source-repository-uri") {
            let member = format!("{field}: {}", quoted(value));
            line(text, &format!("{below}  "), &member, comment);
        }
    }
}

/// What ties an identity to a repository, a workflow and a kind of machine.
const PINNED: [(&str, &str); 10] = [
    (
        "source-repository-uri",
        "the repository whose code was built",
    ),
    (
        "source-repository-identifier",
        "the same repository, even if another takes its name",
    ),
    ("source-repository-owner-uri", "its owner"),
    (
        "source-repository-owner-identifier",
        "the same owner, even if another takes its name",
    ),
    (
        "source-repository-ref",
        "the branch or tag; use {glob: refs/tags/v*} for releases",
    ),
    ("build-signer-uri", "the workflow that signed, with its ref"),
    ("build-config-uri", "the workflow that was started"),
    ("runner-environment", "the kind of machine it ran on"),
    (
        "github-workflow-repository",
        "the repository of the workflow",
    ),
    ("github-workflow-ref", "the ref of the workflow"),
];

fn write_thresholds(text: &mut String, certificate: bool, report: &Report) {
    let have = report.parties;
    let mut threshold = |name: &str, count: usize, comment: &str| {
        let member = format!("{name}: {{threshold: {count}}}");
        line(text, "", &member, comment);
    };
    threshold(
        "log",
        have.logs,
        "distinct transparency logs that hold the entry",
    );
    threshold("timestamps", have.times, "distinct sources of trusted time");
    if certificate {
        threshold(
            "sct",
            have.scts,
            "distinct certificate-transparency logs that saw the certificate",
        );
    }
}

fn line(text: &mut String, indent: &str, member: &str, comment: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{indent}{member} # {comment}");
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
