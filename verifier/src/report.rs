//! What was checked, with which evidence, and what to do about what failed.

use crate::failure::Failure;
use crate::limits;
use crate::times;
use serde::Serializer;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The JSON Schema (2020-12) of a serialized [`Report`].
pub fn report_schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let generator = settings.for_serialize().into_generator();
    generator.into_root_schema_for::<Report>()
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything the step asks for holds.
    Passed,
    /// Something does not hold; `cause` says what.
    Failed,
    /// Not applicable under the policy, or not possible because an earlier step failed.
    Skipped,
}

/// The seven steps, in the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// The bundle's form: version, members, limits, certificate or key.
    Material,
    /// Trusted times, and the certificate's path to a trusted authority at each of them.
    CertificateChain,
    /// Subject alternative name and OIDC issuer against the policy.
    Identity,
    /// Signed certificate timestamps of trusted certificate-transparency logs.
    Sct,
    /// The signature over the artifact or the attestation, and the attestation's subject.
    Signature,
    /// Each log entry: body, inclusion, checkpoint, signed entry timestamp.
    TransparencyLog,
    /// The thresholds.
    Policy,
}

impl StepName {
    /// All steps, in the order of evaluation.
    pub const ALL: [StepName; 7] = [
        StepName::Material,
        StepName::CertificateChain,
        StepName::Identity,
        StepName::Sct,
        StepName::Signature,
        StepName::TransparencyLog,
        StepName::Policy,
    ];

    /// The step's name for people.
    pub fn title(self) -> &'static str {
        match self {
            StepName::Material => "Bundle",
            StepName::CertificateChain => "Certificate chain",
            StepName::Identity => "Identity",
            StepName::Sct => "Certificate transparency",
            StepName::Signature => "Signature",
            StepName::TransparencyLog => "Transparency log",
            StepName::Policy => "Policy",
        }
    }
}

/// One step of a verification.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Step {
    /// Which step.
    pub name: StepName,
    /// How it ended.
    pub outcome: Outcome,
    /// One line each: who, which log, which index, which time, which key. May quote outside text:
    /// [`Report::to_text`] removes control characters, other writers must do the same.
    pub evidence: Vec<String>,
    /// What did not hold; only when the step failed. The first failure; further ones are in `failures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do about `cause`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// Everything that did not hold, as values to match on.
    #[serde(skip)]
    pub failures: Vec<Failure>,
}

impl Step {
    /// A step in the making; it passes unless something is said against it.
    pub(crate) fn new(name: StepName) -> Self {
        Self {
            name,
            outcome: Outcome::Passed,
            evidence: Vec::new(),
            cause: None,
            cure: None,
            failures: Vec::new(),
        }
    }

    /// A step that was not evaluated.
    pub(crate) fn skipped(name: StepName, why: &str) -> Self {
        let mut step = Self::new(name);
        step.skip(why);
        step
    }

    /// Marks the step as skipped, unless it failed.
    pub(crate) fn skip(&mut self, why: &str) {
        self.note(why);
        if self.outcome == Outcome::Passed {
            self.outcome = Outcome::Skipped;
        }
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.evidence.push(line.into());
    }

    /// Fails the step. The first failure gives cause and cure.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.outcome = Outcome::Failed;
        if self.cause.is_none() {
            self.cause = Some(failure.to_string());
            self.cure = Some(failure.cure());
        } else {
            self.note(format!("also: {failure}"));
        }
        self.failures.push(failure);
    }
}

/// Distinct parties that vouched: what the thresholds of a policy count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Parties {
    /// Transparency logs that hold the entry.
    pub logs: usize,
    /// Certificate-transparency logs whose SCT the certificate carries.
    pub scts: usize,
    /// Sources of trusted time.
    pub times: usize,
}

/// The outcome of a verification: fails closed and explains itself.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Report {
    /// True only when no step failed and no step that the policy makes mandatory was skipped.
    pub verified: bool,
    /// The certificate's name, as found; trust it only when `verified`.
    pub identity: Option<String>,
    /// The OIDC issuer in the certificate, as found; trust it only when `verified`.
    pub issuer: Option<String>,
    /// Further fields of the certificate by name, as found; trust them only when `verified`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificate: BTreeMap<&'static str, String>,
    /// The moments at which the signature provably existed, ascending; trust them only when `verified`.
    #[serde(serialize_with = "show_all")]
    #[schemars(with = "Vec<String>")]
    pub signed_at: Vec<OffsetDateTime>,
    /// How many independent parties vouched; trust them only when `verified`.
    pub parties: Parties,
    /// All seven steps, in order.
    pub steps: Vec<Step>,
    /// The in-toto predicate type, when the bundle holds an attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
}

impl Report {
    /// The step of that name.
    pub fn step(&self, name: StepName) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The first step that failed.
    pub fn first_failure(&self) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.outcome == Outcome::Failed)
    }

    /// Draws the checks as a tree for a terminal; `colors` adds ANSI colors.
    ///
    /// Outside text in it has its control characters replaced, so a hostile bundle cannot move the cursor.
    pub fn to_text(&self, colors: bool) -> String {
        let paint = Paint { colors };
        let mut text = self.headline(&paint);
        for (position, step) in self.steps.iter().enumerate() {
            let last = position + 1 == self.steps.len();
            draw_step(&mut text, step, last, &paint);
        }
        text
    }

    fn headline(&self, paint: &Paint) -> String {
        let outcome = if self.verified {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        let word = if self.verified {
            "verified"
        } else {
            "NOT verified"
        };
        let mut line = format!("{} {}", paint.mark(outcome), paint.strong(word));
        if let Some(identity) = &self.identity {
            line += &format!(": {}", printable(identity));
        }
        if let Some(issuer) = &self.issuer {
            line += &format!(" (by {})", printable(issuer));
        }
        if let Some(predicate) = &self.predicate_type {
            line += &format!(", predicate {}", printable(predicate));
        }
        line + "\n"
    }
}

fn draw_step(text: &mut String, step: &Step, last: bool, paint: &Paint) {
    let (branch, stem) = if last {
        ("└─", "   ")
    } else {
        ("├─", "│  ")
    };
    *text += &format!(
        "{branch} {} {}\n",
        paint.mark(step.outcome),
        paint.strong(step.name.title())
    );
    for line in &step.evidence {
        *text += &format!("{stem}    {}\n", paint.faint(&printable(line)));
    }
    if let Some(cause) = &step.cause {
        *text += &format!(
            "{stem}    {}\n",
            paint.bad(&format!("cause: {}", printable(cause)))
        );
    }
    if let Some(cure) = &step.cure {
        *text += &format!("{stem}    cure:  {}\n", printable(cure));
    }
}

fn show_all<S: Serializer>(times: &[OffsetDateTime], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(times.iter().map(|at| times::show(*at)))
}

/// Quotes outside text in a report line: bounded.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().count() <= limits::QUOTED_CHARS {
        return text.to_owned();
    }
    text.chars()
        .take(limits::QUOTED_CHARS)
        .chain(['…'])
        .collect()
}

/// Replaces what could steer a terminal: control characters and bidirectional overrides.
pub fn printable(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

struct Paint {
    colors: bool,
}

impl Paint {
    fn mark(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Passed => self.wrap("32", "✔"),
            Outcome::Failed => self.wrap("31", "✘"),
            Outcome::Skipped => self.wrap("33", "○"),
        }
    }

    fn strong(&self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn faint(&self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn bad(&self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.colors {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut identity = Step::new(StepName::Identity);
        identity.note("name: a@example.com\u{1b}[2J");
        let mut policy = Step::new(StepName::Policy);
        policy.fail(Failure::SignatureMismatch);
        policy.fail(Failure::NoSct);
        let sct = Step::skipped(StepName::Sct, "managed key: no certificate");
        Report {
            verified: false,
            identity: Some("a@example.com".into()),
            issuer: None,
            certificate: BTreeMap::new(),
            signed_at: vec![OffsetDateTime::UNIX_EPOCH],
            parties: Parties::default(),
            steps: vec![identity, sct, policy],
            predicate_type: None,
        }
    }

    #[test]
    fn the_tree_shows_marks_evidence_cause_and_cure() {
        let text = report().to_text(false);
        assert!(
            text.starts_with("✘ NOT verified: a@example.com\n├─ ✔ Identity\n"),
            "{text}"
        );
        assert!(
            text.contains("├─ ○ Certificate transparency\n│      managed key: no certificate\n"),
            "{text}"
        );
        assert!(text.contains("└─ ✘ Policy\n"), "{text}");
        assert!(text.contains("cause: "), "{text}");
        assert!(text.contains("cure:  "), "{text}");
    }

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        assert!(!report().to_text(false).contains('\u{1b}'));
        assert!(report().to_text(true).contains("\u{1b}[31m✘\u{1b}[0m"));
        assert!(!report().to_text(true).contains("\u{1b}[2J"));
    }

    #[test]
    fn json_is_for_machines() {
        let json = serde_json::to_value(report()).expect("serializes");
        assert_eq!(json["steps"][0]["name"], "identity");
        assert_eq!(json["steps"][1]["outcome"], "skipped");
        assert_eq!(json["steps"][2]["outcome"], "failed");
        assert!(json["steps"][2]["cause"].is_string());
        assert!(json["steps"][2].get("failures").is_none());
        assert!(json.get("predicate_type").is_none());
        assert_eq!(json["signed_at"][0], "1970-01-01T00:00:00Z");
        assert_eq!(json["parties"]["logs"], 0);
    }

    #[test]
    fn the_first_failure_gives_the_cause_and_the_others_stay_visible() {
        let report = report();
        let step = report.first_failure().expect("one failed");
        assert_eq!(
            step.failures,
            vec![Failure::SignatureMismatch, Failure::NoSct]
        );
        assert_eq!(
            step.cause.as_deref(),
            Some(Failure::SignatureMismatch.to_string().as_str())
        );
        assert!(step.evidence.iter().any(|line| line.starts_with("also: ")));
    }

    #[test]
    fn long_outside_text_is_cut() {
        assert_eq!(
            quoted(&"é".repeat(1000)).chars().count(),
            limits::QUOTED_CHARS + 1
        );
        assert_eq!(quoted("short"), "short");
    }
}
