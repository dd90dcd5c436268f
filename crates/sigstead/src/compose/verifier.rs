//! The verifier: of `up`, of an instance that `serve` runs, and by itself.

use super::Part;
use crate::cli::Role;
use crate::commands::input::read_limited;
use crate::instance::{Instance, write_atomically};
use crate::serve::config::{RootConfig, RootSource};
use crate::trust_files::{self, TRUSTED_ROOT_FILE, VERIFIER_KEY_FILE};
use anyhow::{Context, Result};
use clock::Clock;
use prometheus::Registry;
use service::health::Check;
use std::path::PathBuf;
use std::sync::Arc;
use trust::{DEFAULT, Roots, SIGSTORE, Tuf};
use verifier_api::{Config, Deps, Policies, Registries, Summarizer, Verifier};

/// A root.json of TUF; the public instance's has 6 KiB.
const MAX_ANCHOR: u64 = 1 << 20;

/// What it is to know.
pub(crate) struct Settings {
    pub(crate) roots: Vec<RootConfig>,
    /// Folder of policies.
    pub(crate) policies: Option<PathBuf>,
    pub(crate) registries: Registries,
    /// Bytes of an uploaded artifact.
    pub(crate) max_artifact: Option<u64>,
    /// Signs verification summaries.
    pub(crate) summarizer: Option<Summarizer>,
}

impl Settings {
    /// Those of `up`: the instance itself, and what its operator puts into its folder.
    pub(crate) fn of_up(instance: &Instance) -> Result<Self> {
        let policies = instance.layout.policies();
        Ok(Self {
            roots: Vec::new(),
            policies: policies.is_dir().then_some(policies),
            registries: Registries::Loopback,
            max_artifact: None,
            summarizer: Some(Summarizer::new(&instance.public.url, instance.verifier()?)?),
        })
    }
}

/// Builds it, and what keeps its roots fresh. An instance is its default root unless another one is configured; the
/// public instance is there by name.
pub(crate) async fn build(
    settings: Settings,
    instance: Option<&Instance>,
    clock: &Clock,
    registry: &Registry,
) -> Result<Part> {
    let roots = roots(&settings.roots, instance, clock, registry).await?;
    let following = roots.follow();
    let policies = match &settings.policies {
        Some(folder) => Policies::load(folder).context("verifier.policies")?,
        None => Policies::default(),
    };
    if let (Some(instance), Some(summarizer)) = (instance, &settings.summarizer) {
        let path = instance.layout.trust().join(VERIFIER_KEY_FILE);
        write_atomically(&path, summarizer.public_key_pem().as_bytes())?;
    }
    let facts = vec![
        (
            "Trusted roots",
            roots.names().collect::<Vec<_>>().join(", "),
        ),
        ("Policies", policies.len().to_string()),
    ];
    let deps = Deps {
        roots,
        policies,
        clock: clock.clone(),
        registry: registry.clone(),
        summarizer: settings.summarizer,
    };
    let default = Config::default();
    let config = Config {
        registries: settings.registries,
        max_artifact: settings.max_artifact.unwrap_or(default.max_artifact),
        ..default
    };
    let verifier = verifier_api::build(config, deps).context("verifier")?;
    let checks = vec![("verifier".to_owned(), check(&verifier))];
    Ok(Part {
        facts,
        close: Box::pin(async move { drop(following) }),
        ..Part::new(Role::Verifier, verifier.router(), checks)
    })
}

async fn roots(
    configured: &[RootConfig],
    instance: Option<&Instance>,
    clock: &Clock,
    registry: &Registry,
) -> Result<Roots> {
    let mut builder = Roots::builder();
    for root in configured {
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
    if let Some(instance) = instance.filter(|_| !builder.has(DEFAULT)) {
        // The file is written behind the first answers of every role: until then the verifier knows what will be in it.
        let first = trust_files::trusted_root(&instance.public)?.to_json();
        let file = instance.layout.trust().join(TRUSTED_ROOT_FILE);
        builder = builder.file_beginning_with(DEFAULT, file, first);
    }
    if !builder.has(SIGSTORE) {
        builder = builder.embedded();
    }
    builder
        .build(clock.clone(), registry)
        .await
        .context("verifier")
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
