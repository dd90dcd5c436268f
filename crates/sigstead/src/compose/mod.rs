//! Builds the roles of an instance over one store: all of them for `up`, those of one process for `serve`.

mod part;
pub(crate) mod verifier;

pub(crate) use part::{Part, router};

use crate::cli::{OutwardArgs, Role};
use crate::commands::input::read_limited;
use crate::database::Database;
use crate::instance::{Instance, Kind, Layout, PublicHalf, describe};
use crate::outward::Outward;
use crate::rotation::{Opener, RekorLogs, Served, Stamp, finish, watch};
use crate::{trust_files, tuf_repository};
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
use std::time::Duration;
use tlog::{FileGuard, Limits, Log};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tuf::{Options, Repository};

/// Fulcio's issuer configuration of the public instance has 40 KiB.
const MAX_ISSUERS: u64 = 1 << 20;
/// How often a process without Rekor looks whether trust files changed.
const PERIOD: Duration = Duration::from_secs(1);

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
    logs: Option<Arc<RekorLogs>>,
    ct: Option<Log>,
    /// The shards that clients reach.
    pub(crate) served: Option<Served>,
    tuf: Repository,
    tuf_metrics: Option<tuf::Metrics>,
    roles: Vec<Role>,
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
        let mut services = Self {
            parts: Vec::new(),
            dev_issuer: settings
                .has_dev_issuer
                .then(|| DevIssuer::email_issuer_of(instance.public.fulcio_url())),
            logs: None,
            ct: None,
            served: None,
            tuf,
            tuf_metrics: None,
            roles: roles.clone(),
        };
        // 1. The logs, which the others stand on.
        if has(Role::Fulcio) || has(Role::Ct) || has(Role::Rekor) {
            let logs = open_store(instance, &settings, clock, registry).await?;
            services.logs = Some(Arc::new(logs));
        }
        if let Some(logs) = services.logs.clone() {
            if has(Role::Fulcio) || has(Role::Ct) {
                let (log, ct) = open_ct(instance, &logs, clock).await?;
                if has(Role::Fulcio) {
                    let part = services.fulcio(instance, settings.issuers, &ct, clock, registry)?;
                    services.parts.push(part);
                }
                if has(Role::Ct) {
                    services.parts.push(ct_part(&ct, &log));
                }
                services.ct = Some(log);
            }
            if has(Role::Rekor) {
                let (served, part) = rekor(instance, &logs, registry).await?;
                services.served = Some(served);
                services.parts.push(part);
            }
        }
        // 2. Those that need none.
        if has(Role::Tsa) {
            services.parts.push(timestamp_authority(instance, clock)?);
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
        let deps = fulcio::Deps {
            signer: instance.signers.get(Purpose::IssuingCa)?,
            chain: instance.public.ca_chain.clone(),
            ct: ct.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
        };
        let mut router = fulcio::build(config, deps).context("certificate authority")?;
        let mut checks = vec![probe(
            "certificate authority",
            &router,
            "/api/v2/trustBundle",
        )];
        // It issues nothing without the log.
        checks.push(appending("CT log, appending", ct.log()));
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
    pub(crate) async fn settle(&self, layout: &Layout) -> Result<Stamp> {
        let seen = Stamp::of(layout);
        let oidc = &self.dev_issuer;
        match (&self.logs, &self.served) {
            (Some(logs), Some(served)) => {
                finish(layout, logs, Some(served), oidc.as_deref(), &self.tuf).await?;
            }
            _ if self.shows_trust() => {
                let publishes = self.roles.contains(&Role::Tuf);
                let tuf = publishes.then_some(&self.tuf);
                if let Err(error) = show_trust(layout, oidc.as_deref(), tuf).await {
                    tracing::error!(
                        "the TUF repository does not have the newest trust files: {error:#}"
                    );
                }
            }
            _ => {}
        }
        Ok(seen)
    }

    /// Sees to what is recorded while the process serves: rotations, and what clients are to know of them.
    pub(crate) fn watch(&self, layout: &Layout, seen: Stamp) -> Option<JoinHandle<()>> {
        let (layout, oidc) = (layout.clone(), self.dev_issuer.clone());
        let tuf = self.tuf.clone();
        match (&self.logs, &self.served) {
            (Some(logs), Some(served)) => {
                let (logs, served) = (logs.clone(), served.clone());
                Some(tokio::spawn(watch(layout, logs, served, oidc, tuf, seen)))
            }
            _ if self.shows_trust() => {
                let tuf = self.roles.contains(&Role::Tuf).then_some(tuf);
                Some(tokio::spawn(watch_trust(layout, oidc, tuf, seen)))
            }
            _ => None,
        }
    }

    /// Signs the TUF repository anew when it is time.
    pub(crate) fn keep_tuf_fresh(&self) -> Option<JoinHandle<()>> {
        let metrics = self.tuf_metrics.clone()?;
        Some(tokio::spawn(tuf::keep_fresh(self.tuf.clone(), metrics)))
    }

    /// Finishes the batches in hand, closes the logs, then what they stand on.
    pub(crate) async fn close(&self) {
        if let Some(ct) = &self.ct {
            ct.close().await;
        }
        if let Some(logs) = &self.logs {
            logs.close().await;
        }
    }

    /// Whether somebody reads trust files in this process's folder.
    fn shows_trust(&self) -> bool {
        let reads = |role: &Role| matches!(role, Role::Tuf | Role::Verifier);
        self.roles.iter().any(reads)
    }
}

/// Writes the trust files, and publishes them.
async fn show_trust(layout: &Layout, oidc: Option<&str>, tuf: Option<&Repository>) -> Result<()> {
    let public = PublicHalf::load(layout, &describe(layout)?)?;
    trust_files::write(&public, oidc, &layout.trust())?;
    if let Some(tuf) = tuf {
        tuf_repository::publish(tuf, &public, oidc, Options::default()).await?;
    }
    Ok(())
}

/// The same whenever `instance.json` changes, until the task is aborted.
async fn watch_trust(
    layout: Layout,
    oidc: Option<String>,
    tuf: Option<Repository>,
    mut seen: Stamp,
) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = Stamp::of(&layout);
        if now == seen {
            continue;
        }
        match show_trust(&layout, oidc.as_deref(), tuf.as_ref()).await {
            Ok(()) => seen = now,
            Err(error) => tracing::error!("the trust files are not up to date: {error:#}"),
        }
    }
}

/// Opens the store and what stands around it.
async fn open_store(
    instance: &Instance,
    settings: &Settings,
    clock: &Clock,
    registry: &Registry,
) -> Result<RekorLogs> {
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
    Ok(RekorLogs::new(instance, opener))
}

async fn open_ct(instance: &Instance, logs: &RekorLogs, clock: &Clock) -> Result<(Log, CtLog)> {
    let (host, signer) = (
        instance.public.ct_host()?,
        instance.signers.get(Purpose::CtLog)?,
    );
    let head_signer = CtLog::head_signer(&host, signer.clone());
    let log = logs
        .open_other("ct", &CtLog::origin(&host), head_signer)
        .await?;
    let deps = ct::Deps {
        log: log.clone(),
        signer,
        clock: clock.clone(),
        chains: vec![instance.public.ca_chain.clone()],
    };
    Ok((log, CtLog::new(ct::Config { host }, deps)))
}

fn ct_part(ct: &CtLog, log: &Log) -> Part {
    let router = Router::new().nest("/ctlog", ct.router());
    let checks = vec![
        probe("CT log", &router, "/ctlog/ct/v1/get-sth"),
        appending("CT log, appending", log),
    ];
    Part {
        path: "/ctlog".to_owned(),
        ..Part::new(Role::Ct, router, checks)
    }
}

/// The Rekor APIs over all shards that are in service.
async fn rekor(
    instance: &Instance,
    logs: &Arc<RekorLogs>,
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
    let logs = logs.clone();
    let appending: Check = Arc::new(move || {
        let logs = logs.clone();
        Box::pin(async move { logs.health().await })
    });
    let checks = vec![
        probe("Rekor v1 log", &router, "/api/v1/log"),
        probe("Rekor v2 log", &router, "/api/v2/checkpoint"),
        ("Rekor logs, appending".to_owned(), appending),
    ];
    Ok((served, Part::new(Role::Rekor, router, checks)))
}

fn timestamp_authority(instance: &Instance, clock: &Clock) -> Result<Part> {
    let deps = tsa::Deps {
        signer: instance.signers.get(Purpose::Tsa)?,
        chain: instance.public.tsa_chain.clone(),
        clock: clock.clone(),
    };
    let router = tsa::build(tsa::Config {}, deps).context("timestamp authority")?;
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
fn appending(what: &str, log: &Log) -> (String, Check) {
    let log = log.clone();
    let check: Check = Arc::new(move || {
        let log = log.clone();
        Box::pin(async move { log.health().await.map_err(|error| error.to_string()) })
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
