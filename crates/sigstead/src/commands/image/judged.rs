//! `sigstead verify IMAGE --policy F`: everything that was found about the image, judged together.

use super::verify::{find, uri};
use crate::cli::VerifyArgs;
use crate::commands::policy::{load, materials};
use crate::commands::roots;
use crate::commands::verify::outcome;
use crate::commands::vsa::{self, Facts, Summaries};
use crate::exit::{Failure, Outcome};
use anyhow::Result;
use clock::Clock;
use oci::{Found, ImageDigest};
use policy::{Candidate, Document, Evaluation};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;
use time::OffsetDateTime;
use verifier::{TrustMaterial, printable};

pub(super) fn verify(
    args: &VerifyArgs,
    file: &Path,
    summaries: Option<&Summaries>,
) -> Result<Outcome, Failure> {
    let (judged, facts) = judge(args, file).map_err(Failure::Usage)?;
    vsa::write_if(judged.verified, summaries, || Ok(facts))?;
    judged.print(args.json).map_err(Failure::Failed)?;
    Ok(outcome(judged.verified))
}

fn judge(args: &VerifyArgs, file: &Path) -> Result<(Judged, Facts)> {
    let document = load(file)?;
    let roots = roots::load(args, &document)?;
    let found = find(args)?;
    let at = Clock::system().now();
    let facts = Facts {
        uri: uri(args, found.digest)?,
        sha256: found.digest.0,
        at,
        policy_name: Some(document.name().to_owned()),
        demand: verifier_api::canonical_policy(&document)?,
        bundles: verifier_api::image_bundles(&found),
    };
    let judging = Judging {
        name: &args.artifact,
        document: &document,
        roots: &materials(&roots),
        at,
    };
    Ok((Judged::new(&judging, found), facts))
}

/// What images are judged by.
struct Judging<'a> {
    name: &'a str,
    document: &'a Document,
    roots: &'a [(&'a str, &'a TrustMaterial)],
    /// Now.
    at: OffsetDateTime,
}

/// One image under a policy. The JSON form is stable: members are only added.
#[derive(Debug, Serialize)]
struct Judged {
    /// As named on the command line.
    image: String,
    /// What was verified.
    digest: ImageDigest,
    media_type: String,
    /// Of this image and, when they were asked for, of all its children.
    verified: bool,
    evaluation: Evaluation,
    /// What was found and could not be read: where, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
    /// Where signatures were looked for.
    looked_at: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Judged>,
}

impl Judged {
    fn new(judging: &Judging<'_>, found: Found) -> Self {
        let mut unreadable = Vec::new();
        let mut candidates = Vec::new();
        for one in &found.signatures {
            match &one.bundle {
                Ok(bundle) => candidates.push(Candidate {
                    place: one.place.to_string(),
                    bundle,
                    artifact: one.artifact.as_artifact(),
                }),
                Err(reason) => unreadable.push(format!("{}: {reason}", one.place)),
            }
        }
        let document = judging.document;
        let evaluation = document.evaluate(&candidates, judging.roots, judging.at);
        let children = found.children.into_iter();
        let children: Vec<Self> = children.map(|child| Self::new(judging, child)).collect();
        Self {
            image: judging.name.to_owned(),
            digest: found.digest,
            media_type: found.media_type,
            verified: evaluation.verified && children.iter().all(|child| child.verified),
            evaluation,
            unreadable,
            looked_at: found.looked,
            children,
        }
    }

    #[allow(clippy::print_stdout)]
    fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            let mut text = String::new();
            self.write(&mut text, std::io::stdout().is_terminal());
            print!("{text}");
        }
        Ok(())
    }

    /// Writing to a String cannot fail.
    fn write(&self, text: &mut String, colors: bool) {
        let _ = writeln!(text, "{}, {}", self.digest, printable(&self.media_type));
        text.push_str(&self.evaluation.to_text(colors));
        for reason in &self.unreadable {
            let _ = writeln!(text, "unreadable: {}", printable(reason));
        }
        if self.evaluation.candidates.is_empty() {
            let places = self.looked_at.join(", ");
            let _ = writeln!(text, "nothing was found; looked at {}", printable(&places));
        }
        for child in &self.children {
            text.push('\n');
            child.write(text, colors);
        }
    }
}
