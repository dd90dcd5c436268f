//! What an answer acknowledges, read without the crates that wrote it.

use super::reference::{Hash, leaf_hash, root_of_path};
use crate::load::{Answer, Api, Prepared};
use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A new entry, with everything that proves it.
pub(super) struct Acknowledged {
    pub(super) index: u64,
    pub(super) leaf: Hash,
    pub(super) size: u64,
    pub(super) note: String,
}

/// An entry that was there before: v1 names it by leaf hash, v2 by index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Leaf(Hash),
    Index(u64),
}

/// Reads and checks the answer 201 to a request: body, entry UUID, inclusion proof.
pub(super) fn created(request: &Prepared, answer: &Answer) -> Result<Acknowledged> {
    let json: Value = serde_json::from_slice(&answer.body)?;
    let (found, uuid) = match request.api {
        Api::V1 => v1(&json)?,
        Api::V2 => (v2(&json)?, None),
    };
    let leaf = leaf_hash(&found.body);
    ensure!(
        uuid.is_none_or(|uuid| uuid.ends_with(&hex::encode(leaf))),
        "the entry UUID is not the leaf hash"
    );
    ensure!(
        has_digest(request.api, &found.body, &request.digest),
        "the body is not that of the request"
    );
    let root = root_of_path(found.index, found.size, &leaf, &found.path);
    ensure!(
        root == Some(found.root),
        "the inclusion proof does not lead to the root"
    );
    Ok(Acknowledged {
        index: found.index,
        leaf,
        size: found.size,
        note: found.note,
    })
}

/// Reads the answer 409.
pub(super) fn known(api: Api, answer: &Answer) -> Result<Known> {
    match api {
        Api::V1 => {
            let location = answer.header("location").context("409 without Location")?;
            let uuid = location.rsplit('/').next().unwrap_or_default();
            let leaf = uuid.get(16..).context("Location without an entry UUID")?;
            Ok(Known::Leaf(hash_of_hex(leaf)?))
        }
        Api::V2 => {
            let index = answer
                .header("x-log-index")
                .context("409 without x-log-index")?;
            Ok(Known::Index(index.parse().context("x-log-index")?))
        }
    }
}

/// Whether an entry's body is about this digest.
pub(super) fn has_digest(api: Api, body: &[u8], digest: &Hash) -> bool {
    let needle = match api {
        Api::V1 => hex::encode(digest),
        Api::V2 => BASE64_STANDARD.encode(digest),
    };
    std::str::from_utf8(body).is_ok_and(|body| body.contains(&needle))
}

/// The checkpoint in an answer to a read of the newest one.
pub(super) fn newest(api: Api, answer: &Answer) -> Result<String> {
    ensure!(
        answer.status == 200,
        "{} answers {}",
        api.checkpoint(),
        answer.status
    );
    match api {
        Api::V1 => {
            let json: Value = serde_json::from_slice(&answer.body)?;
            text(&json["signedTreeHead"])
        }
        Api::V2 => Ok(String::from_utf8(answer.body.to_vec())?),
    }
}

struct Found {
    body: Vec<u8>,
    index: u64,
    size: u64,
    root: Hash,
    path: Vec<Hash>,
    note: String,
}

fn v1(json: &Value) -> Result<(Found, Option<String>)> {
    let (uuid, entry) = json
        .as_object()
        .and_then(|map| map.iter().next())
        .context("no entry in the answer")?;
    let proof = &entry["verification"]["inclusionProof"];
    let found = Found {
        body: base64(&entry["body"])?,
        index: entry["logIndex"].as_u64().context("logIndex")?,
        size: proof["treeSize"].as_u64().context("treeSize")?,
        root: hash_of_hex(&text(&proof["rootHash"])?)?,
        path: hashes(&proof["hashes"], |hash| hash_of_hex(&text(hash)?))?,
        note: text(&proof["checkpoint"])?,
    };
    Ok((found, Some(uuid.clone())))
}

fn v2(json: &Value) -> Result<Found> {
    let proof = &json["inclusionProof"];
    Ok(Found {
        body: base64(&json["canonicalizedBody"])?,
        index: text(&json["logIndex"])?.parse()?,
        size: text(&proof["treeSize"])?.parse()?,
        root: hash_of_base64(&proof["rootHash"])?,
        path: hashes(&proof["hashes"], hash_of_base64)?,
        note: text(&proof["checkpoint"]["envelope"])?,
    })
}

fn hashes(list: &Value, parse: impl Fn(&Value) -> Result<Hash>) -> Result<Vec<Hash>> {
    list.as_array()
        .context("no proof")?
        .iter()
        .map(parse)
        .collect()
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text is missing")?.to_owned())
}

pub(super) fn base64(value: &Value) -> Result<Vec<u8>> {
    Ok(BASE64_STANDARD.decode(value.as_str().context("a body is missing")?)?)
}

fn hash_of_base64(value: &Value) -> Result<Hash> {
    base64(value)?
        .try_into()
        .ok()
        .context("a hash has 32 bytes")
}

pub(super) fn hash_of_hex(text: &str) -> Result<Hash> {
    hex::decode(text)?
        .try_into()
        .ok()
        .context("a hash has 32 bytes")
}
