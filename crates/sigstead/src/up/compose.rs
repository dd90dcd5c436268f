//! Builds every service over one store and merges their routers.

use crate::database::Database;
use crate::instance::Instance;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use clock::Clock;
use ct::CtLog;
use http::{Request, Uri};
use oidc::dev::DevIssuer;
use prometheus::Registry;
use service::error::{Code, GatewayError};
use service::health::{self, Check, Readiness};
use std::sync::Arc;
use tlog::kill::{self, Moment};
use tlog::{FileGuard, Guard, HeadSigner, Limits, Log, OpenError, Store};
use tower::ServiceExt;

/// One path a role, which answers 200 when the role works.
const PROBES: [(&str, &str); 5] = [
    ("certificate authority", "/api/v2/trustBundle"),
    ("CT log", "/ctlog/ct/v1/get-sth"),
    ("Rekor v1 log", "/api/v1/log"),
    ("Rekor v2 log", "/api/v2/checkpoint"),
    ("timestamp authority", "/api/v1/timestamp/certchain"),
];

/// Whose tokens the CA accepts.
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
    logs: Logs,
}

impl Services {
    /// Builds all roles over one store.
    pub(crate) async fn build(
        instance: &Instance,
        issuers: Issuers,
        database: &Database,
        clock: &Clock,
    ) -> Result<Self> {
        let registry = Registry::new();
        let logs = Logs::open(instance, database, clock).await?;
        let ct = ct_log(instance, &logs, clock);
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
            .merge(rekor_v1(instance, &logs, &registry))
            .merge(rekor_v2(instance, &logs, &registry))
            .merge(timestamp_authority(instance, clock)?)
            .nest("/ctlog", ct.router());
        let dev_issuer = dev.as_ref().map(DevIssuer::email_issuer);
        if let Some(issuer) = dev {
            roles = roles.merge(issuer.router());
        }
        let mut checks = probes(&roles);
        checks.extend(logs.checks());
        let readiness = Readiness::new(checks);
        let router = roles
            .merge(health::router(readiness.clone()))
            .fallback(unknown_path);
        Ok(Self {
            router,
            readiness,
            registry,
            dev_issuer,
            logs,
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

    /// Finishes the batches in hand, closes the logs, then what they stand on.
    pub(crate) async fn close(&self) {
        for log in [&self.logs.ct, &self.logs.v1, &self.logs.v2] {
            log.close().await;
        }
        self.logs.guard.close().await;
        // Folds the write-ahead log into the database: after a stop one file is all of it, also for a backup.
        kill::pass(Moment::StoreClose);
        self.logs.store.close().await;
        kill::pass(Moment::StoreClosed);
    }
}

/// The three logs of an instance.
struct Logs {
    ct: Log,
    v1: Log,
    v2: Log,
    guard: Arc<FileGuard>,
    store: Arc<dyn Store>,
}

impl Logs {
    async fn open(instance: &Instance, database: &Database, clock: &Clock) -> Result<Self> {
        let store = database.open(instance.is_unfinished()).await?;
        let guard = FileGuard::open(&instance.layout.guard())?;
        let opener = Opener {
            store: store.clone(),
            guard: guard.clone(),
            clock: clock.clone(),
            create: instance.is_unfinished(),
        };
        let (host, signers) = (&instance.public.host, &instance.signers);
        let ct = CtLog::head_signer(host, signers.ct_log.clone());
        let v1 = rekor::v1::head_signer(host, instance.tree_id(), signers.rekor_v1.clone());
        let v2 = rekor::v2::head_signer(host, signers.rekor_v2.clone());
        Ok(Self {
            ct: opener.open("ct", ct).await?,
            v1: opener.open("rekor-v1", v1).await?,
            v2: opener.open("rekor-v2", v2).await?,
            guard,
            store,
        })
    }
}

impl Logs {
    /// What reading alone does not show: a log that cannot append.
    fn checks(&self) -> Vec<(String, Check)> {
        let check = |log: &Log| -> Check {
            let log = log.clone();
            Arc::new(move || {
                let log = log.clone();
                Box::pin(async move { log.health().await.map_err(|error| error.to_string()) })
            })
        };
        let logs = [
            ("CT log, appending", &self.ct),
            ("Rekor v1 log, appending", &self.v1),
            ("Rekor v2 log, appending", &self.v2),
        ];
        let named = logs.map(|(name, log)| (name.to_owned(), check(log)));
        named.into()
    }
}

struct Opener {
    store: Arc<dyn Store>,
    guard: Arc<FileGuard>,
    clock: Clock,
    create: bool,
}

impl Opener {
    async fn open(&self, name: &str, signer: Arc<dyn HeadSigner>) -> Result<Log> {
        let opened = Log::open_guarded(
            self.store.clone(),
            name,
            signer,
            self.clock.clone(),
            limits(),
            self.create,
            self.guard.clone(),
        );
        let log = opened.await.map_err(|error| match error {
            // These say themselves what to do.
            OpenError::BehindGuard { .. } | OpenError::Guard(_) => error.into(),
            error => anyhow::Error::from(error).context(
                "a log that was there before cannot be opened; restore the database from the newest backup. \
                 Starting it anew with the same key would fork it",
            ),
        })?;
        // Nothing was ever appended before the instance was finished.
        if self.create && log.head().size > 0 {
            bail!(
                "the database has a log {name} of another instance, which this one's key would fork; \
                 give this instance a database of its own"
            );
        }
        Ok(log)
    }
}

/// The engine's own limits. With kill points runs of keys are written and merged within seconds, as they are within hours
/// in an instance that is used.
fn limits() -> Limits {
    let mut limits = Limits::default();
    if cfg!(feature = "kill-points") {
        limits.key_tail = 256;
    }
    limits
}

fn ct_log(instance: &Instance, logs: &Logs, clock: &Clock) -> CtLog {
    CtLog::new(
        ct::Config {
            host: instance.public.host.clone(),
        },
        ct::Deps {
            log: logs.ct.clone(),
            signer: instance.signers.ct_log.clone(),
            clock: clock.clone(),
            chains: vec![instance.public.ca_chain.clone()],
        },
    )
}

fn rekor_v1(instance: &Instance, logs: &Logs, registry: &Registry) -> Router {
    rekor::v1::build(
        rekor::v1::Config::new(&instance.public.host, instance.tree_id()),
        rekor::v1::Deps {
            log: logs.v1.clone(),
            signer: instance.signers.rekor_v1.clone(),
            registry: registry.clone(),
        },
    )
}

fn rekor_v2(instance: &Instance, logs: &Logs, registry: &Registry) -> Router {
    rekor::v2::build(
        rekor::v2::Config::new(&instance.public.host),
        rekor::v2::Deps {
            log: logs.v2.clone(),
            signer: instance.signers.rekor_v2.clone(),
            registry: registry.clone(),
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
