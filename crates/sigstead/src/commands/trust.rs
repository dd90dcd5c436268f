//! `sigstead trust export`.

use crate::cli::ExportArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, describe};
use crate::trust_files::{self, SIGNING_CONFIG_FILE};
use anyhow::Result;
use formats::trust::SigningConfig;

pub(crate) fn export(args: ExportArgs) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    for path in trust_files::write(&public, oidc_url(&layout).as_deref(), &args.out)? {
        print(&path.display().to_string());
    }
    Ok(Outcome::Success)
}

/// The issuer that `up` published last; none when it served others' issuers.
pub(super) fn oidc_url(layout: &Layout) -> Option<String> {
    let json = std::fs::read(layout.trust().join(SIGNING_CONFIG_FILE)).ok()?;
    let config = SigningConfig::parse(&json).ok()?;
    config.oidc_urls.first().map(|service| service.url.clone())
}

#[allow(clippy::print_stdout)]
fn print(line: &str) {
    println!("{line}");
}
