//! The witness role: its state, made once, and its service.

use super::config::WitnessConfig;
use crate::cli::Role;
use crate::compose::Part;
use anyhow::{Context, Result, bail};
use clock::Clock;
use keys::{Algorithm, KeyFolder, Purpose};
use note::VerifierKey;
use prometheus::Registry;
use service::health::Check;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use witness::server::{self, Config, Deps, Witness};
use witness::store::{Store, StoreError};

/// Makes key and database where there are none; gives the verifier key. May be called again.
pub(super) async fn init(config: &WitnessConfig) -> Result<VerifierKey> {
    let (key, database) = (config.key.display(), config.database.display());
    let keys = KeyFolder::of_file(&config.key)?;
    let key_is_there = keys.exists(Purpose::Witness);
    // A new memory under an old key would cosign a second history of a log that the old one knew.
    if key_is_there && !config.database.exists() {
        bail!(
            "the key {key} is there, and its database {database} is gone: restore the database. For a new witness, under \
             another name, move the key away"
        );
    }
    create_folder_of(&config.database)?;
    let store = Store::create(&config.database).await?;
    if let (false, Some(owner)) = (key_is_there, store.owner().await?) {
        bail!(
            "the database {database} belongs to {owner}, and the key {key} is gone: restore the key. For a new witness, \
             under another name, move the database away"
        );
    }
    let (signer, _) = keys.load_or_create(Purpose::Witness, Algorithm::Ed25519)?;
    let vkey = server::verifier_key(&config.name, &signer)?;
    store.claim(&vkey.to_string()).await?;
    store.close().await;
    Ok(vkey)
}

/// Builds the service on what [`init`] made; creates nothing.
pub(super) async fn build(
    config: &WitnessConfig,
    file: &Path,
    clock: &Clock,
    registry: &Registry,
) -> Result<Part> {
    let cure = || format!("run: sigstead init witness --config {}", file.display());
    let signer = KeyFolder::of_file(&config.key)?.load(Purpose::Witness);
    let signer = signer.with_context(cure)?;
    let store = match Store::open(&config.database).await {
        Err(error @ StoreError::Missing { .. }) => {
            return Err(error).with_context(|| {
                format!(
                    "restore it from the newest backup; for a new witness {}",
                    cure()
                )
            });
        }
        opened => opened.with_context(cure)?,
    };
    let known = config.logs.len();
    let settings = Config {
        name: config.name.clone(),
        prefix: config.prefix.clone(),
        logs: config.logs.clone(),
    };
    let deps = Deps {
        signer,
        store: store.clone(),
        clock: clock.clone(),
        registry: registry.clone(),
    };
    let witness = server::build(settings, deps).await?;
    let checks = vec![(Role::Witness.name().to_owned(), check(&witness))];
    Ok(Part {
        path: config.prefix.clone(),
        facts: vec![
            ("Verifier key", witness.verifier_key().to_string()),
            ("Logs", known.to_string()),
            ("Database", config.database.display().to_string()),
        ],
        close: Box::pin(async move { store.close().await }),
        ..Part::new(Role::Witness, witness.router(), checks)
    })
}

fn check(witness: &Witness) -> Check {
    let witness = witness.clone();
    Arc::new(move || {
        let witness = witness.clone();
        Box::pin(async move { witness.check().await.map_err(|error| error.to_string()) })
    })
}

fn create_folder_of(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
}
