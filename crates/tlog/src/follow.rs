//! Follows the head that the store has: what other processes commit becomes visible here.
//!
//! A view only ever grows from the one before it: the new batches' hashes are pushed on its edge and must give the new
//! head's root (invariant 2). So a store that was set back, or that holds another tree, is found and never followed,
//! and catching up costs one query of what is new, however large the log is. What is shown was recorded by the guard
//! before, whichever process committed it.

use crate::edge::{Changes, View, check_checkpoint};
use crate::guard::{Guard, GuardError};
use crate::health::Health;
use crate::keys::Keys;
use crate::kill::{self, Moment};
use crate::reader::Reader;
use crate::store::{KeyKind, KeyRow, StoreError};
use crate::{OpenError, ReadError};
use merkle::Hash;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// How far the head that is answered without asking may be behind what other processes committed.
const HEAD_AGE: Duration = Duration::from_millis(250);

/// How often the writing of runs is tried when no batch asks for it.
const RUNS_PERIOD: Duration = Duration::from_secs(1);

/// The newest view known, shared by the sequencer and all readers.
pub(crate) struct Follower {
    reader: Arc<Reader>,
    /// Knows at least the keys of the newest view.
    keys: Keys,
    /// Sees every head after its commit and before anybody else does.
    guard: Arc<dyn Guard>,
    newest: watch::Sender<Arc<View>>,
    /// When the store was last asked; held while it is.
    asked: Mutex<Option<Instant>>,
    /// Held while a view is shown, so that the guard sees heads in their order.
    showing: Mutex<()>,
    health: Health,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl Follower {
    /// Begins with a view that the guard has recorded.
    pub(crate) fn new(reader: Arc<Reader>, keys: Keys, guard: Arc<dyn Guard>, view: View) -> Self {
        Self {
            reader,
            keys,
            guard,
            newest: watch::Sender::new(Arc::new(view)),
            asked: Mutex::new(None),
            showing: Mutex::new(()),
            health: Health::new(),
            tasks: std::sync::Mutex::default(),
        }
    }

    /// Tells of every newer view.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.newest.subscribe()
    }

    /// The newest view, without waiting.
    pub(crate) fn view(&self) -> Arc<View> {
        self.newest.borrow().clone()
    }

    /// The index of the entry with each key; may be behind the newest view.
    pub(crate) async fn find(
        &self,
        kind: KeyKind,
        keys: &[Hash],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        let (store, log) = (self.reader.store(), self.reader.log());
        self.keys.find(store, log, kind, keys).await
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Shows a committed view, unless a newer one is shown already; `rows` are the batches that led to it.
    ///
    /// An error means that it is not shown, because the guard could not record it.
    pub(crate) async fn publish(
        &self,
        view: View,
        changes: Changes,
        rows: &[KeyRow],
    ) -> Result<Arc<View>, GuardError> {
        let _showing = self.showing.lock().await;
        let view = Arc::new(view);
        if !is_news(&view, &self.newest.borrow()) {
            return Ok(view);
        }
        self.guard.record(self.reader.log(), &view.head).await?;
        kill::pass(Moment::HeadGuarded);
        // Before the view: whoever appends to it must find what is in it.
        self.keys.push(rows);
        for (id, tile) in changes.full {
            self.reader.remember(id, tile);
        }
        self.newest.send_replace(view.clone());
        Ok(view)
    }

    /// Asks the store for what was committed up to now. Who asks while another one waits for its turn shares the answer.
    pub(crate) async fn refresh(&self) -> Result<Arc<View>, OpenError> {
        if self.view().frozen {
            // Nothing comes after it.
            self.health.head_read();
            return Ok(self.view());
        }
        let wanted = Instant::now();
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|asked| asked <= wanted) {
            let started = Instant::now();
            let view = self.view();
            if let Some((newer, changes, rows)) = self.advance(&view).await? {
                self.publish(newer, changes, &rows).await?;
            }
            *asked = Some(started);
            self.health.head_read();
        }
        drop(asked);
        Ok(self.view())
    }

    /// As [`Follower::refresh`], for a read that met nothing.
    pub(crate) async fn refresh_for_read(&self) -> Result<Arc<View>, ReadError> {
        self.refresh().await.map_err(|error| match error {
            OpenError::Store(error) => ReadError::Store(error),
            other => ReadError::Corrupt(other.to_string()),
        })
    }

    /// The view with what was committed behind it; `None` when that is nothing.
    async fn advance(
        &self,
        view: &View,
    ) -> Result<Option<(View, Changes, Vec<KeyRow>)>, OpenError> {
        let (mut edge, mut changes) = (view.edge.clone(), Changes::default());
        let mut rows = Vec::new();
        loop {
            let (store, log) = (self.reader.store(), self.reader.log());
            let since = store
                .since(log, edge.size())
                .await?
                .ok_or_else(|| OpenError::Missing(log.to_owned()))?;
            if since.head.size < edge.size() {
                return Err(OpenError::BehindGuard {
                    name: log.to_owned(),
                    have: since.head.size,
                    signed: edge.size(),
                    other_root: false,
                });
            }
            let before = edge.size();
            for row in &since.rows {
                self.check_follows(row, edge.size())?;
                for hash in row.hashes.as_chunks::<32>().0 {
                    edge.push(*hash, &mut changes);
                }
            }
            rows.extend(since.rows);
            if edge.size() == since.head.size {
                if edge.root() != since.head.root {
                    return Err(self.corrupt(format!(
                        "the stored entries {} to {} do not lead from the published tree to the stored head",
                        view.head.size, since.head.size
                    )));
                }
                check_checkpoint(&since.head).map_err(|detail| self.corrupt(detail))?;
                let newer = View {
                    head: Arc::new(since.head),
                    edge,
                    frozen: since.frozen,
                };
                return Ok(is_news(&newer, view).then_some((newer, changes, rows)));
            }
            if edge.size() == before || edge.size() > since.head.size {
                return Err(self.corrupt(format!("entry {before} is not stored")));
            }
        }
    }

    fn check_follows(&self, row: &KeyRow, next: u64) -> Result<(), OpenError> {
        match row.first == next {
            true => Ok(()),
            false => Err(self.corrupt(format!("entry {next} is not stored"))),
        }
    }

    fn corrupt(&self, detail: String) -> OpenError {
        OpenError::Corrupt {
            name: self.reader.log().to_owned(),
            detail,
        }
    }

    /// Writes runs of keys in the background; ends with the log.
    pub(crate) fn keep_runs(self: &Arc<Self>) {
        let (weak, grown) = (Arc::downgrade(self), self.keys.grown());
        self.keep(tokio::spawn(async move {
            loop {
                let Some(follower) = weak.upgrade() else {
                    return;
                };
                let (store, log) = (follower.reader.store(), follower.reader.log());
                if let Err(error) = follower.keys.maintain(store, log).await {
                    tracing::warn!(log, %error, "keys stay in memory until they can be written");
                }
                // What waits here does not keep the log.
                drop(follower);
                let _ = tokio::time::timeout(RUNS_PERIOD, grown.notified()).await;
            }
        }));
    }

    /// Keeps the head young while others may commit; ends with the log.
    pub(crate) fn keep_young(self: &Arc<Self>) {
        self.keep(tokio::spawn(poll(Arc::downgrade(self))));
    }

    /// Ends the background work. A run that is being written is undone by the store; the next process writes it.
    pub(crate) async fn stop(&self) {
        // A statement of its own: the lock is not held while waiting.
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks {
            task.abort();
            // Aborted, or ended before.
            let _ = task.await;
        }
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.tasks().push(task);
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More entries, or the same ones for ever.
fn is_news(view: &View, shown: &View) -> bool {
    let (have, shown_size) = (view.head.size, shown.head.size);
    have > shown_size || (have == shown_size && view.frozen && !shown.frozen)
}

async fn poll(follower: Weak<Follower>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(HEAD_AGE).await;
        let Some(follower) = follower.upgrade() else {
            return;
        };
        if follower.view().frozen {
            return;
        }
        match follower.refresh().await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(log = follower.reader.log(), %error, "the newest head of the log cannot be read");
            }
            Err(_) => {}
        }
    }
}
