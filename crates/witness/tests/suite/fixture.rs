//! A log of the test's own (by the letter of RFC 6962), witnesses with databases of their own, and HTTP between.

use async_trait::async_trait;
use axum::Router;
use clock::{Clock, Hand};
use futures::future::join_all;
use keys::{Algorithm, Purpose, Signer};
use merkle::{Hash, leaf_hash, node_hash};
use note::policy::Policy;
use note::{Checkpoint, KeyType, SignedNote, VerifierKey};
use prometheus::Registry;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use witness::server::{self, Config, Deps, KnownLog, Witness};
use witness::store::Store;
use witness::{Consistency, Cosigner, CosignerConfig, FailureMode, ProofUnavailable};

pub(crate) const ORIGIN: &str = "log.example.com";
/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: u64 = 1_767_225_600;

/// A log with a key and a history; the history of one with another `seed` differs from the first leaf on.
#[derive(Clone)]
pub(crate) struct TestLog {
    pub(crate) origin: &'static str,
    pub(crate) signer: Signer,
    seed: u8,
}

impl TestLog {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self {
            origin: ORIGIN,
            signer: Signer::in_memory(Purpose::RekorV2, algorithm).unwrap(),
            seed: 0,
        }
    }

    /// The same key, another history.
    pub(crate) fn fork(&self) -> Self {
        Self {
            seed: self.seed + 1,
            ..self.clone()
        }
    }

    pub(crate) fn key(&self) -> VerifierKey {
        let public = self.signer.public_key();
        match self.signer.scheme() {
            pki::key::Scheme::Ed25519 => {
                VerifierKey::new(self.origin, KeyType::Ed25519, public.raw())
            }
            _ => VerifierKey::new(self.origin, KeyType::Ecdsa, public.spki_der()),
        }
        .unwrap()
    }

    pub(crate) fn known(&self) -> KnownLog {
        KnownLog {
            key: self.key(),
            origin: self.origin.to_owned(),
        }
    }

    fn leaves(&self, size: u64) -> Vec<Hash> {
        (0..size)
            .map(|index| leaf_hash(&[&[self.seed], index.to_be_bytes().as_slice()].concat()))
            .collect()
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        tree_hash(&self.leaves(size))
    }

    pub(crate) fn prove(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 || old == new {
            return Vec::new();
        }
        subproof(usize::try_from(old).unwrap(), &self.leaves(new), true)
    }

    /// The signed checkpoint of this size.
    pub(crate) async fn checkpoint(&self, size: u64) -> String {
        self.sign(size, self.root(size)).await
    }

    /// Signs whatever it is given.
    pub(crate) async fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint {
            origin: self.origin.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        }
        .to_text();
        let signature = self.signer.sign(text.as_bytes()).await.unwrap();
        let note = SignedNote::new(text, vec![self.key().line(signature)]);
        note.unwrap().to_string()
    }

    /// The body of an honest add-checkpoint request.
    pub(crate) async fn request(&self, old: u64, new: u64) -> String {
        let checkpoint = self.checkpoint(new).await;
        witness::request::encode(old, &self.prove(old, new), &checkpoint)
    }

    pub(crate) fn proofs(&self) -> Arc<dyn Consistency> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Consistency for TestLog {
    async fn proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofUnavailable> {
        Ok(self.prove(old, new))
    }
}

/// RFC 6962 section 2.1.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => merkle::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// RFC 6962 section 2.1.2: SUBPROOF(m, D[n], b).
fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return match whole {
            true => Vec::new(),
            false => vec![tree_hash(leaves)],
        };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = match m <= k {
        true => (subproof(m, left, whole), tree_hash(right)),
        false => (subproof(m - k, right, false), tree_hash(left)),
    };
    proof.push(sibling);
    proof
}

/// The largest power of two below n.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// A witness with a database in a folder that lives as long as it.
pub(crate) struct TestWitness {
    pub(crate) witness: Witness,
    pub(crate) store: Store,
    pub(crate) signer: Signer,
    pub(crate) hand: Hand,
    name: &'static str,
    logs: Vec<KnownLog>,
    folder: tempfile::TempDir,
}

impl TestWitness {
    pub(crate) async fn new(name: &'static str, logs: &[&TestLog]) -> Self {
        let signer = Signer::in_memory(Purpose::Witness, Algorithm::Ed25519).unwrap();
        let logs = logs.iter().map(|log| log.known()).collect();
        Self::start(name, logs, signer, tempfile::tempdir().unwrap()).await
    }

    async fn start(
        name: &'static str,
        logs: Vec<KnownLog>,
        signer: Signer,
        folder: tempfile::TempDir,
    ) -> Self {
        let store = Store::create(&folder.path().join("witness.db"))
            .await
            .unwrap();
        let key = server::verifier_key(name, &signer).unwrap();
        store.claim(&key.to_string()).await.unwrap();
        let (clock, hand) = clock();
        let config = Config {
            name: name.to_owned(),
            prefix: String::new(),
            logs: logs.clone(),
        };
        let deps = Deps {
            signer: signer.clone(),
            store: store.clone(),
            clock,
            registry: Registry::new(),
        };
        Self {
            witness: server::build(config, deps).await.unwrap(),
            store,
            signer,
            hand,
            name,
            logs,
            folder,
        }
    }

    /// Stops, and starts again with the same key and database.
    pub(crate) async fn restarted(self) -> Self {
        self.store.close().await;
        Self::start(self.name, self.logs, self.signer, self.folder).await
    }

    pub(crate) fn vkey(&self) -> String {
        self.witness.verifier_key().to_string()
    }

    pub(crate) async fn serve(&self) -> String {
        serve(self.witness.router()).await
    }
}

pub(crate) fn clock() -> (Clock, Hand) {
    let now = i64::try_from(NOW).unwrap();
    Clock::manual(OffsetDateTime::from_unix_timestamp(now).unwrap())
}

/// Serves a router on loopback; gives its base URL.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A policy of these witnesses (key and URL), named w0, w1, …, with a quorum of `k`; 0 is none.
pub(crate) fn policy(witnesses: &[(String, String)], k: usize) -> Policy {
    let mut text = String::new();
    for (number, (vkey, url)) in witnesses.iter().enumerate() {
        text += &format!("witness w{number} {vkey} {url}\n");
    }
    text += &match k {
        0 => "quorum none\n".to_owned(),
        k => {
            let names: Vec<String> = (0..witnesses.len()).map(|one| format!("w{one}")).collect();
            format!(
                "group all-of-them {k} {}\nquorum all-of-them\n",
                names.join(" ")
            )
        }
    };
    Policy::parse(text.as_bytes()).unwrap()
}

/// A cosigner that gives each witness this long.
pub(crate) fn cosigner(policy: Policy, timeout: Duration, mode: FailureMode) -> Cosigner {
    let config = CosignerConfig {
        timeout,
        mode,
        ..CosignerConfig::new("rekor-v2", policy)
    };
    Cosigner::new(config, clock().0, &Registry::new()).unwrap()
}

/// Real witnesses of a log, served, with what a policy wants of them.
pub(crate) async fn witnesses(
    log: &TestLog,
    names: &[&'static str],
) -> (Vec<TestWitness>, Vec<(String, String)>) {
    let all = join_all(
        names
            .iter()
            .map(|name| async move { TestWitness::new(name, &[log]).await }),
    )
    .await;
    let urls = join_all(all.iter().map(TestWitness::serve)).await;
    let parts = all.iter().map(TestWitness::vkey).zip(urls).collect();
    (all, parts)
}
