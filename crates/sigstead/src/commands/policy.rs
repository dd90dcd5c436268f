//! `sigstead policy`, and `sigstead verify --policy`.

use super::input::{MAX_JSON, Subject, load_trusted_root, read_file_or_stdin, read_limited};
use super::roots;
use super::vsa::Facts;
use crate::cli::VerifyArgs;
use crate::cli::policy::{CheckArgs, ImportArgs, PolicyCommand, SuggestArgs};
use crate::exit::{Failure, Outcome};
use anyhow::{Context, Result, bail};
use clock::Clock;
use formats::bundle::Bundle;
use policy::{Candidate, Document, Evaluation, Finding, Severity, SuggestError};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;
use trust::Root;
use verifier::{TrustMaterial, printable};

/// A little more than a policy may have, so that the parser says what is too large.
const MAX_POLICY: u64 = 1 << 20;

pub(crate) fn run(command: PolicyCommand) -> Result<Outcome, Failure> {
    match command {
        PolicyCommand::Suggest(args) => suggest(&args),
        PolicyCommand::Check(args) => check(&args).map_err(Failure::Usage),
        PolicyCommand::Import(args) => import(&args).map_err(Failure::Usage),
        PolicyCommand::Schema => schema().map_err(Failure::Failed),
    }
}

/// Reads a policy; the error lists everything that is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Document> {
    let bytes = read_file_or_stdin(path, MAX_POLICY)?;
    Document::parse(&bytes).with_context(|| format!("{} is not a policy", path.display()))
}

/// An evaluation, and what it is about.
pub(crate) struct Judged {
    pub(crate) evaluation: Evaluation,
    document: Document,
    subject: Subject,
    at: OffsetDateTime,
    /// SHA-256 of each bundle.
    bundles: Vec<[u8; 32]>,
}

/// Evaluates a policy over the bundles that were named.
pub(crate) fn verify(args: &VerifyArgs, file: &Path) -> Result<Judged> {
    let document = load(file)?;
    let roots = roots::load(args, &document)?;
    let subject = Subject::read(&args.artifact)?;
    let mut digests = Vec::new();
    let mut candidates = Vec::new();
    let mut bundles = Vec::new();
    for path in &args.bundle {
        let json = read_limited(path, MAX_JSON)?;
        digests.push(verifier_api::digest(&json));
        bundles.push((path, parse_bundle(path, &json)?));
    }
    for (path, bundle) in &bundles {
        candidates.push(Candidate {
            place: path.display().to_string(),
            bundle,
            artifact: subject.as_artifact(),
        });
    }
    let at = Clock::system().now();
    Ok(Judged {
        evaluation: document.evaluate(&candidates, &materials(&roots), at),
        document,
        subject,
        at,
        bundles: digests,
    })
}

/// Roots as the engine wants them.
pub(crate) fn materials(roots: &[(String, Arc<Root>)]) -> Vec<(&str, &TrustMaterial)> {
    let roots = roots.iter();
    roots
        .map(|(name, root)| (name.as_str(), root.material()))
        .collect()
}

impl Judged {
    pub(crate) fn facts(&self) -> Result<Facts> {
        let sha256 = self.subject.sha256();
        Ok(Facts {
            uri: verifier_api::artifact_uri(&sha256),
            sha256,
            at: self.at,
            policy_name: Some(self.document.name().to_owned()),
            demand: verifier_api::canonical_policy(&self.document)?,
            bundles: self.bundles.clone(),
        })
    }
}

fn parse_bundle(path: &Path, json: &[u8]) -> Result<Bundle> {
    Bundle::parse(json).with_context(|| format!("{} is not a bundle", path.display()))
}

fn load_bundle(path: &Path) -> Result<Bundle> {
    parse_bundle(path, &read_limited(path, MAX_JSON)?)
}

#[allow(clippy::print_stdout)]
pub(crate) fn print(evaluation: &Evaluation, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(evaluation)?);
    } else {
        print!("{}", evaluation.to_text(std::io::stdout().is_terminal()));
    }
    Ok(())
}

#[allow(clippy::print_stdout)]
fn suggest(args: &SuggestArgs) -> Result<Outcome, Failure> {
    let read = || -> Result<_> {
        let root = load_trusted_root(args.trusted_root.as_ref(), &args.data.data_dir)?;
        let trust = TrustMaterial::new(&root).context("trusted root")?;
        let key = args
            .key
            .as_ref()
            .map(|path| {
                String::from_utf8(read_limited(path, MAX_JSON)?)
                    .context("the key file is not PEM text")
            })
            .transpose()?;
        Ok((
            trust,
            key,
            load_bundle(&args.bundle)?,
            Subject::read(&args.artifact)?,
        ))
    };
    let (trust, key, bundle, subject) = read().map_err(Failure::Usage)?;
    let candidate = Candidate {
        place: args.bundle.display().to_string(),
        bundle: &bundle,
        artifact: subject.as_artifact(),
    };
    let root = (args.root_name.as_str(), &trust);
    match policy::suggest(&candidate, root, key.as_deref(), Clock::system().now()) {
        Ok(suggestion) => {
            print!("{}", suggestion.yaml);
            Ok(Outcome::Success)
        }
        Err(error @ SuggestError::NoKey) => {
            Err(Failure::Usage(anyhow::Error::new(error).context("--key")))
        }
        Err(error) => Err(Failure::Failed(error.into())),
    }
}

#[allow(clippy::print_stdout)]
fn check(args: &CheckArgs) -> Result<Outcome> {
    let document = load(&args.file)?;
    let findings = policy::check(&document);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else if findings.is_empty() {
        println!("{}: nothing to object to", printable(document.name()));
    } else {
        findings
            .iter()
            .for_each(|finding| println!("{}", shown(finding)));
    }
    Ok(if findings.is_empty() {
        Outcome::Success
    } else {
        Outcome::NotVerified
    })
}

fn shown(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!(
        "{severity}: {}: {}\n    cure: {}",
        printable(&finding.path),
        printable(&finding.cause),
        printable(&finding.cure)
    )
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn import(args: &ImportArgs) -> Result<Outcome> {
    let bytes = read_file_or_stdin(&args.file, MAX_POLICY)?;
    let (documents, unmapped) = policy::cluster_image_policy::read(&bytes)
        .with_context(|| format!("{} cannot be translated", args.file.display()))?;
    for one in &unmapped {
        let word = if one.left_out { "left out" } else { "note" };
        eprintln!(
            "{word}: {}: {}",
            printable(&one.path),
            printable(&one.reason)
        );
    }
    for (position, document) in documents.iter().enumerate() {
        if position > 0 {
            println!("---");
        }
        println!("# An image is admitted when any one of these policies verifies.");
        println!("{}", serde_json::to_string_pretty(document)?);
    }
    if documents.is_empty() {
        bail!("nothing of it could be translated");
    }
    let whole = unmapped.iter().all(|one| !one.left_out);
    Ok(if whole {
        Outcome::Success
    } else {
        Outcome::NotVerified
    })
}

#[allow(clippy::print_stdout)]
fn schema() -> Result<Outcome> {
    println!("{}", serde_json::to_string_pretty(&policy::json_schema())?);
    Ok(Outcome::Success)
}
