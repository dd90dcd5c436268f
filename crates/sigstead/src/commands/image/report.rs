//! What `verify IMAGE` says, for people and as JSON.

use anyhow::Result;
use oci::{ImageDigest, Kind, Place};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::IsTerminal;

/// What was asked for.
pub(crate) enum Wanted {
    /// A signature of the image.
    Signature,
    /// An attestation of this predicate type.
    Attestation(String),
}

/// One image. The JSON form is stable: members are only added.
#[derive(Debug, Serialize)]
pub(crate) struct ImageReport {
    /// As named on the command line.
    image: String,
    /// What was verified.
    pub(crate) digest: ImageDigest,
    media_type: String,
    /// Of this image and, when they were asked for, of all its children.
    pub(crate) verified: bool,
    /// The verdict in a sentence.
    summary: String,
    signatures: Vec<Checked>,
    /// Where signatures were looked for.
    looked_at: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<ImageReport>,
}

/// One signature or attestation that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) place: Place,
    #[serde(flatten)]
    pub(crate) kind: Kind,
    /// Whether it is what was asked for, and so may decide.
    pub(crate) counts: bool,
    pub(crate) verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) report: Option<verifier::Report>,
    /// Why it could not even be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreadable: Option<String>,
}

impl ImageReport {
    pub(crate) fn new(
        (name, digest, media_type): (&str, ImageDigest, String),
        wanted: &Wanted,
        looked_at: Vec<String>,
        signatures: Vec<Checked>,
        children: Vec<Self>,
    ) -> Self {
        let holds = signatures.iter().any(|one| one.counts && one.verified);
        let summary = summary(wanted, &signatures, &looked_at);
        Self {
            image: name.to_owned(),
            digest,
            media_type,
            verified: holds && children.iter().all(|child| child.verified),
            summary,
            signatures,
            looked_at,
            children,
        }
    }

    #[allow(clippy::print_stdout)]
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", self.to_text(std::io::stdout().is_terminal()));
        }
        Ok(())
    }

    fn to_text(&self, colors: bool) -> String {
        let mut text = String::new();
        self.write(&mut text, colors);
        let verdict = if self.verified {
            "Verified"
        } else {
            "Not verified"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{verdict}: {} ({})", self.image, self.digest);
        text
    }

    fn write(&self, text: &mut String, colors: bool) {
        let _ = writeln!(text, "{}, {}", self.digest, plain(&self.media_type));
        for one in &self.signatures {
            let _ = writeln!(text, "\n{}: {}", one.place, one.title());
            match (&one.report, &one.unreadable) {
                (Some(report), _) => text.push_str(&report.to_text(colors)),
                (None, Some(reason)) => {
                    let _ = writeln!(text, "unreadable: {}", plain(reason));
                }
                (None, None) => {}
            }
        }
        let _ = writeln!(text, "\n{}\n", self.summary);
        for child in &self.children {
            child.write(text, colors);
        }
    }
}

impl Checked {
    fn title(&self) -> String {
        let beside = if self.counts { "" } else { " (does not count)" };
        match &self.kind {
            Kind::Signature => format!("signature{beside}"),
            Kind::Attestation { predicate_type } if predicate_type.is_empty() => {
                format!("envelope without statement{beside}")
            }
            Kind::Attestation { predicate_type } => {
                format!("attestation {}{beside}", plain(predicate_type))
            }
            Kind::Unreadable => "cannot be read".to_owned(),
        }
    }
}

/// The verdict on one image, with what to do when there is nothing to decide on.
fn summary(wanted: &Wanted, signatures: &[Checked], looked_at: &[String]) -> String {
    let counted = signatures.iter().filter(|one| one.counts).count();
    let good = signatures
        .iter()
        .filter(|one| one.counts && one.verified)
        .count();
    let noun = match wanted {
        Wanted::Signature => "signatures".to_owned(),
        Wanted::Attestation(predicate_type) => format!("attestations of {predicate_type}"),
    };
    if counted > 0 {
        return format!("{good} of {counted} {noun} hold");
    }
    let places = looked_at.join(", ");
    if signatures.is_empty() {
        return format!("no {noun} found; looked at: {places}");
    }
    let mut others: Vec<_> = signatures
        .iter()
        .map(|one| match &one.kind {
            Kind::Signature => "a signature (leave --type out)".to_owned(),
            Kind::Attestation { predicate_type } => {
                format!("an attestation (--type {})", plain(predicate_type))
            }
            Kind::Unreadable => "one that cannot be read".to_owned(),
        })
        .collect();
    others.sort();
    others.dedup();
    format!(
        "no {noun} found, but: {}; looked at: {places}",
        others.join(", ")
    )
}

/// Text from outside, without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[allow(clippy::print_stderr)]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: ImageDigest = ImageDigest([1; 32]);

    fn checked(kind: Kind, counts: bool, verified: bool) -> Checked {
        Checked {
            place: Place::Referrer {
                digest: Some(DIGEST),
            },
            kind,
            counts,
            verified,
            report: None,
            unreadable: None,
        }
    }

    fn report(signatures: Vec<Checked>, children: Vec<ImageReport>) -> ImageReport {
        let name = ("r.example/a", DIGEST, "m".to_owned());
        let looked = vec!["tag x".to_owned()];
        ImageReport::new(name, &Wanted::Signature, looked, signatures, children)
    }

    #[test]
    fn one_signature_that_holds_is_enough() {
        let bad = checked(Kind::Signature, true, false);
        let good = checked(Kind::Signature, true, true);
        let one = report(vec![bad, good], vec![]);
        assert!(one.verified);
        assert_eq!(one.summary, "1 of 2 signatures hold");
    }

    #[test]
    fn what_does_not_count_does_not_decide() {
        let kind = Kind::Attestation {
            predicate_type: "p".into(),
        };
        let one = report(vec![checked(kind, false, true)], vec![]);
        assert!(!one.verified);
        assert_eq!(
            one.summary,
            "no signatures found, but: an attestation (--type p); looked at: tag x"
        );
        assert!(report(vec![], vec![]).summary.contains("looked at: tag x"));
    }

    #[test]
    fn each_child_must_hold() {
        let good = || vec![checked(Kind::Signature, true, true)];
        assert!(report(good(), vec![report(good(), vec![])]).verified);
        assert!(!report(good(), vec![report(vec![], vec![])]).verified);
    }

    #[test]
    fn the_json_form_is_stable() {
        let json = serde_json::to_value(report(vec![checked(Kind::Signature, true, true)], vec![]))
            .unwrap();
        assert_eq!(json["digest"], DIGEST.to_string());
        assert_eq!(json["verified"], true);
        assert_eq!(json["signatures"][0]["type"], "signature");
        assert_eq!(json["signatures"][0]["place"]["kind"], "referrer");
        assert_eq!(json["signatures"][0]["counts"], true);
        assert_eq!(json["looked_at"][0], "tag x");
    }
}
