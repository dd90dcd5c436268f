//! The proof at the end: all that was ever acknowledged or signed is in the final tree.

use super::answers::{base64, has_digest, hash_of_hex, newest};
use super::certificates;
use super::ledger::{Book, Ledger, Place};
use super::reference::{Hash, Leaves, leaf_hash, rs_merkle_root};
use crate::e2e::Instance;
use crate::load::{Answer, Api, Call, Load, Pace, run};
use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use note::{Checkpoint, SignedNote};
use pki::key::PublicKey;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Connections for reading everything back.
const READERS: usize = 8;
/// Answers held at a time.
const CHUNK: usize = 1000;
/// Entries that one v1 query may ask for.
const QUERY: u64 = 10;
/// Entries of a full bundle (C2SP tlog-tiles).
const BUNDLE: u64 = 256;

/// What was checked, by log.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Proven {
    logs: BTreeMap<&'static str, Log>,
    ct: Certificates,
}

#[derive(Debug, Default, Serialize)]
struct Certificates {
    size: usize,
    issued: usize,
    heads: usize,
}

#[derive(Debug, Default, Serialize)]
struct Log {
    size: u64,
    acknowledged: usize,
    found_by_uuid: usize,
    checkpoints: usize,
    sizes_signed: usize,
}

/// Reads both logs from `url` to their ends and compares. Faults go to the ledger; an error means that it could not be done.
pub(crate) fn prove(instance: &Instance, url: &str, ledger: &Ledger) -> Result<Proven> {
    let keys = Keys::load(instance)?;
    let mut proven = Proven::default();
    for api in Api::BOTH {
        let book = ledger.take(api);
        let fault = |text: String| ledger.fault(format!("{}: {text}", api.name()));
        // 1. The final tree, from the stored bodies.
        let head = newest(api, &one(url, Call::get(api.checkpoint())?)?)?;
        let (size, _) = keys.open(api, &head)?;
        let bodies = match api {
            Api::V1 => v1_bodies(url, size)?,
            Api::V2 => v2_bodies(url, size)?,
        };
        let leaves = Leaves::new(bodies.iter().map(|body| leaf_hash(body)).collect());
        if rs_merkle_root(leaves.hashes()) != leaves.root(leaves.hashes().len()) && size > 0 {
            fault("two implementations do not agree on the final root".into());
        }
        // 2. Every acknowledged entry is where it was said to be, once.
        for problem in missing(api, &book, &bodies, &leaves) {
            fault(problem);
        }
        // 3. v1: and is found by its UUID.
        let uuids = match api {
            Api::V1 => by_uuid(url, &book, &fault)?,
            Api::V2 => 0,
        };
        // 4. Every checkpoint is signed and is a prefix of the final tree.
        let mut sizes = HashSet::new();
        for text in book.notes.iter().chain([&head]) {
            match keys.open(api, text) {
                Err(error) => fault(format!("{error:#}: {text:?}")),
                Ok((size, root)) => {
                    sizes.insert(size);
                    if leaves.root(usize::try_from(size)?) != Some(root) {
                        fault(format!(
                            "a checkpoint is not a prefix of the final tree of {}: {text:?}",
                            bodies.len()
                        ));
                    }
                }
            }
        }
        let log = Log {
            size,
            acknowledged: book.entries.len(),
            found_by_uuid: uuids,
            checkpoints: book.notes.len(),
            sizes_signed: sizes.len(),
        };
        proven.logs.insert(api.name(), log);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (size, issued, heads) = runtime.block_on(certificates::prove(url, ledger))?;
    proven.ct = Certificates {
        size,
        issued,
        heads,
    };
    Ok(proven)
}

fn missing(api: Api, book: &Book, bodies: &[Vec<u8>], leaves: &Leaves) -> Vec<String> {
    let mut faults = Vec::new();
    let index_of: HashMap<&Hash, usize> = leaves.hashes().iter().zip(0..).collect();
    if index_of.len() != bodies.len() {
        faults.push(format!(
            "{} entries are there twice",
            bodies.len() - index_of.len()
        ));
    }
    for (digest, place) in &book.entries {
        let index = match *place {
            Place {
                index: Some(index), ..
            } => usize::try_from(index).ok(),
            Place {
                leaf: Some(leaf), ..
            } => index_of.get(&leaf).copied(),
            Place { .. } => None,
        };
        let found = index.and_then(|index| Some((bodies.get(index)?, leaves.hashes().get(index)?)));
        let ok = found.is_some_and(|(body, leaf)| {
            has_digest(api, body, digest) && place.leaf.is_none_or(|said| said == *leaf)
        });
        if !ok {
            let digest = hex::encode(digest);
            faults.push(format!("the entry of digest {digest} is not at {place:?}"));
        }
    }
    faults
}

/// Bodies of all entries of the v1 log.
fn v1_bodies(url: &str, size: u64) -> Result<Vec<Vec<u8>>> {
    let mut calls = Vec::new();
    for first in (0..size).step_by(usize::try_from(QUERY)?) {
        let indexes: Vec<u64> = (first..size.min(first + QUERY)).collect();
        let query = json!({"logIndexes": indexes}).to_string();
        calls.push(Call::post("/api/v1/log/entries/retrieve", query.into())?);
    }
    let mut bodies = BTreeMap::new();
    read_all(url, calls, |_, answer| {
        let list: Vec<BTreeMap<String, Value>> = serde_json::from_slice(&answer.body)?;
        for entry in list.iter().flat_map(BTreeMap::values) {
            let index = entry["logIndex"].as_u64().context("logIndex")?;
            bodies.insert(index, base64(&entry["body"])?);
        }
        Ok(())
    })?;
    ensure!(
        bodies.keys().copied().eq(0..size),
        "v1: {} of {size} entries can be read",
        bodies.len()
    );
    Ok(bodies.into_values().collect())
}

/// Bodies of all entries of the v2 log, from its entry bundles.
fn v2_bodies(url: &str, size: u64) -> Result<Vec<Vec<u8>>> {
    let mut calls = Vec::new();
    for bundle in 0..size.div_ceil(BUNDLE) {
        let width = (size - bundle * BUNDLE).min(BUNDLE);
        calls.push(Call::get(&bundle_path(bundle, width))?);
    }
    let mut bodies = Vec::new();
    read_all(url, calls, |index, answer| {
        let want = (size - u64::try_from(index)? * BUNDLE).min(BUNDLE);
        let mut rest = answer.body.clone();
        for _ in 0..want {
            bodies.push(next_entry(&mut rest).context("a bundle ends early")?);
        }
        ensure!(rest.is_empty(), "a bundle has more than its entries");
        Ok(())
    })?;
    Ok(bodies)
}

/// C2SP tlog-tiles: an entry stands behind its length, 16 bits, big-endian.
fn next_entry(rest: &mut Bytes) -> Option<Vec<u8>> {
    let length = rest.split_at_checked(2)?.0.try_into().ok()?;
    let length = usize::from(u16::from_be_bytes(length));
    let entry = rest.get(2..2 + length)?.to_vec();
    *rest = rest.slice(2 + length..);
    Some(entry)
}

/// C2SP tlog-tiles: groups of three digits, all but the last marked with an x; partial bundles name their width.
fn bundle_path(bundle: u64, width: u64) -> String {
    let mut path = format!("{:03}", bundle % 1000);
    let mut above = bundle / 1000;
    while above > 0 {
        path = format!("x{:03}/{path}", above % 1000);
        above /= 1000;
    }
    match width {
        BUNDLE => format!("/tile/entries/{path}"),
        _ => format!("/tile/entries/{path}.p/{width}"),
    }
}

/// Fetches every acknowledged v1 entry by its UUID; gives how many there were.
fn by_uuid(url: &str, book: &Book, fault: &impl Fn(String)) -> Result<usize> {
    let known: Vec<(Hash, Option<u64>)> = book
        .entries
        .values()
        .filter_map(|place| Some((place.leaf?, place.index)))
        .collect();
    let path = |leaf: &Hash| format!("/api/v1/log/entries/{}", hex::encode(leaf));
    let calls: Result<Vec<Call>> = known
        .iter()
        .map(|(leaf, _)| Call::get(&path(leaf)))
        .collect();
    read_all(url, calls?, |call, answer| {
        let (leaf, index) = known[call];
        let map: BTreeMap<String, Value> = serde_json::from_slice(&answer.body)?;
        let (uuid, entry) = map.first_key_value().context("an empty answer")?;
        let found = hash_of_hex(uuid.get(16..).unwrap_or_default())?;
        let body = leaf_hash(&base64(&entry["body"])?);
        let at = entry["logIndex"].as_u64();
        if found != leaf || body != leaf || index.is_some_and(|index| at != Some(index)) {
            fault(format!("UUID {} gives another entry", hex::encode(leaf)));
        }
        Ok(())
    })?;
    Ok(known.len())
}

/// Sends all calls, expects 200, and hands over the answers in order, some at a time.
fn read_all(
    url: &str,
    calls: Vec<Call>,
    mut each: impl FnMut(usize, &Answer) -> Result<()>,
) -> Result<()> {
    for (part, chunk) in calls.chunks(CHUNK).enumerate() {
        let load = Load {
            url,
            clients: READERS,
            pace: Pace::Closed,
            calls: chunk.to_vec(),
            keep: true,
        };
        for (index, answer) in run(load)?.expect(200)?.answers {
            each(part * CHUNK + index, &answer)?;
        }
    }
    Ok(())
}

fn one(url: &str, call: Call) -> Result<Answer> {
    let load = Load {
        url,
        clients: 1,
        pace: Pace::Closed,
        calls: vec![call],
        keep: true,
    };
    let answers = run(load)?.expect(200)?.answers;
    Ok(answers.into_iter().next().context("no answer")?.1)
}

/// The logs' public keys, from the trusted root that clients get.
struct Keys(BTreeMap<Api, (PublicKey, Vec<u8>)>);

impl Keys {
    fn load(instance: &Instance) -> Result<Self> {
        let pem = one(&instance.url, Call::get("/api/v1/log/publicKey")?)?;
        let v1 = PublicKey::parse_pem(std::str::from_utf8(&pem.body)?)?;
        let root: Value =
            serde_json::from_slice(&std::fs::read(instance.trust("trusted_root.json"))?)?;
        let mut keys = BTreeMap::new();
        for log in root["tlogs"].as_array().into_iter().flatten() {
            let key = PublicKey::parse_spki(&base64(&log["publicKey"]["rawBytes"])?)?;
            let id = base64(&log["logId"]["keyId"])?;
            let api = if key == v1 { Api::V1 } else { Api::V2 };
            ensure!(
                keys.insert(api, (key, id)).is_none(),
                "two keys for {}",
                api.name()
            );
        }
        Ok(Self(keys))
    }

    /// Verifies a checkpoint's one signature; gives its size and root.
    fn open(&self, api: Api, text: &str) -> Result<(u64, Hash)> {
        let (key, id) = self.0.get(&api).context("no key in the trusted root")?;
        let signed = SignedNote::parse(text)?;
        let line = signed.signatures().first().context("no signature")?;
        ensure!(
            id.starts_with(&line.hint),
            "the signature's hint {} is not that of the log",
            BASE64_STANDARD.encode(line.hint)
        );
        key.verify(
            key.default_scheme(),
            signed.text().as_bytes(),
            &line.signature,
        )?;
        let checkpoint = Checkpoint::parse(signed.text())?;
        Ok((checkpoint.size, checkpoint.root))
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.logs.iter().map(|(name, log)| {
            format!(
                "{name}: {} acknowledged entries in a tree of {}, {} found by UUID; \
                 {} checkpoints of {} sizes signed, each a prefix of the final tree",
                log.acknowledged, log.size, log.found_by_uuid, log.checkpoints, log.sizes_signed
            )
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))?;
        let Certificates {
            size,
            issued,
            heads,
        } = self.ct;
        write!(
            f,
            "\nct: {issued} issued certificates in a tree of {size}; {heads} tree heads, each a prefix of the final tree"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_have_the_paths_of_tlog_tiles() {
        assert_eq!(bundle_path(5, 256), "/tile/entries/005");
        assert_eq!(bundle_path(1_234_067, 8), "/tile/entries/x001/x234/067.p/8");
    }

    #[test]
    fn a_bundle_that_ends_early_has_no_next_entry() {
        let mut bytes = Bytes::from_static(&[0, 2, 7, 8, 0, 3, 1]);
        assert_eq!(next_entry(&mut bytes), Some(vec![7, 8]));
        assert_eq!(next_entry(&mut bytes), None);
    }
}
