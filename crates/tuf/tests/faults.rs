//! Every write fails once, lost and stored but reported failed: a client reads the repository all the same, and the same
//! call goes on.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use async_trait::async_trait;
use common::{DAY, Site, contents};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tuf::{Done, Exchange, FileName, Folder, Options, Repository, Session, Store, TufError};

/// Fails at one write, as when the disk is full or the process is killed there.
#[derive(Clone)]
struct Faulty {
    folder: Folder,
    writes_left: Arc<AtomicUsize>,
    stores_it: bool,
}

#[async_trait]
impl Store for Faulty {
    async fn read(&self, name: &FileName) -> Result<Option<Vec<u8>>, TufError> {
        self.folder.read(name).await
    }

    async fn newest_root(&self) -> Result<Option<u64>, TufError> {
        self.folder.newest_root().await
    }

    async fn begin(&self) -> Result<Box<dyn Session>, TufError> {
        Ok(Box::new(FaultySession {
            inner: self.folder.begin().await?,
            store: self.clone(),
        }))
    }
}

struct FaultySession {
    inner: Box<dyn Session>,
    store: Faulty,
}

#[async_trait]
impl Session for FaultySession {
    async fn put(&mut self, name: &FileName, bytes: &[u8]) -> Result<(), TufError> {
        let left = self.store.writes_left.load(Ordering::SeqCst);
        if left > 0 {
            self.store.writes_left.store(left - 1, Ordering::SeqCst);
            return self.inner.put(name, bytes).await;
        }
        if self.store.stores_it {
            self.inner.put(name, bytes).await?;
        }
        Err(TufError::Store {
            action: format!("write {name}"),
            reason: "No space left on device".to_owned(),
        })
    }

    async fn commit(self: Box<Self>) -> Result<(), TufError> {
        self.inner.commit().await
    }
}

/// What is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create,
    Publish,
    Refresh,
    RenewRoot,
    Rotate,
    /// All keys at once.
    RotateAll,
}

impl Act {
    fn needs_a_repository(self) -> bool {
        self != Self::Create
    }

    async fn run(self, repository: &Repository) -> Result<Done, TufError> {
        let (one, two) = (contents(&["one"]), contents(&["two", "three"]));
        let exchange = Exchange {
            online: self == Self::RotateAll,
            targets: self == Self::RotateAll,
        };
        match self {
            Self::Create => repository.publish(&one, Options::default()).await,
            Self::Publish => repository.publish(&two, Options::default()).await,
            Self::Refresh | Self::RenewRoot => repository.refresh().await,
            Self::Rotate | Self::RotateAll => repository.rotate(exchange).await,
        }
    }
}

async fn interrupted(act: Act, stores_it: bool) {
    for writes in 0.. {
        let site = Site::new();
        if act.needs_a_repository() {
            site.publish(&["one"]).await.unwrap();
        }
        let client = act.needs_a_repository().then(|| site.client());
        if let Some(client) = &client {
            client.load(&site).await;
        }
        site.hand.advance(match act {
            Act::Refresh => 20 * DAY,
            Act::RenewRoot => 190 * DAY,
            _ => 0,
        });
        let faulty = Faulty {
            folder: Folder::new(site.tree()),
            writes_left: Arc::new(AtomicUsize::new(writes)),
            stores_it,
        };
        let outcome = act.run(&site.over(Arc::new(faulty))).await;
        let what = format!("{act:?}, failing after {writes} writes, stored: {stores_it}");
        // 1. Old clients read it; so do new ones.
        if let Some(client) = &client {
            client.load(&site).await;
            site.client().load(&site).await;
        }
        // 2. The same call goes on, in a process that has room.
        let again = act.run(&site.repository).await;
        assert!(again.is_ok(), "{what}: {again:?}");
        let seen = site.client().load(&site).await;
        if let Some(client) = &client {
            client.load(&site).await;
        }
        assert!(seen.earliest_end > site.now(), "{what}");
        let newest = site.tree().join("root.json");
        let bootstrap = fs::read(site.bootstrap()).unwrap();
        assert_eq!(fs::read(newest).unwrap(), bootstrap, "{what}");
        assert_eq!(
            site.repository.refresh().await.unwrap(),
            Done::default(),
            "{what}"
        );
        let Err(error) = outcome else {
            assert!(writes > 0, "{what}: nothing was written");
            return;
        };
        assert!(
            error.to_string().contains("No space left"),
            "{what}: {error}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_or_a_kill_at_any_write_loses_nothing() {
    for act in [
        Act::Create,
        Act::Publish,
        Act::Refresh,
        Act::RenewRoot,
        Act::Rotate,
        Act::RotateAll,
    ] {
        for stores_it in [false, true] {
            interrupted(act, stores_it).await;
        }
    }
}

#[tokio::test]
async fn a_lost_online_key_is_replaced_across_a_kill_at_any_write() {
    let exchange = Exchange {
        online: true,
        targets: false,
    };
    for writes in 0.. {
        let site = Site::new();
        site.publish(&["one"]).await.unwrap();
        let client = site.client();
        client.load(&site).await;
        fs::remove_file(site.keys().join("tuf-online.pem")).unwrap();
        let faulty = Faulty {
            folder: Folder::new(site.tree()),
            writes_left: Arc::new(AtomicUsize::new(writes)),
            stores_it: false,
        };
        let outcome = site.over(Arc::new(faulty)).rotate(exchange).await;
        // The serving process finds a root whose roles wait for the new key; without one it has nothing to do.
        site.repository.refresh().await.unwrap();
        client.load(&site).await;
        if outcome.is_ok() {
            return;
        }
        site.repository.rotate(exchange).await.unwrap();
        client.load(&site).await;
    }
}
