//! Several processes with one PostgreSQL.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use common::{Client, DAY, Site, contents};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tuf::{Exchange, FileName, Folder, KeyFiles, Options, Repository, SharedStore, Store};

/// A process with its own data folder, whose keys are a copy.
struct Process {
    tree: PathBuf,
    store: Arc<SharedStore>,
    repository: Repository,
}

impl Process {
    fn new(site: &Site, url: &str, name: &str) -> Self {
        let home = site.folder.path().join(name);
        fs::create_dir_all(&home).unwrap();
        let keys = home.join("keys");
        if site.keys().exists() {
            copy_keys(&site.keys(), &keys);
        }
        let tree = home.join("tuf");
        let store = Arc::new(SharedStore::new(url, Folder::new(&tree)).unwrap());
        let bootstrap = home.join("tuf_root.json");
        let keys = KeyFiles::new(keys);
        let repository = Repository::new(store.clone(), keys, bootstrap, site.clock.clone());
        Self {
            tree,
            store,
            repository,
        }
    }
}

fn copy_keys(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Keys that all copies have, a database with tables, and two processes.
async fn two() -> Option<(Site, String, Process, Process)> {
    let url = testkit::postgres()?;
    tlog::store::postgres(&url).await.unwrap().close().await;
    let site = Site::new();
    // Makes the keys; this tree is of no further use.
    site.publish(&["one"]).await.unwrap();
    let (a, b) = (
        Process::new(&site, &url, "a"),
        Process::new(&site, &url, "b"),
    );
    Some((site, url, a, b))
}

async fn publish(process: &Process, texts: &[&str]) -> tuf::Done {
    let contents = contents(texts);
    let options = Options::default();
    process
        .repository
        .publish(&contents, options)
        .await
        .unwrap()
}

#[tokio::test]
async fn two_processes_sign_in_turns_and_every_version_once() {
    let Some((site, _, a, b)) = two().await else {
        return;
    };
    assert_eq!(publish(&a, &["one"]).await.root, Some(1));
    assert_eq!(publish(&b, &["one"]).await, tuf::Done::default());
    let client = Client::given(&fs::read(a.tree.join("1.root.json")).unwrap());
    for _ in 0..30 {
        site.hand.advance(2 * DAY);
        let (first, second) = tokio::join!(a.repository.refresh(), b.repository.refresh());
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.timestamp.is_none() || second.timestamp.is_none());
        // Both serve the same, and one's tree was brought up to the other's.
        let name = FileName::Timestamp;
        assert_eq!(
            a.store.serve(&name).await.unwrap(),
            b.store.serve(&name).await.unwrap()
        );
        a.repository.refresh().await.unwrap();
        b.repository.refresh().await.unwrap();
        assert!(client.load_from(&a.tree).await.earliest_end > site.now());
        client.load_from(&b.tree).await;
    }
    // A rotation by one: the other serves it at once, and signs no more, because it has not the key.
    let exchange = Exchange {
        online: true,
        targets: false,
    };
    a.repository.rotate(exchange).await.unwrap();
    assert!(b.store.serve(&FileName::Root(2)).await.unwrap().is_some());
    b.repository.refresh().await.unwrap();
    client.load_from(&b.tree).await;
    site.hand.advance(5 * DAY);
    let error = b.repository.refresh().await.unwrap_err().to_string();
    assert!(
        error.contains("copy it from the process that has it"),
        "{error}"
    );
    a.repository.refresh().await.unwrap();
    client.load_from(&a.tree).await;
}

#[tokio::test]
async fn many_publishers_at_once_make_one_repository() {
    let Some((site, url, a, b)) = two().await else {
        return;
    };
    let c = Process::new(&site, &url, "c");
    let (one, two, three) = (contents(&["1"]), contents(&["2"]), contents(&["3"]));
    let options = Options::default();
    let (x, y, z) = tokio::join!(
        a.repository.publish(&one, options),
        b.repository.publish(&two, options),
        c.repository.publish(&three, options),
    );
    let done = [x.unwrap(), y.unwrap(), z.unwrap()];
    let mut versions: Vec<_> = done.iter().map(|done| done.timestamp.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3]);
    assert_eq!(done.iter().filter(|done| done.root == Some(1)).count(), 1);
}

#[tokio::test]
async fn the_folder_serves_while_the_database_is_away() {
    let Some((_site, _, a, _b)) = two().await else {
        return;
    };
    publish(&a, &["one"]).await;
    let gone = "postgres://log:secret@127.0.0.1:1/log";
    let alone = SharedStore::new(gone, Folder::new(&a.tree)).unwrap();
    for name in [FileName::Timestamp, FileName::Root(1)] {
        let served = alone.serve(&name).await.unwrap();
        assert_eq!(served, a.store.serve(&name).await.unwrap(), "{name}");
        assert!(served.is_some());
    }
    assert!(alone.read(&FileName::Timestamp).await.is_err());
    let error = alone.begin().await.err().unwrap().to_string();
    assert!(
        error.contains("database") && !error.contains("secret"),
        "{error}"
    );
}
