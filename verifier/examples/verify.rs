//! Verifies a bundle on the command line:
//! `cargo run -p sigstead-verifier --example verify -- trusted_root.json bundle.json artifact identity issuer`.
//!
//! Exit code 0 when verified, 1 when not, 2 when a file cannot be used.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use time::OffsetDateTime;
use verifier::{Artifact, Match, Policy, Report, Signer, TrustMaterial};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let text = match check(&args) {
        Ok(report) if report.verified => return say(&report.to_text(true), ExitCode::SUCCESS),
        Ok(report) => report.to_text(true),
        Err(error) => return say(&format!("{error}\n"), ExitCode::from(2)),
    };
    say(&text, ExitCode::FAILURE)
}

fn check(args: &[String]) -> Result<Report, Box<dyn Error>> {
    let [root, bundle, artifact, identity, issuer] = args else {
        return Err("usage: verify TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER".into());
    };
    let root = formats::trust::TrustedRoot::parse(&std::fs::read(root)?)?;
    let bundle = formats::bundle::Bundle::parse(&std::fs::read(bundle)?)?;
    let artifact = std::fs::read(artifact)?;
    let policy = Policy::new(Signer::Identity {
        identity: Match::Exact(identity.clone()),
        issuer: Match::Exact(issuer.clone()),
    });
    let trust = TrustMaterial::new(&root)?;
    Ok(verifier::verify(
        &bundle,
        &Artifact::Bytes(&artifact),
        &trust,
        &policy,
        OffsetDateTime::now_utc(),
    ))
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::from(2),
    }
}
