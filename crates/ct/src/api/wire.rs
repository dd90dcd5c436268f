//! What goes over the wire: JSON with base64, as RFC 6962 section 4 names it.

use super::error::ApiError;
use crate::head::Sth;
use crate::limits::MAX_CHAIN;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use merkle::Hash;
use pki::cert::Certificate;
use pki::sct::Sct;
use serde::{Deserialize, Serialize};

/// Body of add-chain and add-pre-chain.
#[derive(Deserialize)]
pub(super) struct AddChain {
    chain: Vec<String>,
}

impl AddChain {
    /// Gives the certificates in DER, leaf first. The content type is not looked at: Go's client and curl differ in it.
    pub(super) fn parse(body: &[u8]) -> Result<Vec<Vec<u8>>, ApiError> {
        let Self { chain } = serde_json::from_slice(body).map_err(|error| {
            ApiError::bad_request(format!(
                "the body must be {{\"chain\": [base64, …]}}: {error}"
            ))
        })?;
        if chain.len() > MAX_CHAIN {
            return Err(ApiError::bad_request(format!(
                "the chain has {} certificates, at most {MAX_CHAIN} are taken",
                chain.len()
            )));
        }
        let decode = |(position, text): (usize, &String)| {
            STANDARD.decode(text).map_err(|error| {
                ApiError::bad_request(format!(
                    "certificate {position} of the chain is not base64: {error}"
                ))
            })
        };
        chain.iter().enumerate().map(decode).collect()
    }
}

/// Answer of add-chain and add-pre-chain.
#[derive(Serialize)]
pub(super) struct AddChainAnswer {
    sct_version: u8,
    id: String,
    timestamp: u64,
    extensions: String,
    signature: String,
}

impl AddChainAnswer {
    pub(super) fn new(sct: &Sct) -> Self {
        Self {
            sct_version: 0,
            id: STANDARD.encode(sct.log_id),
            timestamp: sct.timestamp,
            extensions: STANDARD.encode(&sct.extensions),
            signature: STANDARD.encode(sct.digitally_signed()),
        }
    }
}

/// Answer of get-sth.
#[derive(Serialize)]
pub(super) struct SthAnswer {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    tree_head_signature: String,
}

impl SthAnswer {
    pub(super) fn new(sth: &Sth) -> Self {
        Self {
            tree_size: sth.size,
            timestamp: sth.timestamp,
            sha256_root_hash: STANDARD.encode(sth.root),
            tree_head_signature: STANDARD.encode(&sth.signature),
        }
    }
}

/// Query of get-sth-consistency.
#[derive(Deserialize)]
pub(super) struct ConsistencyQuery {
    pub(super) first: u64,
    pub(super) second: u64,
}

/// Answer of get-sth-consistency.
#[derive(Serialize)]
pub(super) struct ConsistencyAnswer {
    consistency: Vec<String>,
}

impl ConsistencyAnswer {
    pub(super) fn new(proof: &[Hash]) -> Self {
        Self {
            consistency: hashes(proof),
        }
    }
}

/// Query of get-proof-by-hash.
#[derive(Deserialize)]
pub(super) struct ProofQuery {
    hash: String,
    pub(super) tree_size: u64,
}

impl ProofQuery {
    pub(super) fn leaf_hash(&self) -> Result<Hash, ApiError> {
        // A plus sign that a client did not escape arrives as a space.
        let text = self.hash.replace(' ', "+");
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| ApiError::bad_request(format!("hash is not base64: {error}")))?;
        let have = bytes.len();
        bytes.try_into().map_err(|_| {
            ApiError::bad_request(format!("hash has {have} bytes, a leaf hash has 32"))
        })
    }
}

/// Answer of get-proof-by-hash.
#[derive(Serialize)]
pub(super) struct ProofAnswer {
    leaf_index: u64,
    audit_path: Vec<String>,
}

impl ProofAnswer {
    pub(super) fn new(leaf_index: u64, proof: &[Hash]) -> Self {
        Self {
            leaf_index,
            audit_path: hashes(proof),
        }
    }
}

/// Query of get-entries; `end` is inclusive.
#[derive(Deserialize)]
pub(super) struct EntriesQuery {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Answer of get-entries.
#[derive(Serialize)]
pub(super) struct EntriesAnswer {
    pub(super) entries: Vec<LogEntry>,
}

/// One entry.
#[derive(Serialize)]
pub(super) struct LogEntry {
    leaf_input: String,
    extra_data: String,
}

impl LogEntry {
    pub(super) fn new(leaf: &[u8], extra_data: &[u8]) -> Self {
        Self {
            leaf_input: STANDARD.encode(leaf),
            extra_data: STANDARD.encode(extra_data),
        }
    }
}

/// Answer of get-roots.
#[derive(Serialize)]
pub(super) struct RootsAnswer {
    certificates: Vec<String>,
}

impl RootsAnswer {
    pub(super) fn new(roots: &[Certificate]) -> Self {
        Self {
            certificates: roots
                .iter()
                .map(|root| STANDARD.encode(root.der()))
                .collect(),
        }
    }
}

/// Query of get-entry-and-proof.
#[derive(Deserialize)]
pub(super) struct EntryAndProofQuery {
    pub(super) leaf_index: u64,
    pub(super) tree_size: u64,
}

/// Answer of get-entry-and-proof.
#[derive(Serialize)]
pub(super) struct EntryAndProofAnswer {
    #[serde(flatten)]
    entry: LogEntry,
    audit_path: Vec<String>,
}

impl EntryAndProofAnswer {
    pub(super) fn new(entry: LogEntry, proof: &[Hash]) -> Self {
        Self {
            entry,
            audit_path: hashes(proof),
        }
    }
}

fn hashes(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| STANDARD.encode(hash)).collect()
}
