//! The roots of a verifier, by name, and what keeps them fresh.

use crate::builder::Builder;
use crate::file::{self, Stamp};
use crate::limits;
use crate::metrics::Metrics;
use crate::root::{Counts, Root};
use crate::tuf::{State, Tuf};
use clock::Clock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::AbortHandle;

/// Trusted roots by name. Cheap to clone.
#[derive(Clone)]
pub struct Roots {
    inner: Arc<Inner>,
}

struct Inner {
    entries: BTreeMap<String, Entry>,
    clock: Clock,
    metrics: Metrics,
}

pub(crate) struct Entry {
    source: Source,
    loaded: RwLock<Loaded>,
}

/// Where a root comes from.
pub(crate) enum Source {
    Embedded,
    File(PathBuf),
    Tuf(Tuf),
}

/// The root that answers, and how it is with it.
#[derive(Clone)]
pub(crate) struct Loaded {
    root: Arc<Root>,
    /// When it was read, or fetched.
    pub(crate) at: OffsetDateTime,
    /// Why a newer one could not be had.
    pub(crate) problem: Option<String>,
    /// When the TUF timestamp expires that vouches for it.
    expires: Option<OffsetDateTime>,
    /// The file's state when it was looked at last, whether or not it was good.
    pub(crate) stamp: Option<Stamp>,
}

impl Loaded {
    pub(crate) fn new(root: Root, at: OffsetDateTime) -> Self {
        Self {
            root: Arc::new(root),
            at,
            problem: None,
            expires: None,
            stamp: None,
        }
    }

    pub(crate) fn from_tuf(root: Root, state: State) -> Self {
        Self {
            expires: Some(state.expires),
            ..Self::new(root, state.refreshed)
        }
    }
}

/// The kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Part of this program.
    Embedded,
    /// A file, read again when it changes.
    File,
    /// A TUF repository.
    Tuf,
}

/// How it is with one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: SourceKind,
    /// SHA-256 of its JSON.
    pub digest: [u8; 32],
    /// When it was read, or fetched.
    pub loaded_at: OffsetDateTime,
    /// When the TUF timestamp expires that vouches for it.
    pub expires: Option<OffsetDateTime>,
    /// Whether it answers although a newer one could not be had, or behind its expiry.
    pub stale: bool,
    /// Why a newer one could not be had.
    pub problem: Option<String>,
    /// The parties it names.
    pub counts: Counts,
    /// Its logs that are set aside, because this build does not know their key algorithm.
    pub ignored: Vec<String>,
}

/// Keeps the roots fresh until it is dropped.
#[must_use = "the roots are followed until this is dropped"]
pub struct Following(Vec<AbortHandle>);

impl Drop for Following {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Roots {
    /// Begins an empty collection.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(entries: BTreeMap<String, Entry>, clock: Clock, metrics: Metrics) -> Self {
        Self {
            inner: Arc::new(Inner {
                entries,
                clock,
                metrics,
            }),
        }
    }

    /// The root of that name, as it is now; `None` when there is none.
    pub fn get(&self, name: &str) -> Option<Arc<Root>> {
        Some(self.inner.entries.get(name)?.now().root)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.entries.keys().map(String::as_str)
    }

    /// How it is with each root, in the order of their names.
    pub fn list(&self) -> Vec<Status> {
        let now = self.inner.clock.now();
        let entries = self.inner.entries.iter();
        entries
            .map(|(name, entry)| entry.status(name, now))
            .collect()
    }

    /// Starts to look at the files every second and to refresh TUF repositories that have an interval; no task where
    /// there is neither.
    pub fn follow(&self) -> Following {
        let mut tasks = Vec::new();
        let files = |entry: &Entry| matches!(entry.source, Source::File(_));
        if self.inner.entries.values().any(files) {
            let roots = self.clone();
            tasks.push(tokio::spawn(async move { roots.follow_files().await }).abort_handle());
        }
        for (name, entry) in &self.inner.entries {
            let Source::Tuf(tuf) = &entry.source else {
                continue;
            };
            if let Some(interval) = tuf.interval() {
                let (roots, name) = (self.clone(), name.clone());
                let task = async move { roots.follow_tuf(&name, interval).await };
                tasks.push(tokio::spawn(task).abort_handle());
            }
        }
        Following(tasks)
    }

    async fn follow_files(&self) {
        loop {
            tokio::time::sleep(limits::FILE_POLL).await;
            let roots = self.clone();
            // An error here is a panic in a look; the next look tells.
            let _ = tokio::task::spawn_blocking(move || roots.look_at_files()).await;
        }
    }

    /// Looks once at every file, and reads those that changed.
    pub fn look_at_files(&self) {
        for (name, entry) in &self.inner.entries {
            let Source::File(path) = &entry.source else {
                continue;
            };
            let stamp = Stamp::of(path);
            // A file that is not there yet, or not any more: the last good root answers.
            if stamp.is_none() || stamp == entry.now().stamp {
                continue;
            }
            let read = file::load(path).map_err(|error| error.to_string());
            let now = self.inner.clock.now();
            self.take(name, entry, read.map(|root| Loaded::new(root, now)), stamp);
        }
    }

    async fn follow_tuf(&self, name: &str, interval: Duration) {
        let mut wait = match self.inner.entries.get(name) {
            Some(entry) if entry.now().problem.is_some() => interval.min(limits::TUF_RETRY),
            _ => interval,
        };
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.refresh(name).await {
                true => interval,
                false => interval.min(limits::TUF_RETRY),
            };
        }
    }

    /// Refreshes one TUF root now; false when it is none with an interval, or the refresh failed.
    ///
    /// A failure keeps the last good root, and is told in the log, the metrics and [`Roots::list`].
    pub async fn refresh(&self, name: &str) -> bool {
        let Some(entry) = self.inner.entries.get(name) else {
            return false;
        };
        let Source::Tuf(tuf) = &entry.source else {
            return false;
        };
        if tuf.interval().is_none() {
            return false;
        }
        let fetched = tuf.fetch(self.inner.clock.now()).await;
        let fetched = fetched
            .map(|(root, state)| Loaded::from_tuf(root, state))
            .map_err(|error| format!("{}: {error}", tuf.url()));
        self.take(name, entry, fetched, None)
    }

    /// Takes what was read, or keeps what is there and says why.
    fn take(
        &self,
        name: &str,
        entry: &Entry,
        read: Result<Loaded, String>,
        stamp: Option<Stamp>,
    ) -> bool {
        let metrics = &self.inner.metrics;
        let mut loaded = entry.loaded.write().unwrap_or_else(PoisonError::into_inner);
        let good = match read {
            Ok(newer) => {
                if newer.root.digest() != loaded.root.digest() {
                    let digest = hex::encode(newer.root.digest());
                    tracing::info!(root = name, digest, "a new trusted root answers");
                }
                metrics.good(name, newer.at.unix_timestamp());
                *loaded = newer;
                true
            }
            Err(problem) => {
                tracing::warn!(root = name, %problem, "the last good trusted root answers");
                metrics.failed(name);
                loaded.problem = Some(problem);
                false
            }
        };
        loaded.stamp = stamp;
        good
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Entry {
    pub(crate) fn new(source: Source, loaded: Loaded) -> Self {
        Self {
            source,
            loaded: RwLock::new(loaded),
        }
    }

    fn now(&self) -> Loaded {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    fn status(&self, name: &str, now: OffsetDateTime) -> Status {
        let loaded = self.now();
        let expired = loaded.expires.is_some_and(|expires| expires < now);
        Status {
            name: name.to_owned(),
            source: match self.source {
                Source::Embedded => SourceKind::Embedded,
                Source::File(_) => SourceKind::File,
                Source::Tuf(_) => SourceKind::Tuf,
            },
            digest: loaded.root.digest(),
            loaded_at: loaded.at,
            expires: loaded.expires,
            stale: expired || loaded.problem.is_some(),
            problem: loaded.problem,
            counts: loaded.root.counts(),
            ignored: loaded.root.material().ignored().to_vec(),
        }
    }
}
