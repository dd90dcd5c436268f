//! The roles of a process, on state that is there.

use super::config::{Config, InstanceConfig};
use super::{verifier, witness};
use crate::cli::Role;
use crate::compose::{self, Part, Services, Settings};
use crate::database::Database;
use crate::instance::{Instance, Layout};
use crate::relocation::{self, Serving};
use crate::rotation::Seen;
use ::service::access::Access;
use ::service::health::{self, Readiness};
use anyhow::{Context, Result, bail};
use axum::Router;
use clock::Clock;
use prometheus::Registry;
use tokio::task::JoinHandle;

/// What a process serves its roles from.
pub(super) struct Parts<'a> {
    config: &'a Config,
    roles: &'a [Role],
    /// The roles of each listener; monitoring comes behind them.
    listeners: Vec<Vec<Role>>,
    access: Access,
    clock: Clock,
    instance: Option<(Instance, Settings)>,
}

impl<'a> Parts<'a> {
    /// Opens the instance, when roles stand on it; creates nothing.
    pub(super) fn open(
        config: &'a Config,
        roles: &'a [Role],
        listeners: Vec<Vec<Role>>,
        access: Access,
    ) -> Result<Self> {
        let of_instance = |role: &&Role| Role::OF_INSTANCE.contains(role);
        let mine: Vec<Role> = roles.iter().filter(of_instance).copied().collect();
        let instance = match &config.instance {
            Some(settings) if !mine.is_empty() || roles.contains(&Role::Verifier) => {
                let instance = open(config, settings, &mine)?;
                Some((instance, services(settings, mine)?))
            }
            _ => None,
        };
        Ok(Self {
            config,
            roles,
            listeners,
            access,
            clock: Clock::system(),
            instance,
        })
    }

    pub(super) fn layout(&self) -> Option<&Layout> {
        let (instance, _) = self.instance.as_ref()?;
        Some(&instance.layout)
    }

    /// Where the logs are, when roles stand on them.
    pub(super) async fn database(&self) -> Result<Option<Database>> {
        let Some((Instance { layout, .. }, settings)) = &self.instance else {
            return Ok(None);
        };
        let mut database = settings.database.clone();
        if layout.has_all() {
            database = relocation::settle(layout, database).await?;
        }
        if settings.roles.iter().any(stands_on_logs) {
            database = relocation::follow(layout, database).await?;
        }
        Ok(Some(database))
    }

    /// Builds the roles over a database, asks each once, ends interrupted rotations, and starts what runs beside the
    /// requests.
    pub(super) async fn build(&self, database: Option<&Database>) -> Result<Running> {
        let (clock, registry) = (&self.clock, Registry::new());
        self.access.register(&registry)?;
        let mut running = Running {
            parts: Vec::new(),
            services: None,
            routers: Vec::new(),
            tasks: Vec::new(),
        };
        if let (Some((instance, settings)), Some(database)) = (&self.instance, database) {
            let settings = Settings {
                database: database.clone(),
                ..settings.clone()
            };
            let mut services = Services::build(instance, settings, clock, &registry).await?;
            running.parts.append(&mut services.parts);
            running.services = Some(services);
        }
        if self.roles.contains(&Role::Verifier) {
            let instance = self.instance.as_ref().map(|(instance, _)| instance);
            let part = verifier::build(self.config, instance, clock, &registry).await?;
            running.parts.push(part);
        }
        let has_witness = self.roles.contains(&Role::Witness);
        if let Some(witness) = self.config.witness.as_ref().filter(|_| has_witness) {
            let part = witness::build(witness, &self.config.path, clock, &registry).await?;
            running.parts.push(part);
        }
        running.start().await?;
        running.route(&self.listeners, registry);
        Ok(running)
    }
}

/// What a process serves.
pub(super) struct Running {
    parts: Vec<Part>,
    services: Option<Services>,
    routers: Vec<Router>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    async fn start(&mut self) -> Result<()> {
        let Some(services) = &self.services else {
            return Ok(());
        };
        let seen: Seen = services.settle().await?;
        let failures = self.readiness().failures().await;
        let reasons: Vec<String> = failures
            .into_iter()
            .map(|(role, reason)| format!("{role}: {reason}"))
            .collect();
        if !reasons.is_empty() {
            bail!("not ready: {}", reasons.join("; "));
        }
        self.tasks.push(services.watch(seen));
        self.tasks.extend(services.keep_tuf_fresh());
        Ok(())
    }

    fn route(&mut self, listeners: &[Vec<Role>], registry: Registry) {
        let of = |roles: &Vec<Role>| {
            let here = self.parts.iter().filter(|part| roles.contains(&part.role));
            compose::router(here)
        };
        let mut routers: Vec<Router> = listeners.iter().map(of).collect();
        let health = health::router(self.readiness());
        routers.push(health::metrics_router(registry).merge(health));
        self.routers = routers;
    }

    fn readiness(&self) -> Readiness {
        let checks = self
            .parts
            .iter()
            .flat_map(|part| part.checks.iter().cloned());
        Readiness::new(checks.collect())
    }
}

impl Serving for Running {
    fn routers(&self) -> Vec<Router> {
        self.routers.clone()
    }

    async fn close(self) {
        relocation::end(self.tasks).await;
        // They stand on the database, too.
        drop(self.routers);
        for part in self.parts {
            part.close.await;
        }
        if let Some(services) = self.services {
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
    let database = match roles.iter().any(stands_on_logs) {
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

/// Timestamps and the verifier stand on no database: its URL may be away.
fn stands_on_logs(role: &Role) -> bool {
    !matches!(role, Role::Tsa | Role::Verifier | Role::Witness)
}
