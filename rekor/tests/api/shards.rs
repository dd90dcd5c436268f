//! Shards: writes move on at the freeze, old entries stay, and a frozen v2 log says so.

use crate::harness::*;
use axum::body::Body;
use http::{Request, StatusCode};
use keys::{Algorithm, Purpose, Signer};
use prometheus::Registry;
use serde_json::json;
use std::sync::Arc;

const TREES: [i64; 3] = [TREE_ID, 77, i64::MAX];

/// A v1 log of up to three shards, each seen with its own key.
struct Sharded {
    shards: Vec<Server>,
    list: rekor::v1::Shards,
    store: Arc<dyn tlog::Store>,
}

impl Sharded {
    async fn new() -> Self {
        let store = tlog::store::memory();
        let (log, signer) = tree(&store, 0).await;
        let list = rekor::v1::Shards::new(TREES[0], log.clone(), signer.clone());
        let registry = Registry::new();
        let router = rekor::v1::build_sharded(list.clone(), 1 << 20, &registry);
        let first = Server {
            router,
            key: signer.public_key().clone(),
            registry,
            log,
        };
        Self {
            shards: vec![first],
            list,
            store,
        }
    }

    /// Adds the next shard, without freezing the one before it.
    async fn add(&mut self) {
        let place = self.shards.len();
        let (log, signer) = tree(&self.store, place).await;
        self.list.add(TREES[place], log.clone(), signer.clone());
        self.list.add(TREES[place], log.clone(), signer.clone());
        self.shards.push(Server {
            router: self.shards[0].router.clone(),
            key: signer.public_key().clone(),
            registry: Registry::new(),
            log,
        });
    }

    async fn rotate(&mut self) {
        self.add().await;
        let place = self.shards.len() - 2;
        self.shards[place].log.freeze().await.unwrap();
    }

    /// Logs an entry and checks the answer as the shard's. Answers its 80-digit ID and global index.
    async fn submit(&self, shard: usize, text: &str) -> (String, i64) {
        let server = &self.shards[shard];
        let entry = ClientKey::ed25519ph().hashedrekord(text.as_bytes());
        let answer = server.submit_v1(&entry).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let (id, entry) = server.check_v1_of(TREES[shard], &answer.entries());
        (id, entry.log_index)
    }
}

async fn tree(store: &Arc<dyn tlog::Store>, place: usize) -> (tlog::Log, Signer) {
    let signer = Signer::in_memory(Purpose::RekorV1, Algorithm::EcdsaP256).unwrap();
    let head_signer = rekor::v1::head_signer(HOST, TREES[place], signer.clone());
    let (name, clock) = (format!("v1-{place}"), clock::Clock::system());
    let log = open(store.clone(), &name, head_signer, clock).await;
    (log, signer)
}

#[tokio::test]
async fn writes_move_on_at_the_freeze_and_indexes_go_on() {
    let mut log = Sharded::new().await;
    assert_eq!(log.submit(0, "a").await.1, 0);
    assert_eq!(log.submit(0, "b").await.1, 1);
    // A shard that waits changes nothing.
    log.add().await;
    assert_eq!(log.submit(0, "c").await.1, 2);
    assert!(log.shards[0].get("/api/v1/log").await.json()["inactiveShards"].is_null());
    log.shards[0].log.freeze().await.unwrap();
    assert_eq!(log.submit(1, "d").await.1, 3);
    log.rotate().await;
    assert_eq!(log.submit(2, "e").await.1, 4);
}

#[tokio::test]
async fn old_entries_are_found_by_every_name() {
    let mut log = Sharded::new().await;
    let mut entries = Vec::new();
    for (place, text) in ["a", "b", "c"].into_iter().enumerate() {
        entries.push((place, log.submit(place, text).await));
        if place < 2 {
            log.rotate().await;
        }
    }
    for (place, (id, index)) in &entries {
        let server = &log.shards[*place];
        for path in [
            format!("/api/v1/log/entries/{id}"),
            format!("/api/v1/log/entries/{}", &id[16..]),
            format!("/api/v1/log/entries?logIndex={index}"),
        ] {
            let answer = server.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            let (same, entry) = server.check_v1_of(TREES[*place], &answer.entries());
            assert_eq!((&same, entry.log_index), (id, *index));
            assert_eq!(entry.verification.inclusion_proof.log_index, 0, "local");
        }
        // A right UUID under another tree is no entry.
        let other = format!("{:016x}{}", 12345, &id[16..]);
        let answer = server.get(&format!("/api/v1/log/entries/{other}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let ids: Vec<&String> = entries.iter().map(|(_, (id, _))| id).collect();
    let uuids: Vec<&str> = ids.iter().map(|id| &id[16..]).collect();
    for query in [
        json!({"entryUUIDs": ids}),
        json!({"entryUUIDs": uuids}),
        json!({"logIndexes": [0, 1, 2]}),
    ] {
        let path = "/api/v1/log/entries/retrieve";
        let answer = log.shards[0].post(path, query.to_string()).await;
        let found = answer.json();
        assert_eq!(found.as_array().unwrap().len(), 3, "{query}");
        for (id, entry) in ids.iter().zip(found.as_array().unwrap()) {
            assert!(entry.get(id.as_str()).is_some(), "{query}");
        }
    }
    let behind = log.shards[0].get("/api/v1/log/entries?logIndex=3").await;
    assert_eq!(behind.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_shard_has_its_info_its_key_and_its_proofs() {
    let mut log = Sharded::new().await;
    log.submit(0, "a").await;
    log.submit(0, "b").await;
    log.rotate().await;
    log.submit(1, "c").await;
    log.rotate().await;
    let server = &log.shards[0];
    let info = server.get("/api/v1/log").await.json();
    assert_eq!(info["treeID"], json!(TREES[2].to_string()));
    let inactive = info["inactiveShards"].as_array().unwrap();
    let summary: Vec<_> = inactive
        .iter()
        .map(|shard| {
            (
                shard["treeID"].as_str().unwrap(),
                shard["treeSize"].as_u64().unwrap(),
            )
        })
        .collect();
    let ids = TREES.map(|id| id.to_string());
    assert_eq!(summary, [(ids[0].as_str(), 2), (ids[1].as_str(), 1)]);
    for (place, shard) in inactive.iter().enumerate() {
        let server = &log.shards[place];
        let (size, root) = (shard["treeSize"].as_u64().unwrap(), server.log.head().root);
        assert_eq!(shard["rootHash"], json!(hex::encode(root)));
        let origin = format!("{HOST} - {}", TREES[place]);
        let head = shard["signedTreeHead"].as_str().unwrap();
        server.check_checkpoint(head, &origin, &server.key.key_id(), size, &root);
        assert!(!head.contains("frozen"), "a v1 checkpoint stays as it is");
    }
    for (place, id) in ids.iter().enumerate() {
        let key = server
            .get(&format!("/api/v1/log/publicKey?treeID={id}"))
            .await;
        let pem = String::from_utf8(key.body.to_vec()).unwrap();
        assert_eq!(pem, log.shards[place].key.to_pem());
    }
    let proof = server
        .get(&format!(
            "/api/v1/log/proof?firstSize=1&lastSize=2&treeID={}",
            ids[0]
        ))
        .await;
    assert_eq!(proof.status, StatusCode::OK);
    assert_eq!(proof.json()["hashes"].as_array().unwrap().len(), 1);
    let proof = server.get("/api/v1/log/proof?lastSize=1").await;
    assert_eq!(
        proof.status,
        StatusCode::BAD_REQUEST,
        "the active shard is empty"
    );
}

#[tokio::test]
async fn duplicates_are_looked_for_in_the_active_shard_alone() {
    let mut log = Sharded::new().await;
    let (old, _) = log.submit(0, "a").await;
    log.rotate().await;
    let (new, index) = log.submit(1, "a").await;
    assert_eq!((&old[16..], index), (&new[16..], 1));
    let entry = ClientKey::ed25519ph().hashedrekord(b"a");
    let again = log.shards[1].submit_v1(&entry).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.header("location").ends_with(&new));
    // A UUID that is in both: the active one answers, and a query gets both.
    let path = format!("/api/v1/log/entries/{}", &new[16..]);
    assert!(log.shards[1].get(&path).await.entries().contains_key(&new));
    let query = json!({"entryUUIDs": [&new[16..]]});
    let both = log.shards[1]
        .post("/api/v1/log/entries/retrieve", query.to_string())
        .await;
    assert_eq!(both.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_next_shard_a_write_is_asked_to_come_back() {
    let log = Sharded::new().await;
    log.shards[0].log.freeze().await.unwrap();
    let entry = ClientKey::ed25519ph().hashedrekord(b"a");
    let answer = log.shards[0].submit_v1(&entry).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_fails_while_shards_change() {
    let mut log = Sharded::new().await;
    let router = log.shards[0].router.clone();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let router = router.clone();
        tasks.spawn(async move {
            let key = ClientKey::ed25519ph();
            let mut indexes = Vec::new();
            for number in 0..60 {
                let entry = key.hashedrekord(format!("{task} {number}").as_bytes());
                let request = Request::post("/api/v1/log/entries")
                    .header("content-type", "application/json")
                    .body(Body::from(entry.to_string()))
                    .unwrap();
                let answer = answer(&router, request).await;
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
                let entries = answer.entries();
                indexes.push(entries.first_key_value().unwrap().1.log_index);
            }
            indexes
        });
    }
    for _ in 0..2 {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        log.rotate().await;
    }
    let mut indexes = tasks.join_all().await.concat();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..240).collect::<Vec<_>>(), "each index once");
}

#[tokio::test]
async fn a_frozen_v2_log_refuses_with_405_and_is_read() {
    let server = v2(Algorithm::EcdsaP256).await;
    let key = ClientKey::ed25519ph();
    let answer = server
        .submit_v2(&key.v2_request(b"a", "PKIX_ED25519_PH"))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let before = server.get("/checkpoint").await;
    let head = server.log.freeze().await.unwrap();
    for body in [
        key.v2_request(b"b", "PKIX_ED25519_PH").to_string(),
        "{".into(),
    ] {
        let refused = server.post("/api/v2/log/entries", body).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.header("content-type"), "text/plain; charset=utf-8");
        let text = "This log has been frozen, please switch to the latest log.\n";
        assert_eq!(refused.body, text.as_bytes());
    }
    let frozen = server.get("/api/v2/checkpoint").await;
    let text = String::from_utf8(frozen.body.to_vec()).unwrap();
    assert_ne!(frozen.body, before.body);
    let log_id = rekor::v2::log_id(HOST, &server.key);
    server.check_checkpoint(&text, HOST, &log_id, 1, &head.root);
    let line = text.lines().nth(3).unwrap();
    assert!(
        line.starts_with("Log frozen — ") && line.contains(" UTC 20"),
        "{line}"
    );
    for path in ["/tile/0/000.p/1", "/tile/entries/000.p/1"] {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
    }
}
