//! `sigstead verify`: offline, with a report of every step. A bundle here, images in [`super::image`].

use super::input::{MAX_JSON, Subject, load_trusted_root, read_limited};
use super::vsa::{self, Facts, Summaries};
use crate::cli::VerifyArgs;
use crate::exit::{Failure, Outcome};
use anyhow::{Context, Result, bail};
use clock::Clock;
use formats::bundle::Bundle;
use std::io::IsTerminal;
use std::path::Path;
use time::OffsetDateTime;
use verifier::{Match, Policy, Report, Signer, TrustMaterial};
use verifier_api::{IdentityDemand, canonical, demand_value};

pub(crate) fn run(args: VerifyArgs) -> Result<Outcome, Failure> {
    let summaries = Summaries::prepare(&args.vsa).map_err(Failure::Usage)?;
    if args.bundle.is_empty() {
        return super::image::verify::verify(&args, summaries.as_ref());
    }
    if let Some(file) = &args.policy.policy {
        let judged = super::policy::verify(&args, file).map_err(Failure::Usage)?;
        let verified = judged.evaluation.verified;
        vsa::write_if(verified, summaries.as_ref(), || judged.facts())?;
        super::policy::print(&judged.evaluation, args.json).map_err(Failure::Failed)?;
        return Ok(outcome(verified));
    }
    let checked = check(&args).map_err(Failure::Usage)?;
    let verified = checked.report.verified;
    vsa::write_if(verified, summaries.as_ref(), || checked.facts(&args))?;
    print(&checked.report, args.json).map_err(Failure::Failed)?;
    Ok(outcome(verified))
}

/// The exit code of a verdict.
pub(crate) fn outcome(verified: bool) -> Outcome {
    if verified {
        Outcome::Success
    } else {
        Outcome::NotVerified
    }
}

/// A report, and what it is about.
struct Checked {
    report: Report,
    subject: Subject,
    at: OffsetDateTime,
    /// SHA-256 of the bundle.
    bundle: [u8; 32],
}

fn check(args: &VerifyArgs) -> Result<Checked> {
    let policy = policy(args)?;
    let root = load_trusted_root(args.trusted_root.as_ref(), &args.data.data_dir)?;
    let trust = TrustMaterial::new(&root).context("trusted root")?;
    let [path] = args.bundle.as_slice() else {
        bail!(
            "several bundles are judged together by a policy: add --policy, or give one --bundle"
        );
    };
    let json = read_limited(path, MAX_JSON)?;
    let bundle =
        Bundle::parse(&json).with_context(|| format!("{} is not a bundle", path.display()))?;
    let subject = Subject::read(&args.artifact)?;
    let at = Clock::system().now();
    Ok(Checked {
        report: verifier::verify(&bundle, &subject.as_artifact(), &trust, &policy, at),
        subject,
        at,
        bundle: verifier_api::digest(&json),
    })
}

impl Checked {
    fn facts(&self, args: &VerifyArgs) -> Result<Facts> {
        let sha256 = self.subject.sha256();
        Ok(Facts {
            uri: verifier_api::artifact_uri(&sha256),
            sha256,
            at: self.at,
            policy_name: None,
            demand: demand(args)?,
            bundles: vec![self.bundle],
        })
    }
}

/// What the arguments ask for, as summaries name it: the same bytes as for a request to the verifier's API.
pub(crate) fn demand(args: &VerifyArgs) -> Result<Vec<u8>> {
    let key = args.key.as_ref().map(|path| read_text(path)).transpose()?;
    let identity = IdentityDemand {
        certificate_identity: args.identity.certificate_identity.clone(),
        certificate_identity_glob: None,
        certificate_identity_regexp: args.identity.certificate_identity_regexp.clone(),
        certificate_oidc_issuer: args.issuer.certificate_oidc_issuer.clone(),
        certificate_oidc_issuer_regexp: args.issuer.certificate_oidc_issuer_regexp.clone(),
    };
    let mut demand = match &key {
        Some(pem) => demand_value(None, Some(pem)),
        None => demand_value(Some(&identity), None),
    };
    // The API has no such demand.
    if let (Some(path), Some(members)) = (&args.witness_policy, demand.as_object_mut()) {
        members.insert("witnessPolicy".to_owned(), read_text(path)?.into());
    }
    Ok(canonical(demand, args.image.predicate_type.as_deref()))
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_limited(path, MAX_JSON)?)
        .with_context(|| format!("{} is not text", path.display()))
}

/// What the arguments ask for.
pub(crate) fn policy(args: &VerifyArgs) -> Result<Policy> {
    let mut policy = Policy::new(signer(args)?);
    if let Some(path) = &args.witness_policy {
        let text = read_limited(path, MAX_JSON)?;
        let witnesses = note::policy::Policy::parse(&text);
        policy.witnesses = Some(witnesses.with_context(|| path.display().to_string())?);
    }
    Ok(policy)
}

fn signer(args: &VerifyArgs) -> Result<Signer> {
    if let Some(path) = &args.key {
        return Ok(Signer::Key(read_text(path).context("--key")?));
    }
    let identity = one_of(
        &args.identity.certificate_identity,
        &args.identity.certificate_identity_regexp,
    );
    let issuer = one_of(
        &args.issuer.certificate_oidc_issuer,
        &args.issuer.certificate_oidc_issuer_regexp,
    );
    match (identity, issuer) {
        (Some(identity), Some(issuer)) => Ok(Signer::Identity { identity, issuer }),
        _ => bail!(
            "say who must have signed: --certificate-identity and --certificate-oidc-issuer \
             (or their -regexp forms), or --key"
        ),
    }
}

fn one_of(exact: &Option<String>, regexp: &Option<String>) -> Option<Match> {
    let exact = exact.clone().map(Match::Exact);
    exact.or_else(|| regexp.clone().map(Match::Regexp))
}

#[allow(clippy::print_stdout)]
fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{}", report.to_text(std::io::stdout().is_terminal()));
    }
    Ok(())
}
