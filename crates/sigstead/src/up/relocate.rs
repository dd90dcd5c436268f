//! The serving process's side of `sigstead migrate`: the cut-over, without an end of the process.

use super::compose::{Issuers, Services};
use super::gate::Gate;
use crate::cli::OutwardArgs;
use crate::database::Database;
use crate::instance::{Instance, Layout};
use crate::relocation::{Relocation, cut_over};
use crate::rotation::Stamp;
use anyhow::{Context, Result};
use clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How often `move.json` is looked for.
const PERIOD: Duration = Duration::from_millis(250);
/// What requests in hand get before the move is put off.
const PATIENCE: Duration = Duration::from_secs(15);

/// Services with the tasks that see to them.
pub(super) struct Running {
    services: Services,
    watching: JoinHandle<()>,
    signing: JoinHandle<()>,
}

impl Running {
    pub(super) fn new(services: Services, layout: &Layout, seen: Stamp) -> Self {
        Self {
            watching: services.watch_rotations(layout, seen),
            signing: services.keep_tuf_fresh(),
            services,
        }
    }

    pub(super) async fn close(self) {
        self.watching.abort();
        self.signing.abort();
        self.services.close().await;
    }
}

/// What services are built from.
pub(super) struct Parts {
    pub(super) instance: Instance,
    pub(super) issuers: Issuers,
    pub(super) outward: OutwardArgs,
    pub(super) clock: Clock,
    /// What clients reach, and what monitoring does.
    pub(super) gate: Gate,
    pub(super) admin: Gate,
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
pub(super) async fn watch(parts: Parts, slot: Slot, mut database: Database) -> Result<()> {
    let layout = parts.instance.layout.clone();
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
        let Some(mut closed) = parts.gate.close(PATIENCE).await else {
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
        let services = parts.start(&database).await;
        let services = services.context("the services could not be started after the move")?;
        let seen = services.finish_rotations(&layout).await?;
        let metrics = service::health::metrics_router(services.registry.clone());
        if let Some(admin) = parts.admin.close(PATIENCE).await {
            admin.open(metrics);
        }
        let router = services.router.clone();
        *slot = Some(Running::new(services, &layout, seen));
        closed.open(router);
    }
}

impl Parts {
    async fn start(&self, database: &Database) -> Result<Services> {
        let issuers = self.issuers.clone();
        let services = Services::build(
            &self.instance,
            issuers,
            database,
            &self.outward,
            &self.clock,
        )
        .await?;
        services.check_ready().await?;
        Ok(services)
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
