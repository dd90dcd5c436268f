//! An instance's corner with a repository, and clients that remember.

use clock::{Clock, Hand};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::datetime;
use tough::{ExpirationEnforcement, FilesystemTransport, IntoVec, RepositoryLoader};
use tuf::{Content, Done, Folder, KeyFiles, Options, Repository, Store, TufError};
use url::Url;

#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) const DAY: i64 = 24 * 3600;
pub(crate) const START: OffsetDateTime = datetime!(2026-03-01 12:00:00.25 UTC);

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) repository: Repository,
    pub(crate) clock: Clock,
    pub(crate) hand: Hand,
}

/// `a.txt`, `b.txt` and so on.
pub(crate) fn contents(texts: &[&str]) -> Vec<Content> {
    let names = ["a.txt", "b.txt", "c.txt"];
    let named = names.iter().zip(texts);
    named
        .map(|(name, text)| Content::new(*name, *text))
        .collect()
}

#[allow(dead_code, reason = "each test file uses its part")]
impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::manual(START);
        let repository = repository(folder.path(), &clock, |_| {});
        Self {
            folder,
            repository,
            clock,
            hand,
        }
    }

    /// Another process.
    pub(crate) fn restart(&mut self) {
        self.repository = self.repository_with(|_| {});
    }

    pub(crate) fn repository_with(&self, more: impl FnOnce(&mut KeyFiles)) -> Repository {
        repository(self.folder.path(), &self.clock, more)
    }

    /// The same keys and clock over another store.
    pub(crate) fn over(&self, store: Arc<dyn Store>) -> Repository {
        let keys = KeyFiles::new(self.keys());
        Repository::new(store, keys, self.bootstrap(), self.clock.clone())
    }

    pub(crate) async fn publish(&self, texts: &[&str]) -> Result<Done, TufError> {
        let contents = contents(texts);
        self.repository.publish(&contents, Options::default()).await
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.path().join("tuf")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.folder.path().join("tuf_root.json")
    }

    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.tree().join(name)).unwrap()).unwrap()
    }

    /// Every file of the tree with its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in [self.tree(), self.tree().join("targets")] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) fn key_files(&self) -> usize {
        count_files(&self.keys())
    }

    /// A client that is given the newest root now and remembers what it sees.
    pub(crate) fn client(&self) -> Client {
        Client {
            root: fs::read(self.bootstrap()).unwrap(),
            memory: tempfile::tempdir().unwrap(),
        }
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.path().is_dir() {
            true => count_files(&entry.path()),
            false => 1,
        })
        .sum()
}

fn repository(folder: &Path, clock: &Clock, more: impl FnOnce(&mut KeyFiles)) -> Repository {
    let mut keys = KeyFiles::new(folder.join("keys"));
    more(&mut keys);
    let store = Arc::new(Folder::new(folder.join("tuf")));
    Repository::new(store, keys, folder.join("tuf_root.json"), clock.clone())
}

/// tough's client with a data store of its own, which refuses every step back.
pub(crate) struct Client {
    root: Vec<u8>,
    memory: tempfile::TempDir,
}

/// What a client saw.
#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) struct Seen {
    pub(crate) contents: Vec<(String, String)>,
    pub(crate) earliest_end: OffsetDateTime,
}

#[allow(dead_code, reason = "each test file uses its part")]
impl Client {
    /// A client that was given this root.
    pub(crate) fn given(root: &[u8]) -> Self {
        Self {
            root: root.to_owned(),
            memory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn load(&self, site: &Site) -> Seen {
        self.load_from(&site.tree()).await
    }

    pub(crate) async fn load_from(&self, tree: &Path) -> Seen {
        let url = |path: PathBuf| Url::from_directory_path(path).unwrap();
        // The library asks the machine's clock, not ours: ends of life are compared by the caller.
        let repository =
            RepositoryLoader::new(&self.root, url(tree.to_owned()), url(tree.join("targets")))
                .transport(FilesystemTransport)
                .datastore(self.memory.path())
                .expiration_enforcement(ExpirationEnforcement::Unsafe)
                .load()
                .await
                .unwrap();
        let mut contents = Vec::new();
        for (name, _) in repository.all_targets() {
            let stream = repository.read_target(name).await.unwrap().unwrap();
            let bytes = stream.into_vec().await.unwrap();
            contents.push((name.raw().to_owned(), String::from_utf8(bytes).unwrap()));
        }
        contents.sort();
        let ends = [
            repository.root().signed.expires,
            repository.targets().signed.expires,
            repository.snapshot().signed.expires,
            repository.timestamp().signed.expires,
        ];
        let end = ends.into_iter().min().unwrap();
        Seen {
            contents,
            earliest_end: OffsetDateTime::from_unix_timestamp(end.as_second()).unwrap(),
        }
    }
}
