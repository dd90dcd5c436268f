//! Builds every service over one store and merges their routers.

use crate::cli::OutwardArgs;
use crate::database::Database;
use crate::instance::{Instance, Kind, Layout};
use crate::outward::Outward;
use crate::rotation::{Opener, RekorLogs, Served, Stamp, dispatch, finish, watch};
use crate::tuf_repository;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use clock::Clock;
use ct::CtLog;
use http::{Request, Uri};
use oidc::dev::DevIssuer;
use prometheus::Registry;
use service::error::{Code, GatewayError};
use service::health::{self, Check, Readiness};
use std::sync::Arc;
use tlog::{FileGuard, Log};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use trust::Following;
use tuf::Repository;

/// One path a role, which answers 200 when the role works.
const PROBES: [(&str, &str); 6] = [
    ("certificate authority", "/api/v2/trustBundle"),
    ("CT log", "/ctlog/ct/v1/get-sth"),
    ("Rekor v1 log", "/api/v1/log"),
    ("Rekor v2 log", "/api/v2/checkpoint"),
    ("timestamp authority", "/api/v1/timestamp/certchain"),
    ("verifier", "/api/v1/trusted-roots"),
];

/// Whose tokens the CA accepts.
#[derive(Clone)]
pub(crate) struct Issuers {
    /// Fulcio's issuer configuration; `None` means the development issuer.
    pub(crate) text: Option<String>,
    /// Fetch keys over plain http from other hosts than loopback.
    pub(crate) allow_http: bool,
}

/// The services of one process.
pub(crate) struct Services {
    pub(crate) router: Router,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
    /// URL of the development issuer, when it is on.
    pub(crate) dev_issuer: Option<String>,
    ct: Log,
    rekor: Arc<RekorLogs>,
    served: Served,
    tuf: Repository,
    tuf_metrics: tuf::Metrics,
    _following: Following,
}

impl Services {
    /// Builds all roles over one store.
    pub(crate) async fn build(
        instance: &Instance,
        issuers: Issuers,
        database: &Database,
        outward: &OutwardArgs,
        clock: &Clock,
    ) -> Result<Self> {
        let registry = Registry::new();
        let outward = Outward::new(outward, &instance.layout, clock, &registry)?;
        let (log, rekor) = open_logs(instance, database, outward, clock).await?;
        let (served, rekor_router) = rekor_apis(instance, &rekor, &registry).await?;
        let ct = ct_log(instance, &log, clock);
        let tuf = tuf_repository::open(&instance.layout, database, clock)?;
        let dev = match issuers.text {
            Some(_) => None,
            None => Some(DevIssuer::new(
                &instance.public.url,
                instance.dev_issuer()?,
                clock.clone(),
            )),
        };
        let fulcio = fulcio::build(
            fulcio::Config {
                issuers: issuers
                    .text
                    .or_else(|| dev.as_ref().map(DevIssuer::fulcio_config_yaml))
                    .unwrap_or_default(),
                allow_http_issuers: issuers.allow_http,
            },
            fulcio::Deps {
                signer: instance.signers.issuing_ca.clone(),
                chain: instance.public.ca_chain.clone(),
                ct: ct.clone(),
                clock: clock.clone(),
                registry: registry.clone(),
            },
        )
        .context("certificate authority")?;
        let mut roles = fulcio
            .merge(rekor_router)
            .merge(timestamp_authority(instance, clock)?)
            .nest("/ctlog", ct.router())
            .nest("/tuf", tuf::router(tuf.store()));
        let (verifier, following) = super::verifier::build(instance, clock, &registry).await?;
        roles = roles.merge(verifier.router());
        let dev_issuer = dev.as_ref().map(DevIssuer::email_issuer);
        if let Some(issuer) = dev {
            roles = roles.merge(issuer.router());
        }
        let rekor = Arc::new(rekor);
        let mut checks = probes(&roles);
        checks.extend(appending(&log, &rekor));
        let readiness = Readiness::new(checks);
        let router = roles
            .merge(health::router(readiness.clone()))
            .fallback(unknown_path)
            .layer(from_fn_with_state(served.clone(), dispatch));
        let tuf_metrics = tuf::Metrics::register(&registry)?;
        Ok(Self {
            router,
            readiness,
            registry,
            dev_issuer,
            ct: log,
            rekor,
            served,
            tuf,
            tuf_metrics,
            _following: following,
        })
    }

    /// Asks every role once; an error names those that do not answer.
    pub(crate) async fn check_ready(&self) -> Result<()> {
        let failures = self.readiness.failures().await;
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
    /// publishes them in the TUF repository.
    /// Answers how far `instance.json` was looked at.
    pub(crate) async fn finish_rotations(&self, layout: &Layout) -> Result<Stamp> {
        let seen = Stamp::of(layout);
        let oidc = self.dev_issuer.as_deref();
        finish(layout, &self.rekor, Some(&self.served), oidc, &self.tuf).await?;
        Ok(seen)
    }

    /// Sees to rotations that are recorded while the process serves.
    pub(crate) fn watch_rotations(&self, layout: &Layout, seen: Stamp) -> JoinHandle<()> {
        let (logs, served) = (self.rekor.clone(), self.served.clone());
        let (layout, oidc) = (layout.clone(), self.dev_issuer.clone());
        tokio::spawn(watch(layout, logs, served, oidc, self.tuf.clone(), seen))
    }

    /// Signs the TUF repository anew when it is time.
    pub(crate) fn keep_tuf_fresh(&self) -> JoinHandle<()> {
        let (tuf, metrics) = (self.tuf.clone(), self.tuf_metrics.clone());
        tokio::spawn(tuf::keep_fresh(tuf, metrics))
    }

    /// Finishes the batches in hand, closes the logs, then what they stand on.
    pub(crate) async fn close(&self) {
        self.ct.close().await;
        self.rekor.close().await;
    }
}

/// Opens the CT log and all shards of the Rekor logs that take no new step of a rotation.
async fn open_logs(
    instance: &Instance,
    database: &Database,
    outward: Outward,
    clock: &Clock,
) -> Result<(Log, RekorLogs)> {
    let store = database.open(instance.is_unfinished()).await?;
    let opener = Opener {
        store,
        guard: FileGuard::open(&instance.layout.guard())?,
        clock: clock.clone(),
        is_new: instance.is_unfinished(),
        outward,
    };
    let (host, signer) = (&instance.public.host, instance.signers.ct_log.clone());
    let rekor = RekorLogs::new(instance, opener);
    let ct = rekor
        .open_other("ct", &CtLog::origin(host), CtLog::head_signer(host, signer))
        .await?;
    Ok((ct, rekor))
}

/// The Rekor APIs over all shards that are in service.
async fn rekor_apis(
    instance: &Instance,
    logs: &RekorLogs,
    registry: &Registry,
) -> Result<(Served, Router)> {
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
    Ok((served, router))
}

fn ct_log(instance: &Instance, log: &Log, clock: &Clock) -> CtLog {
    CtLog::new(
        ct::Config {
            host: instance.public.host.clone(),
        },
        ct::Deps {
            log: log.clone(),
            signer: instance.signers.ct_log.clone(),
            clock: clock.clone(),
            chains: vec![instance.public.ca_chain.clone()],
        },
    )
}

fn timestamp_authority(instance: &Instance, clock: &Clock) -> Result<Router> {
    tsa::build(
        tsa::Config {},
        tsa::Deps {
            signer: instance.signers.tsa.clone(),
            chain: instance.public.tsa_chain.clone(),
            clock: clock.clone(),
        },
    )
    .context("timestamp authority")
}

/// What reading alone does not show: a log that cannot append.
fn appending(ct: &Log, rekor: &Arc<RekorLogs>) -> [(String, Check); 2] {
    let (ct, rekor) = (ct.clone(), rekor.clone());
    let ct: Check = Arc::new(move || {
        let log = ct.clone();
        Box::pin(async move { log.health().await.map_err(|error| error.to_string()) })
    });
    let rekor: Check = Arc::new(move || {
        let logs = rekor.clone();
        Box::pin(async move { logs.health().await })
    });
    [
        ("CT log, appending".to_owned(), ct),
        ("Rekor logs, appending".to_owned(), rekor),
    ]
}

/// Probes roles in process, through the same routes that clients use.
fn probes(router: &Router) -> Vec<(String, Check)> {
    let probe = |path: &'static str| -> Check {
        let router = router.clone();
        Arc::new(move || {
            let router = router.clone();
            Box::pin(async move {
                let request = Request::get(path)
                    .body(Body::empty())
                    .map_err(|error| error.to_string())?;
                let response = router
                    .oneshot(request)
                    .await
                    .map_err(|error| error.to_string())?;
                if response.status().is_success() {
                    Ok(())
                } else {
                    Err(format!("GET {path} answers {}", response.status()))
                }
            })
        })
    };
    PROBES
        .iter()
        .map(|(role, path)| ((*role).to_owned(), probe(path)))
        .collect()
}

/// Answers for a path that no role has, in the form that its API's clients read.
async fn unknown_path(uri: Uri) -> axum::response::Response {
    if uri.path().starts_with("/api/v1/log") {
        let body = serde_json::json!({"code": 404, "message": format!("path {} was not found", uri.path())});
        return (http::StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    }
    GatewayError::new(Code::NotFound, "Not Found").into_response()
}
