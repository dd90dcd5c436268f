//! The verifier role: its key, made once, and its service, by itself or with the instance that it trusts.

use super::config::{Config, VerifierConfig};
use crate::compose::{Part, verifier};
use crate::instance::Instance;
use anyhow::{Context, Result, bail};
use clock::Clock;
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use prometheus::Registry;
use verifier_api::{Registries, Summarizer};

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
    config: &Config,
    instance: Option<&Instance>,
    clock: &Clock,
    registry: &Registry,
) -> Result<Part> {
    let section = config.verifier.as_ref();
    let signer = signer(config, instance)?;
    let by = signer.as_ref().map(|(id, _)| id.clone());
    let summarizer = match signer {
        Some((id, signer)) => Some(Summarizer::new(&id, signer)?),
        None => None,
    };
    let registries = section.map(|section| section.registries.clone());
    let settings = verifier::Settings {
        roots: section
            .map(|section| section.roots.clone())
            .unwrap_or_default(),
        policies: section.and_then(|section| section.policies.clone()),
        registries: Registries::Only(registries.unwrap_or_default()),
        max_artifact: section.and_then(|section| section.max_artifact),
        summarizer,
    };
    let mut part = verifier::build(settings, instance, clock, registry).await?;
    part.facts.extend(by.map(|id| ("Summaries by", id)));
    Ok(part)
}

/// Who signs summaries: the configured key, or the instance's where it is here.
fn signer(config: &Config, instance: Option<&Instance>) -> Result<Option<(String, Signer)>> {
    let summaries = config
        .verifier
        .as_ref()
        .and_then(|section| section.summaries.as_ref());
    if let Some(summaries) = summaries {
        let signer = KeyFolder::of_file(&summaries.key)?.load(Purpose::Verifier);
        let signer = signer.with_context(|| {
            format!(
                "run: sigstead init verifier --config {}",
                config.path.display()
            )
        })?;
        return Ok(Some((summaries.id.clone(), signer)));
    }
    let Some(instance) = instance else {
        return Ok(None);
    };
    let folder = KeyFolder::open(instance.layout.keys())?;
    match folder.exists(Purpose::Verifier) {
        true => {
            let signer = folder.load(Purpose::Verifier)?;
            Ok(Some((instance.public.url.clone(), signer)))
        }
        false => Ok(None),
    }
}
