//! Builds the roles of an instance over one store: all of them for `up`, those of one process for `serve`.

mod part;
pub(crate) mod verifier;

pub(crate) use part::{Part, router};

use crate::cli::{OutwardArgs, Role};
use crate::commands::input::read_limited;
use crate::database::Database;
use crate::instance::{self, Instance, Kind, Layout};
use crate::outward::Outward;
use crate::rotation::{
    Authorities, Family, Keeper, Logs, Opener, Seen, Served, Stamp, tsa_deps, watch,
};
use crate::tuf_repository;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use clock::Clock;
use ct::CtLog;
use http::Request;
use keys::Purpose;
use oidc::dev::DevIssuer;
use prometheus::Registry;
use service::health::{Check, Readiness};
use std::path::Path;
use std::sync::Arc;
use tlog::{FileGuard, Limits};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tuf::Repository;

/// Fulcio's issuer configuration of the public instance has 40 KiB.
const MAX_ISSUERS: u64 = 1 << 20;

/// Whose tokens the CA accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuers {
    /// Fulcio's issuer configuration; `None` means the development issuer.
    pub(crate) text: Option<String>,
    /// Fetch keys over plain http from other hosts than loopback.
    pub(crate) allow_http: bool,
}

impl Issuers {
    /// Reads and checks a file, so that its mistakes are told before anything else happens.
    pub(crate) fn load(path: &Path, allow_http: bool) -> Result<Self> {
        let bytes = read_limited(path, MAX_ISSUERS)?;
        let text =
            String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        oidc::Config::load(&text, oidc::Transport { allow_http })
            .with_context(|| path.display().to_string())?;
        Ok(Self {
            text: Some(text),
            allow_http,
        })
    }
}

/// What one process is to run of an instance.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) roles: Vec<Role>,
    pub(crate) issuers: Issuers,
    /// The development issuer is on, here or in another process.
    pub(crate) has_dev_issuer: bool,
    pub(crate) database: Database,
    pub(crate) outward: OutwardArgs,
    pub(crate) limits: Limits,
}

/// The keys that roles need, each once.
pub(crate) fn needs(roles: &[Role], dev_issuer: bool) -> Vec<Purpose> {
    let mut needs = Vec::new();
    for role in roles {
        let of_role: &[Purpose] = match role {
            // It logs what it issues by itself.
            Role::Fulcio if dev_issuer => &[Purpose::IssuingCa, Purpose::CtLog, Purpose::DevIssuer],
            Role::Fulcio => &[Purpose::IssuingCa, Purpose::CtLog],
            Role::Ct => &[Purpose::CtLog],
            Role::Rekor => &[Purpose::RekorV1, Purpose::RekorV2],
            Role::Tsa => &[Purpose::Tsa],
            // TUF's keys are read when they are needed; the others have files of their own.
            Role::Tuf | Role::Verifier | Role::Witness => &[],
        };
        for purpose in of_role {
            if !needs.contains(purpose) {
                needs.push(*purpose);
            }
        }
    }
    needs
}

/// The services of one process.
pub(crate) struct Services {
    pub(crate) parts: Vec<Part>,
    /// URL of the development issuer, when it is on, here or in another process.
    pub(crate) dev_issuer: Option<String>,
    keeper: Keeper,
    tuf: Repository,
    tuf_metrics: Option<tuf::Metrics>,
}

impl Services {
    /// Builds the roles over one store. The instance has the keys that [`needs`] names.
    pub(crate) async fn build(
        instance: &Instance,
        settings: Settings,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Self> {
        let roles = settings.roles.clone();
        let has = |role| roles.contains(&role);
        let tuf = tuf_repository::open(&instance.layout, &settings.database, clock)?;
        let dev_issuer = settings
            .has_dev_issuer
            .then(|| DevIssuer::email_issuer_of(instance.public.fulcio_url()));
        let mut services = Self {
            parts: Vec::new(),
            keeper: keeper(&instance.layout, &roles, &tuf, &dev_issuer, clock),
            dev_issuer,
            tuf,
            tuf_metrics: None,
        };
        // 1. The logs, which the others stand on.
        if stand_on_logs(&roles) {
            let logs = open_store(instance, &settings, clock, registry).await?;
            services.keeper.logs = Some(Arc::new(logs));
        }
        if let Some(logs) = services.keeper.logs.clone() {
            if has(Role::Fulcio) || has(Role::Ct) {
                let authorities = &services.keeper.authorities;
                let (first, active) = authorities.open_logs(&instance.public, &logs).await?;
                if has(Role::Fulcio) {
                    let issuers = settings.issuers;
                    let part =
                        services.fulcio(instance, issuers, &active, &logs, clock, registry)?;
                    services.parts.push(part);
                }
                if has(Role::Ct) {
                    let later = services.keeper.authorities.route_logs(&instance.public)?;
                    let part = ct_part(&first, &logs);
                    services.parts.push(Part {
                        later: Some(later),
                        ..part
                    });
                }
            }
            if has(Role::Rekor) {
                let (served, part) = rekor(instance, &logs, registry).await?;
                services.parts.push(Part {
                    later: Some(served.later().clone()),
                    ..part
                });
                services.keeper.served = Some(served);
            }
        }
        // 2. Those that need none.
        if has(Role::Tsa) {
            let part = timestamp_authority(instance, &services.keeper.authorities, clock)?;
            services.parts.push(part);
        }
        if has(Role::Tuf) {
            services.tuf_metrics = Some(tuf::Metrics::register(registry)?);
            services.parts.push(tuf_part(&services.tuf));
        }
        Ok(services)
    }

    /// The CA, and the development issuer beside it when no others are configured.
    fn fulcio(
        &self,
        instance: &Instance,
        issuers: Issuers,
        ct: &CtLog,
        logs: &Arc<Logs>,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Part> {
        let dev = match issuers.text {
            Some(_) => None,
            None => Some(DevIssuer::new(
                instance.public.fulcio_url(),
                instance.signers.get(Purpose::DevIssuer)?,
                clock.clone(),
            )),
        };
        let config = fulcio::Config {
            issuers: issuers
                .text
                .or_else(|| dev.as_ref().map(DevIssuer::fulcio_config_yaml))
                .unwrap_or_default(),
            allow_http_issuers: issuers.allow_http,
        };
        let ca = instance.public.active(instance::Role::Ca)?;
        let deps = fulcio::Deps {
            signer: instance.signer_of(&ca)?,
            chain: ca.chain().to_vec(),
            ct: ct.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
        };
        let (mut router, switch) =
            fulcio::build_switchable(config, deps).context("certificate authority")?;
        let authorities = &self.keeper.authorities;
        authorities.follow_ca(switch, &instance.public)?;
        let mut checks = vec![probe(
            "certificate authority",
            &router,
            "/api/v2/trustBundle",
        )];
        // It issues nothing without the log.
        checks.push(appending("CT log, appending", logs, Family::Ct));
        if let Some(issuer) = dev {
            router = router.merge(issuer.router());
        }
        Ok(Part::new(Role::Fulcio, router, checks))
    }

    /// Asks every role once; an error names those that do not answer. TUF has nothing to answer before [`Self::settle`].
    pub(crate) async fn check_ready(&self) -> Result<()> {
        let parts = self.parts.iter().filter(|part| part.role != Role::Tuf);
        let checks = parts.flat_map(|part| part.checks.iter().cloned());
        let failures = Readiness::new(checks.collect()).failures().await;
        let reasons: Vec<String> = failures
            .into_iter()
            .map(|(role, reason)| format!("{role}: {reason}"))
            .collect();
        match reasons.is_empty() {
            true => Ok(()),
            false => bail!("not ready: {}", reasons.join("; ")),
        }
    }

    /// Ends rotations that were recorded and not finished, before the first client comes. Writes the trust files and
    /// publishes them in the TUF repository. Answers how far `instance.json` was looked at.
    pub(crate) async fn settle(&self) -> Result<Seen> {
        let stamp = Stamp::of(&self.keeper.layout);
        let progress = self.keeper.go_on().await?;
        // That is no reason not to serve: the watcher says what holds it up, and tries again.
        let stamp = match progress.held_up {
            Some(_) => Stamp::NONE,
            None => stamp,
        };
        let next = progress.next;
        Ok(Seen { stamp, next })
    }

    /// Sees to what is recorded while the process serves: rotations, and what clients are to know of them.
    pub(crate) fn watch(&self, seen: Seen) -> JoinHandle<()> {
        tokio::spawn(watch(self.keeper.clone(), seen))
    }

    /// Signs the TUF repository anew when it is time.
    pub(crate) fn keep_tuf_fresh(&self) -> Option<JoinHandle<()>> {
        let metrics = self.tuf_metrics.clone()?;
        Some(tokio::spawn(tuf::keep_fresh(self.tuf.clone(), metrics)))
    }

    /// Finishes the batches in hand, closes the logs, then what they stand on.
    pub(crate) async fn close(&self) {
        if let Some(logs) = &self.keeper.logs {
            logs.close().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn tuf(&self) -> &Repository {
        &self.tuf
    }
}

fn stand_on_logs(roles: &[Role]) -> bool {
    let stands = |role: &Role| matches!(role, Role::Fulcio | Role::Ct | Role::Rekor);
    roles.iter().any(stands)
}

/// What a process with these roles sees to, while nothing of it is built.
fn keeper(
    layout: &Layout,
    roles: &[Role],
    tuf: &Repository,
    oidc: &Option<String>,
    clock: &Clock,
) -> Keeper {
    let has = |role| roles.contains(&role);
    // One that has the folder for itself: no command can take the steps. Of roles apart, those that can take all.
    let is_alone = layout.has_all() && (stand_on_logs(roles) || has(Role::Tuf));
    let advances = has(Role::Rekor) || is_alone;
    Keeper {
        layout: layout.clone(),
        clock: clock.clone(),
        logs: None,
        served: None,
        authorities: Authorities::new(clock.clone()),
        oidc: oidc.clone(),
        tuf: (advances || has(Role::Tuf)).then(|| tuf.clone()),
        shows_trust: advances || has(Role::Tuf) || has(Role::Verifier),
        advances,
    }
}

/// Opens the store and what stands around it.
async fn open_store(
    instance: &Instance,
    settings: &Settings,
    clock: &Clock,
    registry: &Registry,
) -> Result<Logs> {
    let reads = |role: &Role| matches!(role, Role::Ct | Role::Rekor);
    // A CA alone shows no checkpoint.
    let outward = match settings.roles.iter().any(reads) {
        true => Outward::new(&settings.outward, &instance.layout, clock, registry)?,
        false => Outward::default(),
    };
    let opener = Opener {
        store: settings.database.open(instance.is_unfinished()).await?,
        guard: FileGuard::open(&instance.layout.guard())?,
        clock: clock.clone(),
        is_new: instance.is_unfinished(),
        limits: settings.limits.clone(),
        outward,
    };
    Logs::new(instance, opener)
}

fn ct_part(ct: &CtLog, logs: &Arc<Logs>) -> Part {
    let router = Router::new().nest("/ctlog", ct.router());
    let checks = vec![
        probe("CT log", &router, "/ctlog/ct/v1/get-sth"),
        appending("CT log, appending", logs, Family::Ct),
    ];
    Part {
        path: "/ctlog".to_owned(),
        ..Part::new(Role::Ct, router, checks)
    }
}

/// The Rekor APIs over all shards that are in service.
async fn rekor(
    instance: &Instance,
    logs: &Arc<Logs>,
    registry: &Registry,
) -> Result<(Served, Part)> {
    let shards = instance.public.shards()?;
    let first = |kind| {
        let first = shards.iter().find(|shard| shard.kind == kind);
        first.context("a log has a first shard")
    };
    let v1 = logs.open(first(Kind::RekorV1)?).await?;
    let v2 = logs.open(first(Kind::RekorV2)?).await?;
    let (served, router) = Served::begin(&instance.public, v1, v2, registry)?;
    for shard in shards.iter().filter(|shard| !shard.is_pending) {
        let (log, signer) = logs.open(shard).await?;
        served.add(shard, log, signer);
    }
    let checks = vec![
        probe("Rekor v1 log", &router, "/api/v1/log"),
        probe("Rekor v2 log", &router, "/api/v2/checkpoint"),
        appending("Rekor logs, appending", logs, Family::Rekor),
    ];
    Ok((served, Part::new(Role::Rekor, router, checks)))
}

fn timestamp_authority(
    instance: &Instance,
    authorities: &Authorities,
    clock: &Clock,
) -> Result<Part> {
    let active = instance.public.active(instance::Role::Tsa)?;
    let deps = tsa_deps(&active, instance.signer_of(&active)?, clock);
    let (router, switch) =
        tsa::build_switchable(tsa::Config {}, deps).context("timestamp authority")?;
    authorities.follow_tsa(switch, &instance.public)?;
    let path = "/api/v1/timestamp/certchain";
    let checks = vec![probe("timestamp authority", &router, path)];
    Ok(Part {
        path: "/api/v1/timestamp".to_owned(),
        ..Part::new(Role::Tsa, router, checks)
    })
}

fn tuf_part(tuf: &Repository) -> Part {
    let router = Router::new().nest("/tuf", tuf::router(tuf.store()));
    let checks = vec![probe("TUF repository", &router, "/tuf/timestamp.json")];
    Part {
        path: "/tuf".to_owned(),
        ..Part::new(Role::Tuf, router, checks)
    }
}

/// What reading alone does not show: a log that cannot append.
fn appending(what: &str, logs: &Arc<Logs>, of: Family) -> (String, Check) {
    let logs = logs.clone();
    let check: Check = Arc::new(move || {
        let logs = logs.clone();
        Box::pin(async move { logs.health(of).await })
    });
    (what.to_owned(), check)
}

/// Probes a role in process, through the same routes that clients use: `path` answers 200 when the role works.
fn probe(what: &str, router: &Router, path: &'static str) -> (String, Check) {
    let router = router.clone();
    let check: Check = Arc::new(move || {
        let router = router.clone();
        Box::pin(async move {
            let request = Request::get(path)
                .body(Body::empty())
                .map_err(|error| error.to_string())?;
            let response = router
                .oneshot(request)
                .await
                .map_err(|error| error.to_string())?;
            match response.status().is_success() {
                true => Ok(()),
                false => Err(format!("GET {path} answers {}", response.status())),
            }
        })
    });
    (what.to_owned(), check)
}
