//! What `up` serves: all roles of an instance over one database.

use crate::cli::{OutwardArgs, Role};
use crate::compose::{self, Issuers, Services, Settings};
use crate::database::Database;
use crate::instance::Instance;
use crate::relocation::{self, Serving};
use anyhow::Result;
use axum::Router;
use clock::Clock;
use prometheus::Registry;
use tokio::task::JoinHandle;

/// Place of what clients reach among the routers.
pub(super) const CLIENTS: usize = 0;
/// Place of what monitoring reaches.
pub(super) const MONITORING: usize = 1;

/// What services are built from.
pub(super) struct Parts {
    pub(super) issuers: Issuers,
    pub(super) outward: OutwardArgs,
    pub(super) clock: Clock,
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

/// Services that answer, with what they are measured by.
pub(super) struct Built {
    services: Services,
    registry: Registry,
}

impl Built {
    /// Writes the trust files, after what an interrupted rotation left to do, and starts what runs beside the requests.
    pub(super) async fn start(self) -> Result<Running> {
        let seen = self.services.settle().await?;
        let watching = self.services.watch(seen);
        let tasks = [watching].into_iter().chain(self.services.keep_tuf_fresh());
        Ok(Running {
            tasks: tasks.collect(),
            built: self,
        })
    }
}

/// Services with the tasks that see to them.
pub(super) struct Running {
    built: Built,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// URL of the development issuer, when it is on.
    pub(super) fn dev_issuer(&self) -> Option<String> {
        self.built.services.dev_issuer.clone()
    }

    #[cfg(test)]
    pub(super) fn tuf(&self) -> &tuf::Repository {
        self.built.services.tuf()
    }
}

impl Serving for Running {
    fn routers(&self) -> Vec<Router> {
        let services = &self.built.services;
        let clients = compose::router(&services.parts);
        let monitoring = service::health::metrics_router(self.built.registry.clone());
        vec![clients, monitoring]
    }

    async fn close(self) {
        relocation::end(self.tasks).await;
        self.built.services.close().await;
    }
}
