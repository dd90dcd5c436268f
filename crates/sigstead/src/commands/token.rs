//! `sigstead token`: an identity token from the development issuer.
//!
//! The token is made here, with the issuer's key from the data folder: who can read that file may be
//! anybody on this instance, and nobody can get a token over the network.

use super::input::{MAX_JSON, read_file_or_stdin};
use crate::cli::TokenArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, describe};
use anyhow::{Context, Result};
use clock::Clock;
use keys::{KeyFolder, Purpose};
use oidc::dev::DevIssuer;

pub(crate) fn run(args: TokenArgs) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let signer = KeyFolder::open(layout.keys())
        .and_then(|folder| folder.load(Purpose::DevIssuer))
        .context("development issuer")?;
    let url = description.urls.fulcio.as_ref().unwrap_or(&description.url);
    let issuer = DevIssuer::new(url, signer, Clock::system());
    let token = match (args.who.email, args.who.claims) {
        (Some(email), _) => block_on(issuer.email_token(&email))?,
        (None, Some(path)) => {
            let json = read_file_or_stdin(&path, MAX_JSON).map_err(Failure::Usage)?;
            let claims = serde_json::from_slice(&json)
                .with_context(|| format!("{}: not a JSON object of claims", path.display()))
                .map_err(Failure::Usage)?;
            block_on(issuer.token(claims))?
        }
        (None, None) => {
            return Err(Failure::Usage(anyhow::anyhow!(
                "say who: --email or --claims"
            )));
        }
    }
    .context("no token")?;
    print(&token);
    Ok(Outcome::Success)
}

#[allow(clippy::print_stdout)]
fn print(token: &str) {
    println!("{token}");
}

/// Runs one future on a runtime of this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(future))
}
