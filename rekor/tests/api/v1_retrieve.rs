//! `POST /api/v1/log/entries/retrieve`.

use crate::harness::*;
use formats::wire::LogEntryMap;
use http::StatusCode;
use serde_json::{Value, json};

struct Filled {
    server: Server,
    ids: Vec<String>,
    entries: Vec<Value>,
}

async fn filled() -> Filled {
    let server = v1().await;
    let key = ClientKey::p256();
    let mut filled = Filled {
        server,
        ids: Vec::new(),
        entries: Vec::new(),
    };
    for artifact in ["first", "second", "third"] {
        let entry = key.hashedrekord(artifact.as_bytes());
        let answer = filled.server.submit_v1(&entry).await;
        filled.ids.push(filled.server.check_v1(&answer.entries()).0);
        filled.entries.push(entry);
    }
    filled
}

impl Filled {
    async fn ask(&self, query: &Value) -> Answer {
        self.server
            .post("/api/v1/log/entries/retrieve", query.to_string())
            .await
    }

    fn position(&self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap()
    }

    /// Asks, checks every entry, and gives their positions in `ids`, in the order of the answer.
    async fn found(&self, query: Value) -> Vec<usize> {
        let answer = self.ask(&query).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
        let list: Vec<LogEntryMap> = serde_json::from_slice(&answer.body).unwrap();
        list.iter()
            .map(|map| self.position(&self.server.check_v1(map).0))
            .collect()
    }
}

#[tokio::test]
async fn ids_come_first_then_hashes_then_indexes() {
    let f = filled().await;
    let [first, second, third] = [&f.ids[0], &f.ids[1], &f.ids[2]];
    let query = json!({"logIndexes": [0], "entryUUIDs": [&second[16..], third]});
    assert_eq!(f.found(query).await, [2, 1, 0]);
    let query = json!({"entries": [f.entries[1]], "entryUUIDs": [&first[16..]]});
    assert_eq!(f.found(query).await, [0, 1]);
    let query = json!({"entryUUIDs": [second.to_uppercase(), first[16..].to_uppercase()]});
    assert_eq!(f.found(query).await, [1, 0]);
    assert_eq!(f.found(json!({"logIndexes": [2, 0, 2]})).await, [2, 0, 2]);
}

#[tokio::test]
async fn what_is_not_found_is_left_out() {
    let f = filled().await;
    let absent = "ab".repeat(32);
    let other_tree = format!("{:016x}{}", TREE_ID + 1, &f.ids[0][16..]);
    let query = json!({"entryUUIDs": [absent, other_tree, f.ids[0]], "logIndexes": [999, 1]});
    assert_eq!(f.found(query).await, [0, 1]);
    let unknown = ClientKey::p256().hashedrekord(b"not logged");
    assert!(f.found(json!({"entries": [unknown]})).await.is_empty());
    let none = f.ask(&json!({})).await;
    assert_eq!(
        (none.status, none.body.as_ref()),
        (StatusCode::OK, b"[]\n".as_slice())
    );
}

#[tokio::test]
async fn a_proposed_dsse_and_an_older_intoto_find_the_same_envelope() {
    let server = v1().await;
    let (key, payload) = (ClientKey::p256(), b"payload");
    let text = envelope(payload, &[sign_envelope(&key, payload)]);
    let logged = dsse(&text, &[&key.pem()]);
    let (id, _) = server.check_v1(&server.submit_v1(&logged).await.entries());
    let pem = formats::b64::encode(key.pem().as_bytes());
    let spec = json!({"content": {"envelope": text}, "publicKey": pem});
    let intoto = json!({"kind": "intoto", "apiVersion": "0.0.1", "spec": spec});
    // cosign asks for both, the log has one.
    let answer = server
        .post(
            "/api/v1/log/entries/retrieve",
            json!({"entries": [logged, intoto]}).to_string(),
        )
        .await;
    let list: Vec<LogEntryMap> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(server.check_v1(&list[0]).0, id);
}

#[tokio::test]
async fn the_table_of_bad_queries() {
    let f = filled().await;
    let bad_id = "f".repeat(80);
    let no_spec = json!({"kind": "hashedrekord", "apiVersion": "0.0.1"});
    let mut bad_signature = f.entries[0].clone();
    bad_signature["spec"]["signature"]["content"] = json!("AAAA");
    let rows = [
        (json!({"entryUUIDs": []}), 422, 612),
        (json!({"logIndexes": []}), 422, 612),
        (json!({"entries": []}), 422, 612),
        (json!({"entryUUIDs": vec![&f.ids[0]; 11]}), 422, 611),
        (json!({"logIndexes": vec![0; 11]}), 422, 611),
        (json!({"entries": vec![&f.entries[0]; 11]}), 422, 611),
        (
            json!({"logIndexes": vec![0; 6], "entryUUIDs": vec![&f.ids[0]; 5]}),
            422,
            422,
        ),
        (json!({"logIndexes": [-1]}), 422, 609),
        (json!({"logIndexes": [0, -1]}), 422, 609),
        (json!({"logIndexes": ["0"]}), 400, 400),
        (json!({"logIndexes": [0.5]}), 400, 400),
        (json!({"entryUUIDs": ["abc"]}), 422, 605),
        (json!({"entryUUIDs": [bad_id]}), 400, 400),
        (json!({"entryUUIDs": [f.ids[0], bad_id]}), 400, 400),
        (json!({"entryUUIDs": ["0".repeat(80)]}), 400, 400),
        (json!({"entryUUIDs": "x"}), 400, 400),
        (json!({"entries": [no_spec]}), 422, 602),
        (json!({"entries": [f.entries[0], no_spec]}), 422, 602),
        (json!({"entries": [{"kind": "nope"}]}), 400, 400),
        (json!({"entries": [bad_signature]}), 400, 400),
        (json!([]), 400, 400),
    ];
    for (query, status, code) in rows {
        let answer = f.ask(&query).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{query}: {answer:?}"
        );
    }
    let eleven = f.ask(&json!({"logIndexes": vec![0; 11]})).await;
    assert_eq!(
        eleven.message(),
        "logIndexes in body should have at most 10 items"
    );
    let sum = f
        .ask(&json!({"logIndexes": vec![0; 6], "entryUUIDs": vec![&f.ids[0]; 5]}))
        .await;
    assert_eq!(sum.message(), "more than max allowed 10 entries in request");
    let id = f.ask(&json!({"entryUUIDs": [bad_id]})).await;
    assert!(id.message().starts_with("invalid entryID"), "{id:?}");
}

#[tokio::test]
async fn malformed_json_is_the_clients_fault_here() {
    let f = filled().await;
    for body in ["{", "", "nonsense"] {
        let answer = f.server.post("/api/v1/log/entries/retrieve", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, 400),
            "{body}"
        );
        assert!(
            answer
                .message()
                .starts_with("parsing query body from \"\" failed, because "),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn ten_of_a_kind_are_allowed() {
    let f = filled().await;
    assert_eq!(f.found(json!({"logIndexes": vec![1; 10]})).await.len(), 10);
    assert_eq!(
        f.found(json!({"entries": vec![&f.entries[0]; 10]}))
            .await
            .len(),
        10
    );
}
