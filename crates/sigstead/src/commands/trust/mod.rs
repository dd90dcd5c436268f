//! `sigstead trust`: the trust files of this instance, and the trusted roots that verifiers know.

mod list;
mod update;

use crate::cli::ConfigArgs;
use crate::cli::trust::{ExportArgs, TrustCommand};
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, describe};
use crate::serve::config::{Config, RootConfig};
use crate::trust_files::{self, SIGNING_CONFIG_FILE};
use anyhow::{Context, Result};
use formats::trust::SigningConfig;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) fn run(command: TrustCommand) -> Result<Outcome, Failure> {
    match command {
        TrustCommand::Export(args) => export(&args),
        TrustCommand::List(args) => list::run(&args),
        TrustCommand::Update(args) => update::run(&args),
    }
}

fn export(args: &ExportArgs) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    for path in trust_files::write(&public, oidc_url(&layout).as_deref(), &args.out)? {
        print(&path.display().to_string());
    }
    Ok(Outcome::Success)
}

/// The roots that a verifier's configuration names.
fn configured(path: &Path) -> Result<Vec<RootConfig>> {
    let args = ConfigArgs {
        config: path.to_owned(),
        set: Vec::new(),
    };
    let verifier = Config::load(&args)?.verifier.with_context(|| {
        format!(
            "{} has no section [verifier]: the roots are in it, as [[verifier.roots]]",
            path.display()
        )
    })?;
    Ok(verifier.roots)
}

fn rfc3339(time: OffsetDateTime) -> String {
    let seconds = time.replace_nanosecond(0).unwrap_or(time);
    // Years that RFC 3339 cannot write do not come out of certificates and trust files.
    seconds.format(&Rfc3339).unwrap_or_default()
}

/// The issuer that `up` published last; none when it served others' issuers.
pub(crate) fn oidc_url(layout: &Layout) -> Option<String> {
    let json = std::fs::read(layout.trust().join(SIGNING_CONFIG_FILE)).ok()?;
    let config = SigningConfig::parse(&json).ok()?;
    config.oidc_urls.first().map(|service| service.url.clone())
}

#[allow(clippy::print_stdout)]
fn print(line: &str) {
    println!("{line}");
}
