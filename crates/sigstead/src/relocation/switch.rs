//! The serving process's side of `sigstead migrate`: the cut-over, without an end of the process.

use super::gate::{Gate, close_all};
use super::{Relocation, cut_over};
use crate::database::Database;
use crate::instance::Layout;
use anyhow::{Context, Result};
use axum::Router;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How often `move.json` is looked for.
const PERIOD: Duration = Duration::from_millis(250);
/// What requests in hand get before the move is put off.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a process serves over one database, with the tasks that see to it.
pub(crate) trait Serving {
    /// What each listener leads to, always in the same order.
    fn routers(&self) -> Vec<Router>;

    /// Finishes what is in hand and closes the database.
    async fn close(self);
}

/// Ends tasks that see to services; when it answers they have let go of what they held.
pub(crate) async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.abort();
        // It was cancelled, or had ended.
        let _ = task.await;
    }
}

/// The services in force, and the ways to them.
pub(crate) struct Front<S> {
    gates: Vec<Gate>,
    /// None for the moment of a cut-over.
    slot: Mutex<Option<S>>,
}

impl<S: Serving> Front<S> {
    pub(crate) fn new(serving: S) -> Self {
        Self {
            gates: serving.routers().into_iter().map(Gate::new).collect(),
            slot: Mutex::new(Some(serving)),
        }
    }

    /// What a listener serves, by its place among [`Serving::routers`].
    pub(crate) fn router(&self, place: usize) -> Router {
        self.gates[place].router()
    }

    /// Closes what is in force, behind the last request.
    pub(crate) async fn close(&self) {
        if let Some(serving) = self.slot.lock().await.take() {
            serving.close().await;
        }
    }

    /// Moves the logs when it is asked for. Ends only when the services cannot be built any more.
    pub(crate) async fn watch(
        &self,
        layout: &Layout,
        mut database: Database,
        build: impl AsyncFn(&Database) -> Result<S>,
    ) -> Result<()> {
        loop {
            tokio::time::sleep(PERIOD).await;
            let asked = match Relocation::load(layout) {
                Ok(Some(asked)) if asked.failed.is_none() => asked,
                _ => continue,
            };
            if let Err(error) = check(&asked, &database) {
                refuse(layout, &asked, &error)?;
                continue;
            }
            // 4. Requests in hand end; the next ones wait.
            let Some(mut closed) = close_all(&self.gates, PATIENCE).await else {
                let error = anyhow::anyhow!("requests in hand did not end within {PATIENCE:?}");
                refuse(layout, &asked, &error)?;
                continue;
            };
            let mut slot = self.slot.lock().await;
            closed.iter_mut().for_each(|gate| gate.clear());
            if let Some(serving) = slot.take() {
                serving.close().await;
            }
            // 5. to 7.
            match cut_over(layout, &asked).await {
                Ok((to, _)) => {
                    tracing::info!("the logs were moved to {to}");
                    database = to;
                }
                Err(error) => tracing::error!("the logs were not moved: {error:#}"),
            }
            // 8. The same start as ever, with all its checks.
            let built = build(&database).await;
            let built = built.context("the services could not be started after the move")?;
            for (gate, router) in closed.into_iter().zip(built.routers()) {
                gate.open(router);
            }
            *slot = Some(built);
        }
    }
}

/// Where the logs are at the start, after what an interrupted cut-over left to do.
pub(crate) async fn settle(layout: &Layout, named: Database) -> Result<Database> {
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
