//! `sigstead trust update`: the one command of a verifier that asks a TUF repository.

use super::{configured, print, rfc3339};
use crate::cli::trust::UpdateArgs;
use crate::commands::token::block_on;
use crate::compose::verifier::repository;
use crate::exit::{Failure, Outcome};
use anyhow::{Result, bail};
use clock::Clock;
use serde::Serialize;
use trust::Tuf;
use verifier::printable;

pub(super) fn run(args: &UpdateArgs) -> Result<Outcome, Failure> {
    let repositories = repositories(args).map_err(Failure::Usage)?;
    let mut fetched = Vec::new();
    for (name, tuf) in &repositories {
        let one = fetch(name, tuf)?;
        if !args.json {
            print(&one.to_text());
        }
        fetched.push(one);
    }
    if args.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({"trustedRoots": fetched}));
        print(&text.map_err(|error| Failure::Failed(error.into()))?);
    }
    Ok(match fetched.iter().all(|one| one.problem.is_none()) {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

/// The repositories that are meant, and none that cannot be: nothing is asked before all of them are known.
fn repositories(args: &UpdateArgs) -> Result<Vec<(String, Tuf)>> {
    let roots = configured(&args.config)?;
    let mut found = Vec::new();
    for root in &roots {
        if let Some(tuf) = repository(root)? {
            found.push((root.name.clone(), tuf));
        }
    }
    let file = args.config.display();
    if found.is_empty() {
        bail!(
            "no trusted root of {file} comes from TUF: give one a tuf, root and folder in [[verifier.roots]]"
        );
    }
    for name in &args.names {
        if !found.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = found.iter().map(|(known, _)| known.as_str()).collect();
            bail!(
                "{file} has no trusted root {name} that comes from TUF; those that do: {}",
                known.join(", ")
            );
        }
    }
    found.retain(|(name, _)| args.names.is_empty() || args.names.contains(name));
    Ok(found)
}

/// What became of one root. The JSON form is stable: members are only added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    name: String,
    /// Why there is nothing new; what was fetched before stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// `sha256:` and the digest of its JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Whether it is another one than before.
    changed: bool,
    /// When the repository's timestamp ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

fn fetch(name: &str, tuf: &Tuf) -> Result<Fetched> {
    let name = name.to_owned();
    Ok(match block_on(tuf.update(Clock::system().now()))? {
        Ok(updated) => Fetched {
            name,
            problem: None,
            digest: Some(format!("sha256:{}", hex::encode(updated.root.digest()))),
            changed: updated.is_new,
            expires: Some(rfc3339(updated.expires)),
        },
        Err(error) => Fetched {
            name,
            problem: Some(error.to_string()),
            digest: None,
            changed: false,
            expires: None,
        },
    })
}

impl Fetched {
    fn to_text(&self) -> String {
        let name = &self.name;
        match (&self.problem, &self.digest, &self.expires) {
            (Some(problem), _, _) => format!(
                "{name}: not fetched, what was there before stays: {}",
                printable(problem)
            ),
            (None, Some(digest), Some(expires)) => {
                let changed = if self.changed { "new" } else { "unchanged" };
                format!("{name}: {changed}, {digest}, good until {expires}")
            }
            _ => format!("{name}: unchanged"),
        }
    }
}
