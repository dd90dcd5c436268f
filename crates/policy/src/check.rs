//! What a policy lets through that its writer hardly meant.

use crate::document::Document;
use crate::document::raw::{RawAttestation, RawIdentity, RawMatch, RawPattern};
use crate::error::{item, member};
use serde::Serialize;
use verifier::{Match, Pattern};

/// One objection to a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where, e.g. `signatures.identities[0].issuer`.
    pub path: String,
    /// What the policy lets through.
    pub cause: String,
    /// What to write instead.
    pub cure: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Wider than it looks.
    Warning,
    /// Anybody can satisfy it, or a part of it that keeps others out.
    Error,
}

/// Objects to identities and issuers that match anything or more than they seem to, and to protections switched off.
pub fn check(document: &Document) -> Vec<Finding> {
    let mut findings = Findings::default();
    let raw = document.raw();
    if let Some(signatures) = &raw.signatures {
        findings.identities("signatures", &signatures.identities);
    }
    for (position, attestation) in raw.attestations.iter().enumerate() {
        findings.attestation(&item("attestations", position), attestation);
    }
    findings.thresholds(document);
    findings.list
}

/// Names and issuers that have nothing to do with any policy.
const STRANGERS: [&str; 4] = [
    "mallory@attacker.test",
    "https://attacker.test/mallory/workflow.yml@refs/heads/main",
    "spiffe://attacker.test/ns/mallory",
    "mallory",
];
const STRANGE_ISSUERS: [&str; 3] = [
    "https://attacker.test",
    "http://oidc.attacker.test:8080/mallory",
    "https://attacker.test/realms/mallory",
];
/// Fields that tie a workflow's identity to its repository.
const REPOSITORY_FIELDS: [&str; 8] = [
    "source-repository-uri",
    "sourceRepositoryUri",
    "source-repository-identifier",
    "sourceRepositoryIdentifier",
    "github-workflow-repository",
    "githubWorkflowRepository",
    "source-repository-owner-identifier",
    "sourceRepositoryOwnerIdentifier",
];

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, severity: Severity, path: &str, cause: &str, cure: &str) {
        self.list.push(Finding {
            severity,
            path: path.to_owned(),
            cause: cause.to_owned(),
            cure: cure.to_owned(),
        });
    }

    fn attestation(&mut self, path: &str, raw: &RawAttestation) {
        self.identities(path, &raw.identities);
        if matches_any_of(
            &raw.predicate_type,
            &["https://attacker.test/a/v1", "mallory"],
        ) {
            self.add(
                Severity::Error,
                &member(path, "predicateType"),
                "it matches every predicate type: any statement at all will do",
                "write the predicate type that you need",
            );
        }
    }

    fn identities(&mut self, path: &str, identities: &[RawIdentity]) {
        let list = member(path, "identities");
        for (position, identity) in identities.iter().enumerate() {
            self.identity(&item(&list, position), identity);
        }
    }

    fn identity(&mut self, path: &str, raw: &RawIdentity) {
        let (name, issuer) = (member(path, "identity"), member(path, "issuer"));
        if matches_any_of(&raw.identity, &STRANGERS) {
            self.add(
                Severity::Error,
                &name,
                "it matches anything: whoever has any account with the issuer may sign",
                "write the name of the signer, or a glob with its domain or repository in it",
            );
        } else {
            self.boundaries(&name, &raw.identity);
            self.repository(&name, raw);
        }
        if matches_any_of(&raw.issuer, &STRANGE_ISSUERS) {
            self.add(
                Severity::Error,
                &issuer,
                "it matches anything: whoever runs an issuer that the authority accepts may take any name",
                "write the issuer's URL",
            );
        } else {
            self.boundaries(&issuer, &raw.issuer);
            if let Some(RawPattern::Regexp(pattern)) = pattern(&raw.issuer)
                && has_bare_dot(pattern)
            {
                self.add(
                    Severity::Warning,
                    &issuer,
                    "a dot in it stands for any character: another domain may match",
                    r"write \. for a dot, or the issuer's URL as plain text",
                );
            }
        }
    }

    /// A pattern must end, and begin, where a name does: at `@`, `/`, `.` and the like.
    fn boundaries(&mut self, path: &str, raw: &RawMatch) {
        let Some((before, after)) = pattern(raw).and_then(open_ends) else {
            return;
        };
        if before {
            self.add(
                Severity::Warning,
                path,
                "it begins with a wildcard and goes on in the middle of a name: `**example.com` is evilexample.com too",
                "put @ or / between the wildcard and the name",
            );
        }
        if after {
            self.add(
                Severity::Warning,
                path,
                "it ends with a wildcard in the middle of a name: `…/acme**` is acme-evil and acme.evil.test too",
                "put / or @ between the name and the wildcard",
            );
        }
    }

    /// GitHub's identities name the repository; a pattern that leaves it open lets every repository sign.
    fn repository(&mut self, path: &str, raw: &RawIdentity) {
        let pinned = raw
            .certificate
            .keys()
            .any(|field| REPOSITORY_FIELDS.contains(&field.as_str()));
        let Some(written) = pattern(&raw.identity).filter(|_| !pinned) else {
            return;
        };
        let prefix = literal_prefix(written);
        let workflow =
            prefix.starts_with("https://github.com") || text(written).contains(".github/workflows");
        // https: / / github.com / owner / repository /
        if workflow && prefix.matches('/').count() < 5 {
            self.add(
                Severity::Warning,
                path,
                "it leaves the repository of the workflow open",
                "write https://github.com/OWNER/REPOSITORY/ before the first wildcard, or ask for the certificate field source-repository-uri",
            );
        }
    }

    fn thresholds(&mut self, document: &Document) {
        let raw = document.raw();
        let zero = |threshold: &Option<crate::document::raw::RawThreshold>| {
            threshold.as_ref().is_some_and(|raw| raw.threshold == 0)
        };
        if zero(&raw.log) {
            self.add(
                Severity::Warning,
                "log.threshold",
                "no transparency log is needed: signatures made with a stolen token or key leave no trace",
                "write 1, unless the signatures are private",
            );
        }
        if zero(&raw.timestamps) {
            self.add(
                Severity::Warning,
                "timestamps.threshold",
                "no trusted time is needed: a key that was revoked or stolen can sign into the past",
                "write 1",
            );
        }
        if zero(&raw.sct) {
            self.add(
                Severity::Warning,
                "sct.threshold",
                "no certificate-transparency log is needed: a certificate issued to somebody else goes unnoticed",
                "write 1",
            );
        }
    }
}

fn pattern(raw: &RawMatch) -> Option<&RawPattern> {
    match raw {
        RawMatch::Plain(_) | RawMatch::Pattern(RawPattern::Exact(_)) => None,
        RawMatch::Pattern(pattern) => Some(pattern),
    }
}

fn text(pattern: &RawPattern) -> &str {
    match pattern {
        RawPattern::Exact(text) | RawPattern::Glob(text) | RawPattern::Regexp(text) => text,
    }
}

/// Whether a stranger matches: decided by trying, so that no spelling of "anything" escapes.
fn matches_any_of(raw: &RawMatch, strangers: &[&str]) -> bool {
    let wanted = match pattern(raw) {
        Some(RawPattern::Glob(glob)) => Match::Glob(glob.clone()),
        Some(RawPattern::Regexp(regexp)) => Match::Regexp(regexp.clone()),
        _ => return false,
    };
    Pattern::new(wanted).is_ok_and(|pattern| strangers.iter().any(|name| pattern.accepts(name)))
}

/// What stands before the first wildcard, escapes undone.
fn literal_prefix(pattern: &RawPattern) -> String {
    match pattern {
        RawPattern::Exact(text) => text.clone(),
        RawPattern::Glob(glob) => glob.split('*').next().unwrap_or_default().to_owned(),
        RawPattern::Regexp(regexp) => {
            let mut prefix = String::new();
            let mut chars = regexp.strip_prefix('^').unwrap_or(regexp).chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => match chars.next() {
                        Some(c) if !c.is_ascii_alphanumeric() => prefix.push(c),
                        _ => break,
                    },
                    '[' | '(' | '*' | '+' | '?' | '{' | '|' | '$' => break,
                    // A bare dot inside a host name was meant as one; a wildcard follows it otherwise.
                    '.' if matches!(chars.clone().next(), Some('*' | '+' | '?' | '{')) => break,
                    c => prefix.push(c),
                }
            }
            prefix
        }
    }
}

/// Whether a wildcard meets the middle of a name at the beginning, or at the end.
fn open_ends(pattern: &RawPattern) -> Option<(bool, bool)> {
    let (wild, text): (&[&str], &str) = match pattern {
        RawPattern::Exact(_) => return None,
        RawPattern::Glob(glob) => (&["**"], glob),
        RawPattern::Regexp(regexp) => (
            &[".*", ".+", "(?s:.*)", "(?s:.+)"],
            regexp.trim_start_matches('^').trim_end_matches('$'),
        ),
    };
    let name = |c: char| c.is_ascii_alphanumeric();
    let before = wild.iter().any(|wild| {
        text.strip_prefix(wild)
            .is_some_and(|rest| rest.starts_with(name))
    });
    let after = wild.iter().any(|wild| {
        text.strip_suffix(wild)
            // Behind a ref anything goes: refs/tags/v1, v2, …
            .is_some_and(|rest| rest.ends_with(name) && !rest.contains("@refs/"))
    });
    Some((before, after))
}

/// A dot that stands for any one character, outside brackets.
fn has_bare_dot(regexp: &str) -> bool {
    let mut chars = regexp.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class && !matches!(chars.peek(), Some('*' | '+' | '?' | '{')) => {
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(identity: &str, rest: &str) -> Vec<(Severity, String)> {
        let yaml = format!(
            "apiVersion: sigstead.dev/policy/v1\nname: p\nsignatures:\n  identities:\n    - {identity}\n{rest}"
        );
        let document =
            Document::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("{yaml}: {error}"));
        check(&document)
            .into_iter()
            .map(|finding| (finding.severity, finding.path))
            .collect()
    }

    const ISSUER: &str = "issuer: https://accounts.example.com";

    #[test]
    fn every_spelling_of_anything_is_an_error() {
        for anything in [
            "{regexp: '.*'}",
            "{regexp: '.+'}",
            "{regexp: '(?s:.*)'}",
            "{regexp: '[^x]*|.+'}",
            r"{regexp: '\S+'}",
            "{regexp: '[a-z:/@._-]+.*'}",
            "{regexp: '.*(@|/).*'}",
            "{glob: '**'}",
            "{glob: '*@*'}",
        ] {
            let found = findings(&format!("{{identity: {anything}, {ISSUER}}}"), "");
            assert_eq!(
                found,
                [(
                    Severity::Error,
                    "signatures.identities[0].identity".to_owned()
                )],
                "{anything}"
            );
        }
        for anything in [
            "{regexp: 'https?://.*'}",
            "{glob: 'https://**'}",
            "{glob: '**'}",
        ] {
            let found = findings(&format!("{{identity: a@b.c, issuer: {anything}}}"), "");
            assert_eq!(
                found,
                [(
                    Severity::Error,
                    "signatures.identities[0].issuer".to_owned()
                )],
                "{anything}"
            );
        }
    }

    #[test]
    fn what_is_narrow_is_clean() {
        for identity in [
            format!("{{identity: alice@example.com, {ISSUER}}}"),
            format!("{{identity: {{glob: '*@example.com'}}, {ISSUER}}}"),
            r"{identity: {regexp: '[a-z]+@example\.com'}, issuer: {regexp: 'https://accounts\.example\.com'}}".to_owned(),
            format!(
                "{{identity: {{glob: 'https://github.com/acme/app/.github/workflows/*@refs/tags/v*'}}, {ISSUER}}}"
            ),
            format!("{{identity: {{glob: 'https://github.com/acme/app/**'}}, {ISSUER}}}"),
            format!(
                "{{identity: {{regexp: 'https://github.com/acme/app/.*@refs/tags/v.*'}}, {ISSUER}}}"
            ),
            format!(
                "{{identity: {{glob: 'https://github.com/acme/**'}}, {ISSUER}, certificate: {{sourceRepositoryUri: https://github.com/acme/app}}}}"
            ),
        ] {
            assert_eq!(findings(&identity, ""), [], "{identity}");
        }
    }

    #[test]
    fn what_is_wider_than_it_looks_is_a_warning() {
        for (identity, path) in [
            (
                format!("{{identity: {{glob: '**example.com'}}, {ISSUER}}}"),
                "identity",
            ),
            (
                format!("{{identity: {{regexp: '.*example.com'}}, {ISSUER}}}"),
                "identity",
            ),
            (
                format!("{{identity: {{glob: 'https://gitlab.com/acme**'}}, {ISSUER}}}"),
                "identity",
            ),
            (
                format!("{{identity: {{glob: 'https://github.com/acme/**'}}, {ISSUER}}}"),
                "identity",
            ),
            (
                format!(
                    "{{identity: {{glob: 'https://github.com/*/*/.github/workflows/release.yml@refs/heads/main'}}, {ISSUER}}}"
                ),
                "identity",
            ),
            (
                "{identity: a@b.c, issuer: {regexp: 'https://accounts.example.com'}}".to_owned(),
                "issuer",
            ),
        ] {
            assert_eq!(
                findings(&identity, ""),
                [(
                    Severity::Warning,
                    format!("signatures.identities[0].{path}")
                )],
                "{identity}"
            );
        }
    }

    #[test]
    fn protections_that_are_switched_off_are_named() {
        let found = findings(
            &format!("{{identity: a@b.c, {ISSUER}}}"),
            "log: {threshold: 0}\ntimestamps: {threshold: 0}\nsct: {threshold: 0}\nattestations: [{predicateType: {glob: '**'}}]",
        );
        let paths: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "attestations[0].predicateType",
                "log.threshold",
                "timestamps.threshold",
                "sct.threshold"
            ]
        );
    }
}
