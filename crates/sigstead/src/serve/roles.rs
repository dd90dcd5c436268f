//! The roles of a process, on state that is there.

use super::config::{Config, InstanceConfig};
use super::{verifier, witness};
use crate::cli::Role;
use crate::compose::{self, Part, Services, Settings};
use crate::database::Database;
use crate::instance::{Instance, Layout};
use ::service::health::{self, Readiness};
use anyhow::{Context, Result, bail};
use axum::Router;
use clock::Clock;
use prometheus::Registry;
use tokio::task::JoinHandle;

/// What a process serves.
pub(super) struct Running {
    parts: Vec<Part>,
    instance: Option<(Instance, Services)>,
}

impl Running {
    /// Builds the roles; creates nothing.
    pub(super) async fn build(
        config: &Config,
        roles: &[Role],
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Self> {
        let of_instance = |role: &&Role| Role::OF_INSTANCE.contains(role);
        let mine: Vec<Role> = roles.iter().filter(of_instance).copied().collect();
        let mut running = Self {
            parts: Vec::new(),
            instance: None,
        };
        let has_verifier = roles.contains(&Role::Verifier);
        if let Some(settings) = &config.instance
            && (!mine.is_empty() || has_verifier)
        {
            let instance = open(config, settings, &mine)?;
            let settings = services(settings, mine)?;
            let mut services = Services::build(&instance, settings, clock, registry).await?;
            running.parts.append(&mut services.parts);
            running.instance = Some((instance, services));
        }
        if has_verifier {
            let instance = running.instance.as_ref().map(|(instance, _)| instance);
            let part = verifier::build(config, instance, clock, registry).await?;
            running.parts.push(part);
        }
        if let Some(witness) = config
            .witness
            .as_ref()
            .filter(|_| roles.contains(&Role::Witness))
        {
            let part = witness::build(witness, &config.path, clock, registry).await?;
            running.parts.push(part);
        }
        Ok(running)
    }

    /// Asks every role once, ends interrupted rotations, and starts what runs beside the requests.
    pub(super) async fn start(&self) -> Result<Vec<JoinHandle<()>>> {
        let Some((_, services)) = &self.instance else {
            return Ok(Vec::new());
        };
        let seen = services.settle().await?;
        let failures = self.readiness().failures().await;
        let reasons: Vec<String> = failures
            .into_iter()
            .map(|(role, reason)| format!("{role}: {reason}"))
            .collect();
        if !reasons.is_empty() {
            bail!("not ready: {}", reasons.join("; "));
        }
        let watching = services.watch(seen);
        let signing = services.keep_tuf_fresh();
        Ok([watching].into_iter().chain(signing).collect())
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// `/healthz` and `/readyz` of all roles.
    pub(super) fn health(&self) -> Router {
        health::router(self.readiness())
    }

    fn readiness(&self) -> Readiness {
        let checks = self
            .parts
            .iter()
            .flat_map(|part| part.checks.iter().cloned());
        Readiness::new(checks.collect())
    }

    /// Finishes the batches in hand and closes what the roles stand on.
    pub(super) async fn close(self) {
        for part in self.parts {
            part.close.await;
        }
        if let Some((_, services)) = self.instance {
            services.close().await;
        }
    }
}

/// Opens the instance with the keys that the roles need, and compares it with the configuration.
fn open(config: &Config, settings: &InstanceConfig, roles: &[Role]) -> Result<Instance> {
    let again = || format!("run: sigstead init --config {}", config.path.display());
    let layout = Layout::serve(&settings.data_dir, &settings.state_dir)?;
    let needs = compose::needs(roles, settings.has_dev_issuer());
    let instance = Instance::open_for(layout, &needs).with_context(again)?;
    let public = &instance.public;
    if (&public.url, &public.urls) != (&settings.url, &settings.urls) {
        bail!(
            "the URLs of the configuration are not those that clients are told in the trust files; {}",
            again()
        );
    }
    Ok(instance)
}

fn services(settings: &InstanceConfig, roles: Vec<Role>) -> Result<Settings> {
    let issuers = match roles.contains(&Role::Fulcio) {
        true => settings.issuers()?,
        false => compose::Issuers {
            text: None,
            allow_http: false,
        },
    };
    // Timestamps and the verifier stand on no database: its URL may be away.
    let stands = |role: &Role| !matches!(role, Role::Tsa | Role::Verifier | Role::Witness);
    let database = match roles.iter().any(stands) {
        true => settings.database().context("database")?,
        false => Database::File(settings.data_dir.join("sigstead.db")),
    };
    Ok(Settings {
        roles,
        issuers,
        has_dev_issuer: settings.has_dev_issuer(),
        database,
        outward: settings.outward.clone(),
        limits: settings.limits.clone(),
    })
}
