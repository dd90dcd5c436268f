//! Routes and handlers of the v2 API (spec B.2).

use crate::body::{BodyError, read_body};
use crate::metrics::{Metrics, Observing};
use crate::v2::error::ApiError;
use crate::v2::reads::{self, Tiles};
use crate::v2::{Config, Shared, parse_v2_entry};
use crate::work::Workers;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use formats::b64::B64;
use formats::bundle::{
    CheckpointEnvelope, InclusionProof, KindVersion, LogId, TransparencyLogEntry,
};
use http::{HeaderValue, StatusCode, header};
use keys::Signer;
use service::error::Code;
use std::sync::Arc;
use tlog::{AppendError, Integrated, Log, Submission};
use tower_http::compression::CompressionLayer;

/// What every handler has at hand.
struct Api {
    log: Log,
    tiles: Tiles,
    log_id: [u8; 32],
    max_body: usize,
    metrics: Metrics,
    workers: Workers,
}

pub(super) fn router(config: Config, shared: &Shared, log: Log, signer: &Signer) -> Router {
    let metrics = shared.metrics.clone();
    let api = Arc::new(Api {
        log,
        tiles: Tiles::default(),
        log_id: super::log_id(&config.host, signer.public_key()),
        max_body: config.max_body,
        metrics: metrics.clone(),
        workers: shared.workers.clone(),
    });
    let unknown = || async { ApiError::not_found() };
    // Whole paths and one layer: what is nested, and each layer, is a copy of everything below it, for each request.
    Router::new()
        .route("/api/v2/log/entries", post(create_entry))
        .route("/api/v2/log/entries/", post(create_entry))
        .route("/api/v2/log", any(unknown))
        .route("/api/v2/log/{*unknown}", any(unknown))
        // Real clients read at the root, the specification says /api/v2: both answer.
        .merge(reads(""))
        .merge(reads("/api/v2"))
        .method_not_allowed_fallback(wrong_method)
        .layer(Observing(metrics))
        .with_state(api)
}

fn reads(prefix: &str) -> Router<Arc<Api>> {
    // Hashes do not compress; bundles do, as C2SP asks.
    let bundles = get(bundle).layer(CompressionLayer::new().compress_when(reads::is_compressible));
    Router::new()
        .route(&format!("{prefix}/checkpoint"), get(checkpoint))
        .route(&format!("{prefix}/tile/entries/{{*path}}"), bundles)
        .route(&format!("{prefix}/tile/{{level}}/{{*path}}"), get(tile))
}

/// `POST entries`: verify, append, answer with a proof at a published checkpoint.
async fn create_entry(State(api): State<Arc<Api>>, body: Body) -> Result<Response, ApiError> {
    // Whatever it is: nothing goes in any more.
    if api.log.is_frozen() {
        return Err(AppendError::Frozen.into());
    }
    let body = read_body(body, api.max_body)
        .await
        .map_err(|problem| match problem {
            BodyError::TooLarge => {
                let message = format!(
                    "http: request body too large: the limit is {} bytes",
                    api.max_body
                );
                ApiError::new(Code::InvalidArgument, message)
            }
            BodyError::Broken => ApiError::new(Code::InvalidArgument, "the request body broke off"),
        })?;
    // 1. Parse, verify the signature, canonicalize.
    let entry = api
        .workers
        .run(body.len(), move || parse_v2_entry(&body))
        .await??;
    // 2. Append; the engine answers only for a committed leaf under a stored checkpoint.
    let identity = merkle::leaf_hash(&entry.body);
    let submission = Submission {
        leaf: entry.body.into(),
        identity,
        extra: bytes::Bytes::new(),
    };
    let integrated = api.log.append(submission).await?;
    if integrated.duplicate {
        return Err(ApiError::duplicate(integrated.entry.index));
    }
    api.metrics.new_entries.inc();
    // 3. The Go client takes exactly 201.
    let entry = transparency_log_entry(&api.log_id, &integrated)?;
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    Ok((StatusCode::CREATED, json, entry.to_rekor_v2_json()).into_response())
}

/// protojson with default values: no SET, integrated time zero (spec B.5).
fn transparency_log_entry(
    log_id: &[u8; 32],
    integrated: &Integrated,
) -> Result<TransparencyLogEntry, ApiError> {
    let head = &integrated.head;
    let index = wire_int(integrated.entry.index)?;
    let checkpoint = std::str::from_utf8(&head.checkpoint)
        .map_err(|error| ApiError::internal("failed to integrate entry", &error))?;
    Ok(TransparencyLogEntry {
        log_index: index,
        log_id: LogId {
            key_id: B64(log_id.to_vec()),
        },
        kind_version: KindVersion {
            kind: "hashedrekord".into(),
            version: "0.0.2".into(),
        },
        integrated_time: 0,
        inclusion_promise: None,
        inclusion_proof: Some(InclusionProof {
            log_index: index,
            root_hash: B64(head.root.to_vec()),
            tree_size: wire_int(head.size)?,
            hashes: integrated
                .proof
                .iter()
                .map(|hash| B64(hash.to_vec()))
                .collect(),
            checkpoint: Some(CheckpointEnvelope {
                envelope: checkpoint.to_owned(),
            }),
        }),
        canonicalized_body: B64(integrated.entry.leaf.to_vec()),
    })
}

fn wire_int(value: u64) -> Result<i64, ApiError> {
    i64::try_from(value).map_err(|error| ApiError::internal("failed to integrate entry", &error))
}

async fn checkpoint(State(api): State<Arc<Api>>, asked: Request) -> Response {
    reads::checkpoint(&api.log, asked.headers())
}

async fn tile(State(api): State<Arc<Api>>, asked: Request) -> Result<Response, ApiError> {
    let (level, path) = reads::split(asked.uri().path())?;
    api.tiles.tile(&api.log, level, path, asked.headers()).await
}

async fn bundle(State(api): State<Arc<Api>>, asked: Request) -> Result<Response, ApiError> {
    let (_, path) = reads::split(asked.uri().path())?;
    reads::bundle(&api.log, path, asked.headers()).await
}

/// grpc-gateway: an unknown verb is an unimplemented call, hence 501.
async fn wrong_method() -> ApiError {
    ApiError::new(Code::Unimplemented, "Method Not Allowed")
}
