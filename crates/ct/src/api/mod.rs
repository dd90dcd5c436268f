//! The endpoints of RFC 6962 section 4, below `/ct/v1/`.

mod error;
mod wire;

use crate::chain::check_chain;
use crate::limits::{MAX_BODY, MAX_ENTRIES};
use crate::{CtError, CtLog, stored};
use axum::Json;
use axum::Router;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::routing::{get, post};
use bytes::Bytes;
use error::ApiError;
use tlog::Entry;
use wire::{
    AddChain, AddChainAnswer, ConsistencyAnswer, ConsistencyQuery, EntriesAnswer, EntriesQuery,
    EntryAndProofAnswer, EntryAndProofQuery, LogEntry, ProofAnswer, ProofQuery, RootsAnswer,
    SthAnswer,
};

/// An answer, or an error in text.
type Answer<T> = Result<Json<T>, ApiError>;
/// A query that may not parse, so that the error is ours.
type Asked<T> = Result<Query<T>, QueryRejection>;

pub(crate) fn router(log: CtLog) -> Router {
    Router::new()
        .route("/ct/v1/add-chain", post(add_chain))
        .route("/ct/v1/add-pre-chain", post(add_pre_chain))
        .route("/ct/v1/get-sth", get(get_sth))
        .route("/ct/v1/get-sth-consistency", get(get_sth_consistency))
        .route("/ct/v1/get-proof-by-hash", get(get_proof_by_hash))
        .route("/ct/v1/get-entries", get(get_entries))
        .route("/ct/v1/get-roots", get(get_roots))
        .route("/ct/v1/get-entry-and-proof", get(get_entry_and_proof))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(log)
}

async fn add_chain(
    State(log): State<CtLog>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<AddChainAnswer> {
    add(&log, &body?, false).await
}

async fn add_pre_chain(
    State(log): State<CtLog>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<AddChainAnswer> {
    add(&log, &body?, true).await
}

/// For [`crate::parse_add_chain`].
pub(crate) fn parse_add_chain(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    AddChain::parse(body).ok()
}

async fn add(log: &CtLog, body: &[u8], precert: bool) -> Answer<AddChainAnswer> {
    let submitted = AddChain::parse(body)?;
    let accepted = check_chain(&submitted, &log.roots(), precert).map_err(CtError::from)?;
    let [issuer, ..] = accepted.issuers.as_slice() else {
        return Err(CtError::from(crate::ChainError::NoIssuer).into());
    };
    let sct = log.add(&accepted.leaf, issuer, &accepted.issuers).await?;
    Ok(Json(AddChainAnswer::new(&sct)))
}

async fn get_sth(State(log): State<CtLog>) -> Answer<SthAnswer> {
    Ok(Json(SthAnswer::new(&log.sth()?)))
}

async fn get_sth_consistency(
    State(log): State<CtLog>,
    query: Asked<ConsistencyQuery>,
) -> Answer<ConsistencyAnswer> {
    let Query(ConsistencyQuery { first, second }) = query?;
    let size = log.log().head().size;
    if second < first || second > size {
        return Err(ApiError::bad_request(format!(
            "first ≤ second ≤ {size} must hold, not {first} and {second}"
        )));
    }
    let proof = log.log().consistency_proof(first, second).await?;
    Ok(Json(ConsistencyAnswer::new(&proof)))
}

async fn get_proof_by_hash(
    State(log): State<CtLog>,
    query: Asked<ProofQuery>,
) -> Answer<ProofAnswer> {
    let Query(query) = query?;
    let (hash, tree_size) = (query.leaf_hash()?, query.tree_size);
    if tree_size == 0 {
        return Err(ApiError::bad_request("tree_size must be at least 1"));
    }
    check_tree_size(&log, tree_size)?;
    let index = log
        .log()
        .find_leaf(&hash)
        .await?
        .filter(|index| *index < tree_size);
    let leaf_index = index.ok_or_else(|| {
        ApiError::not_found(format!("no leaf with this hash in the first {tree_size}"))
    })?;
    let proof = log.log().inclusion_proof(leaf_index, tree_size).await?;
    Ok(Json(ProofAnswer::new(leaf_index, &proof)))
}

async fn get_entries(
    State(log): State<CtLog>,
    query: Asked<EntriesQuery>,
) -> Answer<EntriesAnswer> {
    let Query(EntriesQuery { start, end }) = query?;
    let size = log.log().head().size;
    if start > end || start >= size {
        return Err(ApiError::bad_request(format!(
            "start ≤ end and start < {size} must hold, not {start} and {end}"
        )));
    }
    // The query's end is inclusive.
    let end = end
        .saturating_add(1)
        .min(size)
        .min(start.saturating_add(MAX_ENTRIES));
    let entries = log.log().entries(start, end).await?;
    let entries = entries.iter().map(log_entry).collect::<Result<_, _>>()?;
    Ok(Json(EntriesAnswer { entries }))
}

async fn get_roots(State(log): State<CtLog>) -> Json<RootsAnswer> {
    Json(RootsAnswer::new(&log.roots()))
}

async fn get_entry_and_proof(
    State(log): State<CtLog>,
    query: Asked<EntryAndProofQuery>,
) -> Answer<EntryAndProofAnswer> {
    let Query(EntryAndProofQuery {
        leaf_index,
        tree_size,
    }) = query?;
    if leaf_index >= tree_size {
        return Err(ApiError::bad_request(format!(
            "leaf_index {leaf_index} is not in a tree of {tree_size}"
        )));
    }
    check_tree_size(&log, tree_size)?;
    let proof = log.log().inclusion_proof(leaf_index, tree_size).await?;
    let entry = log.log().entry(leaf_index).await?;
    let entry = entry
        .ok_or_else(|| ApiError::not_found(format!("entry {leaf_index} is not in the log")))?;
    Ok(Json(EntryAndProofAnswer::new(log_entry(&entry)?, &proof)))
}

fn check_tree_size(log: &CtLog, tree_size: u64) -> Result<(), ApiError> {
    let size = log.log().head().size;
    match tree_size <= size {
        true => Ok(()),
        false => Err(ApiError::not_found(format!(
            "tree_size {tree_size} is above the log's {size}"
        ))),
    }
}

fn log_entry(entry: &Entry) -> Result<LogEntry, CtError> {
    let stored = stored::decode(&entry.extra).ok_or(CtError::Damaged { index: entry.index })?;
    Ok(LogEntry::new(&entry.leaf, &stored.extra_data))
}
