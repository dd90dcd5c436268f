//! `sigstead verify`: offline, with a report of every step. A bundle here, images in [`super::image`].

use super::input::{MAX_JSON, Subject, load_trusted_root, read_limited};
use crate::cli::VerifyArgs;
use crate::exit::{Failure, Outcome};
use anyhow::{Context, Result, bail};
use clock::Clock;
use formats::bundle::Bundle;
use std::io::IsTerminal;
use verifier::{Match, Policy, Report, Signer, TrustMaterial};

pub(crate) fn run(args: VerifyArgs) -> Result<Outcome, Failure> {
    if args.bundle.is_empty() {
        return super::image::verify::verify(&args);
    }
    if let Some(file) = &args.policy.policy {
        let evaluation = super::policy::verify(&args, file).map_err(Failure::Usage)?;
        super::policy::print(&evaluation, args.json).map_err(Failure::Failed)?;
        return Ok(outcome(evaluation.verified));
    }
    let report = report(&args).map_err(Failure::Usage)?;
    print(&report, args.json).map_err(Failure::Failed)?;
    Ok(outcome(report.verified))
}

/// The exit code of a verdict.
pub(crate) fn outcome(verified: bool) -> Outcome {
    if verified {
        Outcome::Success
    } else {
        Outcome::NotVerified
    }
}

fn report(args: &VerifyArgs) -> Result<Report> {
    let policy = policy(args)?;
    let root = load_trusted_root(args.trusted_root.as_ref(), &args.data.data_dir)?;
    let trust = TrustMaterial::new(&root).context("trusted root")?;
    let [path] = args.bundle.as_slice() else {
        bail!(
            "several bundles are judged together by a policy: add --policy, or give one --bundle"
        );
    };
    let bundle = Bundle::parse(&read_limited(path, MAX_JSON)?)
        .with_context(|| format!("{} is not a bundle", path.display()))?;
    let subject = Subject::read(&args.artifact)?;
    Ok(verifier::verify(
        &bundle,
        &subject.as_artifact(),
        &trust,
        &policy,
        Clock::system().now(),
    ))
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
        let pem = read_limited(path, MAX_JSON)?;
        return Ok(Signer::Key(
            String::from_utf8(pem).context("the key file is not PEM text")?,
        ));
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
