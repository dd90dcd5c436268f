//! The verifier role: its key, made once, and its service.

use super::config::{RootConfig, RootSource, VerifierConfig};
use super::service::Service;
use crate::commands::input::read_limited;
use anyhow::{Context, Result, bail};
use clock::Clock;
use keys::{Algorithm, KeyFolder, Purpose};
use prometheus::Registry;
use service::health::Check;
use std::path::Path;
use std::sync::Arc;
use trust::{Roots, SIGSTORE, Tuf};
use verifier_api::{Config, Deps, Policies, Registries, Summarizer, Verifier};

/// A root.json of TUF; the public instance's has 6 KiB.
const MAX_ANCHOR: u64 = 1 << 20;

/// Makes the key for verification summaries where there is none; gives its public half, PEM. May be called again.
pub(super) fn init(config: &VerifierConfig) -> Result<String> {
    let Some(summaries) = &config.summaries else {
        bail!(
            "the verifier has nothing to create: with key = \"PATH\" and id = \"URI\" in its section it signs verification \
             summaries, and init makes the key"
        );
    };
    let keys = KeyFolder::of_file(&summaries.key)?;
    // P-256: the key type that every client takes.
    let (signer, _) = keys.load_or_create(Purpose::Verifier, Algorithm::EcdsaP256)?;
    Ok(signer.public_key().to_pem())
}

/// Builds the service; creates nothing.
pub(super) async fn build(
    config: VerifierConfig,
    file: &Path,
    clock: &Clock,
    registry: &Registry,
) -> Result<Service> {
    let policies = match &config.policies {
        Some(folder) => Policies::load(folder).context("verifier.policies")?,
        None => Policies::default(),
    };
    let summarizer = summarizer(&config, file)?;
    let roots = roots(&config, clock, registry).await?;
    let following = roots.follow();
    let mut facts = vec![
        (
            "Trusted roots",
            roots.names().collect::<Vec<_>>().join(", "),
        ),
        ("Policies", policies.len().to_string()),
    ];
    if let Some(summaries) = &config.summaries {
        facts.push(("Summaries by", summaries.id.clone()));
    }
    let deps = Deps {
        roots,
        policies,
        clock: clock.clone(),
        registry: registry.clone(),
        summarizer,
    };
    let default = Config::default();
    let settings = Config {
        registries: Registries::Only(config.registries),
        max_artifact: config.max_artifact.unwrap_or(default.max_artifact),
        ..default
    };
    let verifier = verifier_api::build(settings, deps)?;
    Ok(Service {
        role: "verifier",
        listen: config.listen,
        path: String::new(),
        facts,
        router: verifier.router(),
        check: check(&verifier),
        close: Box::pin(async move { drop(following) }),
    })
}

fn summarizer(config: &VerifierConfig, file: &Path) -> Result<Option<Summarizer>> {
    let Some(summaries) = &config.summaries else {
        return Ok(None);
    };
    let signer = KeyFolder::of_file(&summaries.key)?.load(Purpose::Verifier);
    let signer = signer
        .with_context(|| format!("run: sigstead init verifier --config {}", file.display()))?;
    Ok(Some(Summarizer::new(&summaries.id, signer)?))
}

/// The configured roots, and the public instance's embedded one unless its name is taken.
async fn roots(config: &VerifierConfig, clock: &Clock, registry: &Registry) -> Result<Roots> {
    let mut builder = Roots::builder();
    for root in &config.roots {
        builder = match (&root.source, repository(root)?) {
            (RootSource::File(path), _) => builder.file(&root.name, path),
            (RootSource::Tuf { refresh, .. }, Some(tuf)) => {
                let tuf = match refresh {
                    Some(interval) => tuf.refreshed(*interval).with_context(|| place(root))?,
                    None => tuf,
                };
                builder.tuf(&root.name, tuf)
            }
            (RootSource::Tuf { .. }, None) => builder,
        };
    }
    if !builder.has(SIGSTORE) {
        builder = builder.embedded();
    }
    Ok(builder.build(clock.clone(), registry).await?)
}

/// The TUF repository that a root comes from, never refreshed by itself; none for one from a file.
pub(crate) fn repository(root: &RootConfig) -> Result<Option<Tuf>> {
    let RootSource::Tuf {
        url,
        anchor,
        folder,
        ..
    } = &root.source
    else {
        return Ok(None);
    };
    let anchor = read_limited(anchor, MAX_ANCHOR).with_context(|| place(root))?;
    let tuf = Tuf::new(url, anchor, folder).with_context(|| place(root))?;
    Ok(Some(tuf))
}

fn place(root: &RootConfig) -> String {
    format!("trusted root {}", root.name)
}

fn check(verifier: &Verifier) -> Check {
    let verifier = verifier.clone();
    Arc::new(move || {
        let checked = verifier.check();
        Box::pin(async move { checked })
    })
}
