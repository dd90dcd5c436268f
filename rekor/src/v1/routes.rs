//! Routes and handlers of the v1 API (spec A.1).

use crate::kinds::{self, CanonicalEntry};
use crate::metrics::{Metrics, Observing};
use crate::v1::answer::{checkpoint_text, hex_digits, wire_int};
use crate::v1::error::{ApiError, json_response, json_text};
use crate::v1::id::{EntryId, EntryName};
use crate::v1::negotiate::{JSON, PEM, check_accept, read_json};
use crate::v1::params::Params;
use crate::v1::retrieve::Query;
use crate::v1::shard::{Now, Proven, Shard, Shards};
use crate::work::Workers;
use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, Path, Query as RawParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use merkle::Hash;
use prometheus::Registry;
use serde::Serialize;
use std::sync::Arc;
use tlog::{Submission, TreeHead};
use tower_http::cors::{Any, CorsLayer};

/// What every handler has at hand.
struct Api {
    shards: Shards,
    max_body: usize,
    metrics: Metrics,
    workers: Workers,
}

type Pairs = RawParams<Vec<(String, String)>>;

/// Where entries live; Locations are this path, relative to the server (spec A.4).
const ENTRIES: &str = "/api/v1/log/entries";

/// What Go's chi middleware calls no cache.
const NO_CACHE: &str = "no-cache, no-store, no-transform, must-revalidate, private, max-age=0";

pub(super) fn router(shards: Shards, max_body: usize, registry: &Registry) -> Router {
    let metrics = Metrics::register(registry, "v1");
    let api = Arc::new(Api {
        shards,
        max_body,
        metrics: metrics.clone(),
        workers: Workers::new(),
    });
    // Whole paths and one layer: what is nested, and each layer, is a copy of everything below it, for each request.
    let log = |path: &str, methods| slashed(&format!("/api/v1/log{path}"), methods);
    Router::new()
        .merge(log("", get(log_info)))
        .merge(log("/publicKey", get(public_key)))
        .merge(log("/proof", get(log_proof)))
        .merge(log("/entries", get(entry_by_index).post(create_entry)))
        .merge(log("/entries/retrieve", post(retrieve_entries)))
        .merge(log("/entries/{entryUUID}", get(entry_by_uuid)))
        .route("/api/v1/log/{*unknown}", any(unknown_path))
        .merge(slashed("/api/v1/index/retrieve", post(search_disabled)))
        .route("/ping", get(ping))
        .method_not_allowed_fallback(wrong_method)
        .layer((cors(), Observing(metrics)))
        .with_state(api)
}

/// A route with and without a slash at its end; sigstore-python sends one.
fn slashed(path: &str, methods: MethodRouter<Arc<Api>>) -> Router<Arc<Api>> {
    Router::new()
        .route(path, methods.clone())
        .route(&format!("{path}/"), methods)
}

/// Any origin may read and submit: rekor-search-ui runs in a browser.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::HEAD])
        .allow_headers(Any)
        .expose_headers([header::LOCATION, header::ETAG])
}

/// `POST entries`: verify, append, answer with a proof.
async fn create_entry(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let (asked, body) = request.into_parts();
    check_accept(&asked.headers, JSON)?;
    let body = read_json(&asked.headers, body, api.max_body).await?;
    // 1. Parse, verify the signatures, canonicalize.
    let parsed = api
        .workers
        .run(body.len(), move || kinds::parse_v1_entry(&body))
        .await?;
    let CanonicalEntry { body, .. } = parsed.map_err(|error| ApiError::of_entry(&error))?;
    // 2. Append; the engine answers only for a committed leaf (invariant 4).
    let uuid = merkle::leaf_hash(&body);
    let submission = Submission {
        leaf: body.into(),
        identity: uuid,
        extra: bytes::Bytes::new(),
    };
    let (shard, integrated) = api.shards.append(submission).await?;
    let id = shard.entry_id(uuid);
    if integrated.duplicate {
        return Err(ApiError::duplicate(&id, location(&id)?));
    }
    api.metrics.new_entries.inc();
    // 3. Answer from the head that the proof was made at.
    let proven = Proven {
        entry: &integrated.entry,
        uuid,
        proof: &integrated.proof,
        head: &integrated.head,
    };
    let (id, text) = shard.answer(&proven).await?;
    created(&id, text)
}

/// 201 with the headers that clients index the body by: sigstore-go uses the raw ETag value as
/// the map's key, so it has no quotes.
fn created(id: &EntryId, text: Vec<u8>) -> Result<Response, ApiError> {
    let mut response = json_text(StatusCode::CREATED, text);
    response
        .headers_mut()
        .insert(header::ETAG, header_value(id.to_string())?);
    response
        .headers_mut()
        .insert(header::LOCATION, location(id)?);
    Ok(response)
}

/// `GET entries?logIndex=`: by global index.
async fn entry_by_index(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    RawParams(pairs): Pairs,
) -> Result<Response, ApiError> {
    check_accept(&headers, JSON)?;
    let index = Params::new(pairs).required_integer("logIndex", 0)?;
    let index = u64::try_from(index).map_err(|_| ApiError::no_entry())?;
    let now = api.shards.now();
    let (shard, local) = now.by_index(index).ok_or_else(ApiError::no_entry)?;
    let entry = shard
        .entry_at(local)
        .await?
        .ok_or_else(ApiError::no_entry)?;
    Ok(fresh(json_text(StatusCode::OK, entry)))
}

/// `GET entries/{entryUUID}`: by 64 or 80 hex digits.
async fn entry_by_uuid(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    check_accept(&headers, JSON)?;
    let now = api.shards.now();
    let (uuid, shards): (_, Vec<&Shard>) = match EntryName::parse(&name)? {
        EntryName::Uuid(uuid) => (uuid, now.searched().collect()),
        EntryName::Id(id) => (id.uuid, now.by_tree(id.tree_id).into_iter().collect()),
    };
    for shard in shards {
        if let Some(entry) = shard.entry_by_uuid(&uuid).await? {
            return Ok(fresh(json_text(StatusCode::OK, entry)));
        }
    }
    Err(ApiError::no_entry())
}

/// `POST entries/retrieve`: up to ten at once.
async fn retrieve_entries(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    check_accept(&headers, JSON)?;
    let body = read_json(&headers, body, api.max_body).await?;
    let query = api
        .workers
        .run(body.len(), move || Query::parse(&body))
        .await??;
    let found = query.run(&api.shards.now()).await?;
    Ok(json_text(StatusCode::OK, found))
}

/// `GET /api/v1/log`.
async fn log_info(State(api): State<Arc<Api>>, asked: Request) -> Result<Response, ApiError> {
    check_accept(asked.headers(), JSON)?;
    let now = api.shards.now();
    let heads: Vec<_> = now
        .inactive()
        .iter()
        .map(|shard| shard.log.head())
        .collect();
    let inactive = now.inactive().iter().zip(&heads);
    let inactive = inactive
        .map(|(shard, head)| TreeInfo::new(shard, head))
        .collect::<Result<Vec<_>, _>>()?;
    let head = now.active().log.head();
    let info = LogInfo {
        inactive_shards: (!inactive.is_empty()).then_some(inactive),
        active: TreeInfo::new(now.active(), &head)?,
    };
    Ok(fresh(json_response(StatusCode::OK, &info)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogInfo<'a> {
    inactive_shards: Option<Vec<TreeInfo<'a>>>,
    #[serde(flatten)]
    active: TreeInfo<'a>,
}

/// What is told of each shard.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TreeInfo<'a> {
    root_hash: String,
    signed_tree_head: &'a str,
    #[serde(rename = "treeID")]
    tree_id: String,
    tree_size: u64,
}

impl<'a> TreeInfo<'a> {
    fn new(shard: &Shard, head: &'a TreeHead) -> Result<Self, ApiError> {
        Ok(Self {
            root_hash: hex_text(&head.root),
            signed_tree_head: checkpoint_text(&head.checkpoint)?,
            tree_id: shard.tree_id.to_string(),
            tree_size: head.size,
        })
    }
}

/// `GET publicKey`: the key of a shard, the active one when none is named.
async fn public_key(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    RawParams(pairs): Pairs,
) -> Result<Response, ApiError> {
    check_accept(&headers, PEM)?;
    let params = Params::new(pairs);
    let now = api.shards.now();
    let shard = tree(&now, params.tree_id()?)
        .map_err(|message| ApiError::bad_request(format!("Bad Request: {message}")))?;
    let pem = shard.signer.public_key().to_pem();
    Ok(fresh(
        ([(header::CONTENT_TYPE, HeaderValue::from_static(PEM))], pem).into_response(),
    ))
}

/// `GET proof`: consistency between two sizes of a shard.
async fn log_proof(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    RawParams(pairs): Pairs,
) -> Result<Response, ApiError> {
    check_accept(&headers, JSON)?;
    let params = Params::new(pairs);
    let first = params.integer("firstSize", 1)?.unwrap_or(1);
    let last = params.required_integer("lastSize", 1)?;
    let wanted = params.tree_id()?;
    if first > last {
        let message = format!("firstSize({first}) must be less than lastSize({last})");
        return Err(ApiError::bad_request(message));
    }
    let now = api.shards.now();
    let shard = tree(&now, wanted).map_err(ApiError::bad_request)?;
    let head = shard.log.head();
    if last > wire_int(head.size)? {
        let size = head.size;
        return Err(ApiError::bad_request(format!(
            "the tree size requested({last}) was greater than what is currently observable({size})"
        )));
    }
    let hashes = shard
        .log
        .consistency_proof(first.unsigned_abs(), last.unsigned_abs())
        .await?;
    // The root is the current one, not that of lastSize: clients know the two they ask about.
    let proof = ConsistencyProof {
        hashes: hashes.iter().map(hex_text).collect(),
        root_hash: hex_text(&head.root),
    };
    Ok(fresh(json_response(StatusCode::OK, &proof)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsistencyProof {
    hashes: Vec<String>,
    root_hash: String,
}

/// `POST /api/v1/index/retrieve`: this server keeps no search index.
async fn search_disabled() -> ApiError {
    let message = "SearchIndex API not enabled in this Rekor instance";
    ApiError::new(StatusCode::NOT_IMPLEMENTED, message)
}

async fn ping() -> &'static str {
    "."
}

async fn unknown_path(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("path {} was not found", crate::echo(uri.path())),
    )
}

/// The router adds the `Allow` header.
async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let message = format!(
        "method {method} is not allowed for {}",
        crate::echo(uri.path())
    );
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// The shard that a question names, else the active one; an error says which there are.
fn tree<'a>(now: &'a Now, wanted: Option<&str>) -> Result<&'a Shard, String> {
    let Some(wanted) = wanted else {
        return Ok(now.active());
    };
    let found = wanted.parse().ok().and_then(|id| now.by_tree(id));
    found.ok_or_else(|| {
        format!(
            "no log range found for tree ID {}; this log's tree ID is {}",
            crate::echo(wanted),
            now.active().tree_id
        )
    })
}

fn hex_text(hash: &Hash) -> String {
    hex_digits(hash).into_iter().map(char::from).collect()
}

fn location(id: &EntryId) -> Result<HeaderValue, ApiError> {
    header_value(format!("{ENTRIES}/{id}"))
}

fn header_value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(|e| ApiError::internal("error generating header", &e))
}

/// Marks an answer that changes with the tree.
fn fresh(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_CACHE));
    response
}
