//! A log in memory that grows on demand, and targets.

use bytes::Bytes;
use clock::Clock;
use futures::StreamExt;
use merkle::Hash;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use publish::{Options, Published, Target, publish_once};
use std::sync::Arc;
use tlog::{HeadSigner, Limits, Log, SignError, Submission, store};

pub(crate) const ORIGIN: &str = "log.example";

/// Opens an empty log under a name.
pub(crate) async fn log(origin: &'static str) -> Log {
    let signer = Arc::new(NoteSigner(origin));
    let clock = Clock::system();
    Log::open(
        store::memory(),
        "test",
        signer,
        clock,
        Limits::default(),
        true,
    )
    .await
    .unwrap()
}

/// A log of `size` entries.
pub(crate) async fn log_of(size: u64) -> Log {
    let log = log(ORIGIN).await;
    grow(&log, size).await;
    log
}

/// Appends until the log has `size` entries.
pub(crate) async fn grow(log: &Log, size: u64) {
    grow_with(log, size, "entry").await;
}

/// Appends entries of this text.
pub(crate) async fn grow_with(log: &Log, size: u64, text: &str) {
    let have = log.head().size;
    futures::stream::iter(have..size)
        .for_each_concurrent(1024, |index| async move {
            let leaf = Bytes::from(format!("{text} {index}"));
            let identity = merkle::leaf_hash(&leaf);
            let extra = Bytes::new();
            log.append(Submission {
                leaf,
                identity,
                extra,
            })
            .await
            .unwrap();
        })
        .await;
    assert_eq!(log.head().size, size);
}

/// A target in memory, and the store below it.
pub(crate) fn memory() -> (Target, Arc<InMemory>) {
    let store = Arc::new(InMemory::new());
    (Target::over(store.clone(), "memory:"), store)
}

pub(crate) async fn publish(log: &Log, target: &Target) -> Published {
    let published = publish_once(log, target, &Options::default(), |_| ())
        .await
        .unwrap();
    assert_eq!(published.size, log.head().size);
    assert_eq!(published.root, log.head().root);
    published
}

/// Paths of all objects, sorted.
pub(crate) async fn paths(store: &dyn ObjectStore) -> Vec<String> {
    let list = store
        .list(None)
        .map(|meta| meta.unwrap().location.to_string());
    let mut paths: Vec<String> = list.collect().await;
    paths.sort();
    paths
}

pub(crate) async fn read(store: &dyn ObjectStore, path: &str) -> Bytes {
    let found = store.get(&Path::from(path)).await.unwrap();
    found.bytes().await.unwrap()
}

pub(crate) async fn write(store: &dyn ObjectStore, path: &str, bytes: impl Into<Bytes>) {
    let bytes: Bytes = bytes.into();
    store.put(&Path::from(path), bytes.into()).await.unwrap();
}

/// Signs nothing, but writes a note.
struct NoteSigner(&'static str);

#[async_trait::async_trait]
impl HeadSigner for NoteSigner {
    async fn sign_head(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError> {
        let checkpoint = note::Checkpoint {
            origin: self.0.to_owned(),
            size,
            root: *root,
            extensions: vec![],
        };
        let line = note::SignatureLine {
            name: self.0.to_owned(),
            hint: [1, 2, 3, 4],
            signature: time_ms.to_be_bytes().to_vec(),
        };
        let note = note::SignedNote::new(checkpoint.to_text(), vec![line]);
        Ok(note.unwrap().to_string().into())
    }
}
