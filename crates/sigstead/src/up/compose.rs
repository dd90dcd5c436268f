//! Builds every service over one store and merges their routers.

use crate::instance::Instance;
use anyhow::{Context, Result};
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
use tlog::{FileGuard, Guard, HeadSigner, Limits, Log, OpenError, Store};
use tower::ServiceExt;

/// Request bodies of the Rekor v1 log, as public deployments limit them.
const MAX_V1_BODY: usize = 32 << 20;
/// Request bodies of the Rekor v2 log.
const MAX_V2_BODY: usize = 4 << 20;

/// One path a role, which answers 200 when the role works.
const PROBES: [(&str, &str); 6] = [
    ("certificate authority", "/api/v2/trustBundle"),
    ("CT log", "/ctlog/ct/v1/get-sth"),
    ("Rekor v1 log", "/api/v1/log"),
    ("Rekor v2 log", "/api/v2/checkpoint"),
    ("timestamp authority", "/api/v1/timestamp/certchain"),
    ("trust files", "/healthz"),
];

/// The services of one process.
pub(crate) struct Services {
    pub(crate) router: Router,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
    /// URL of the development issuer, when it is on.
    pub(crate) dev_issuer: Option<String>,
    logs: Vec<Log>,
    guard: Arc<FileGuard>,
}

impl Services {
    /// Builds all roles. `issuers` replaces the development issuer.
    pub(crate) async fn build(
        instance: &Instance,
        issuers: Option<String>,
        clock: &Clock,
    ) -> Result<Self> {
        let registry = Registry::new();
        let store = tlog::store::sqlite(&instance.layout.database())
            .await
            .with_context(|| format!("database {}", instance.layout.database().display()))?;
        let host = &instance.public.host;
        let signers = &instance.signers;
        let guard = FileGuard::open(&instance.layout.guard())?;
        let opener = Opener {
            store,
            guard: guard.clone(),
            clock: clock.clone(),
            create: instance.unfinished,
        };

        let ct_log = opener
            .open("ct", CtLog::head_signer(host, signers.ct_log.clone()))
            .await?;
        let v1_signer = rekor::v1::head_signer(host, instance.tree_id(), signers.rekor_v1.clone());
        let v1_log = opener.open("rekor-v1", v1_signer).await?;
        let v2_log = opener
            .open(
                "rekor-v2",
                rekor::v2::head_signer(host, signers.rekor_v2.clone()),
            )
            .await?;
        let logs = vec![ct_log.clone(), v1_log.clone(), v2_log.clone()];

        let ct = CtLog::new(
            ct::Config { host: host.clone() },
            ct::Deps {
                log: ct_log,
                signer: signers.ct_log.clone(),
                clock: clock.clone(),
                chains: vec![instance.public.ca_chain.clone()],
            },
        );
        let dev = issuers.is_none().then(|| {
            DevIssuer::new(
                &instance.public.url,
                signers.dev_issuer.clone(),
                clock.clone(),
            )
        });
        let fulcio = fulcio::build(
            fulcio::Config {
                issuers: issuers
                    .or_else(|| dev.as_ref().map(DevIssuer::fulcio_config_yaml))
                    .unwrap_or_default(),
                allow_http_issuers: true,
            },
            fulcio::Deps {
                signer: signers.issuing_ca.clone(),
                chain: instance.public.ca_chain.clone(),
                ct: ct.clone(),
                clock: clock.clone(),
                registry: registry.clone(),
            },
        )
        .context("certificate authority")?;
        let v1 = rekor::v1::build(
            rekor::v1::Config {
                host: host.clone(),
                tree_id: instance.tree_id(),
                max_body: MAX_V1_BODY,
            },
            rekor::v1::Deps {
                log: v1_log,
                signer: signers.rekor_v1.clone(),
                registry: registry.clone(),
            },
        );
        let v2 = rekor::v2::build(
            rekor::v2::Config {
                host: host.clone(),
                max_body: MAX_V2_BODY,
            },
            rekor::v2::Deps {
                log: v2_log,
                signer: signers.rekor_v2.clone(),
                registry: registry.clone(),
            },
        );
        let tsa = tsa::build(
            tsa::Config {},
            tsa::Deps {
                signer: signers.tsa.clone(),
                chain: instance.public.tsa_chain.clone(),
                clock: clock.clone(),
            },
        )
        .context("timestamp authority")?;

        let roles = fulcio
            .merge(v1)
            .merge(v2)
            .merge(tsa)
            .nest("/ctlog", ct.router());
        let dev_issuer = dev.as_ref().map(DevIssuer::email_issuer);
        let roles = match dev {
            Some(issuer) => roles.merge(issuer.router()),
            None => roles,
        };
        let readiness = Readiness::new(probes(
            &roles.clone().merge(health::router(Readiness::default())),
        ));
        let router = roles
            .merge(health::router(readiness.clone()))
            .fallback(unknown_path);
        Ok(Self {
            router,
            readiness,
            registry,
            dev_issuer,
            logs,
            guard,
        })
    }

    /// Finishes the batches in hand and closes the logs.
    pub(crate) async fn close(&self) {
        for log in &self.logs {
            log.close().await;
        }
        self.guard.close().await;
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
            Limits::default(),
            self.create,
            self.guard.clone(),
        );
        opened.await.map_err(|error| match error {
            // These say themselves what to do.
            OpenError::BehindGuard { .. } | OpenError::Guard(_) => error.into(),
            error => anyhow::Error::from(error).context(
                "a log that was there before cannot be opened; restore the database from the newest backup. \
                 Starting it anew with the same key would fork it",
            ),
        })
    }
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
