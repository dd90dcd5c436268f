//! The serving process's side of `sigstead migrate`: the cut-over, without an end of the process.

use super::gate::Gate;
use crate::cli::{OutwardArgs, Role};
use crate::compose::{self, Issuers, Services, Settings};
use crate::database::Database;
use crate::instance::{Instance, Layout};
use crate::relocation::{Relocation, cut_over};
use crate::rotation::Seen;
use anyhow::{Context, Result};
use axum::Router;
use clock::Clock;
use prometheus::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How often `move.json` is looked for.
const PERIOD: Duration = Duration::from_millis(250);
/// What requests in hand get before the move is put off.
const PATIENCE: Duration = Duration::from_secs(15);

/// Services that answer, with what they are measured by.
pub(super) struct Built {
    pub(super) services: Services,
    registry: Registry,
}

impl Built {
    /// What clients reach.
    pub(super) fn router(&self) -> Router {
        compose::router(&self.services.parts)
    }

    /// What monitoring reaches.
    pub(super) fn metrics(&self) -> Router {
        service::health::metrics_router(self.registry.clone())
    }
}

/// Services with the tasks that see to them.
pub(super) struct Running {
    services: Services,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    pub(super) fn new(built: Built, seen: Seen) -> Self {
        let services = built.services;
        let watching = services.watch(seen);
        let tasks = [watching].into_iter().chain(services.keep_tuf_fresh());
        Self {
            tasks: tasks.collect(),
            services,
        }
    }

    pub(super) async fn close(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.services.close().await;
    }
}

/// What services are built from.
pub(super) struct Parts {
    pub(super) issuers: Issuers,
    pub(super) outward: OutwardArgs,
    pub(super) clock: Clock,
}

/// The ways to the services in force.
pub(super) struct Gates {
    pub(super) clients: Gate,
    pub(super) monitoring: Gate,
}

impl Parts {
    /// Builds all roles over a database; each answers once.
    pub(super) async fn build(&self, instance: &Instance, database: &Database) -> Result<Built> {
        let registry = Registry::new();
        let settings = Settings {
            roles: Role::OF_INSTANCE.to_vec(),
            has_dev_issuer: self.issuers.text.is_none(),
            issuers: self.issuers.clone(),
            database: database.clone(),
            outward: self.outward.clone(),
            limits: crate::rotation::limits(),
        };
        let mut services = Services::build(instance, settings, &self.clock, &registry).await?;
        let verifier = compose::verifier::Settings::of_up(instance)?;
        let verifier =
            compose::verifier::build(verifier, Some(instance), &self.clock, &registry).await?;
        services.parts.push(verifier);
        services.check_ready().await?;
        Ok(Built { services, registry })
    }
}

/// The services in force; none for the moment of a cut-over.
pub(super) type Slot = Arc<Mutex<Option<Running>>>;

/// Where the logs are at the start, after what an interrupted cut-over left to do.
pub(super) async fn settle(layout: &Layout, named: Database) -> Result<Database> {
    let Some(asked) = Relocation::load(layout)? else {
        return Ok(named);
    };
    if asked.failed.is_some() {
        return Ok(named);
    }
    match cut_over(layout, &asked).await {
        Ok((to, _)) => {
            tracing::info!("the logs were moved to {to}");
            Ok(to)
        }
        Err(error) => {
            tracing::error!("the logs were not moved: {error:#}");
            Ok(named)
        }
    }
}

/// Moves the logs when it is asked for. Ends only when the services cannot be built any more.
pub(super) async fn watch(
    parts: Parts,
    gates: Gates,
    instance: Instance,
    slot: Slot,
    mut database: Database,
) -> Result<()> {
    let layout = instance.layout.clone();
    loop {
        tokio::time::sleep(PERIOD).await;
        let asked = match Relocation::load(&layout) {
            Ok(Some(asked)) if asked.failed.is_none() => asked,
            _ => continue,
        };
        if let Err(error) = check(&asked, &database) {
            refuse(&layout, &asked, &error)?;
            continue;
        }
        // 4. Requests in hand end; the next ones wait.
        let Some(mut closed) = gates.clients.close(PATIENCE).await else {
            let error = anyhow::anyhow!("requests in hand did not end within {PATIENCE:?}");
            refuse(&layout, &asked, &error)?;
            continue;
        };
        let mut slot = slot.lock().await;
        closed.clear();
        if let Some(running) = slot.take() {
            running.close().await;
        }
        // 5. to 7.
        match cut_over(&layout, &asked).await {
            Ok((to, _)) => {
                tracing::info!("the logs were moved to {to}");
                database = to;
            }
            Err(error) => tracing::error!("the logs were not moved: {error:#}"),
        }
        // 8. The same start as ever, with all its checks.
        let built = parts.build(&instance, &database).await;
        let built = built.context("the services could not be started after the move")?;
        let seen = built.services.settle().await?;
        if let Some(monitoring) = gates.monitoring.close(PATIENCE).await {
            monitoring.open(built.metrics());
        }
        let router = built.router();
        *slot = Some(Running::new(built, seen));
        closed.open(router);
    }
}

/// Another database than the one that is served cannot be moved from here.
fn check(asked: &Relocation, served: &Database) -> Result<()> {
    let (from, _) = asked.places()?;
    let same = match (&from, served) {
        (Database::File(one), Database::File(other)) => {
            one.canonicalize().ok() == other.canonicalize().ok()
        }
        (one, other) => one == other,
    };
    anyhow::ensure!(
        same,
        "{served} is served, not {from}: name it with --database, spelled as it was at the start"
    );
    Ok(())
}

fn refuse(layout: &Layout, asked: &Relocation, error: &anyhow::Error) -> Result<()> {
    tracing::error!("the logs were not moved: {error:#}");
    let failed = Relocation {
        failed: Some(format!("{error:#}")),
        ..asked.clone()
    };
    failed.save(layout)
}
