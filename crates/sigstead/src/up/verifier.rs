//! The verifier of `up`: trusts the instance itself, and the public one by name.

use crate::instance::{Instance, write_atomically};
use crate::trust_files::{self, TRUSTED_ROOT_FILE, VERIFIER_KEY_FILE};
use anyhow::{Context, Result};
use clock::Clock;
use prometheus::Registry;
use trust::{DEFAULT, Following, Roots};
use verifier_api::{Config, Deps, Policies, Registries, Summarizer, Verifier};

/// Builds it, and what keeps its roots fresh: a rotation writes the trusted root anew.
pub(super) async fn build(
    instance: &Instance,
    clock: &Clock,
    registry: &Registry,
) -> Result<(Verifier, Following)> {
    let layout = &instance.layout;
    // The file is written behind the first answers of every role: until then the verifier knows what will be in it.
    let first = trust_files::trusted_root(&instance.public)?.to_json();
    let roots = Roots::builder()
        .embedded()
        .file_beginning_with(DEFAULT, layout.trust().join(TRUSTED_ROOT_FILE), first)
        .build(clock.clone(), registry)
        .await
        .context("verifier")?;
    let following = roots.follow();
    let policies = match layout.policies() {
        folder if folder.is_dir() => Policies::load(&folder)?,
        _ => Policies::default(),
    };
    let summarizer = Summarizer::new(&instance.public.url, instance.verifier()?)?;
    let key = summarizer.public_key_pem();
    write_atomically(&layout.trust().join(VERIFIER_KEY_FILE), key.as_bytes())?;
    let deps = Deps {
        roots,
        policies,
        clock: clock.clone(),
        registry: registry.clone(),
        summarizer: Some(summarizer),
    };
    let settings = Config {
        registries: Registries::Loopback,
        ..Config::default()
    };
    let verifier = verifier_api::build(settings, deps).context("verifier")?;
    Ok((verifier, following))
}
