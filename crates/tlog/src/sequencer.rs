//! The one task that appends to a log.
//!
//! It takes what is waiting, looks for duplicates, integrates the rest in memory, signs the new head, and commits head
//! and batch together; the next batch gathers meanwhile, so there is no timer. Only a committed head is published
//! (invariant 3) and only a committed entry is answered (invariant 4).
//!
//! What a commit can come to:
//!
//! | Store says | Stored | Then |
//! |---|---|---|
//! | ok | all | publish, answer |
//! | conflict | nothing | reload the edge, look for duplicates again, try again |
//! | failed | nothing | answer "unavailable"; the next batch starts from the same head |
//! | unknown | all or nothing | reload the edge; answer if our batch is there, else as for conflict |
//!
//! While an outcome is unknown nothing is signed from memory (invariant 5): `known` is false until the store answers.
//!
//! Who loses against other processes catches up with one query, but the winner is ahead again by then. So after
//! [`PATIENT_LOSSES`] the lock of the head row is waited for first, and everything is done under it: the database hands
//! the lock on in order, and nobody starves.

use crate::edge::{Changes, View};
use crate::follow::Follower;
use crate::kill::{self, Moment};
use crate::reader::Reader;
use crate::store::{BatchRow, Commit, CommitError, KeyKind, KeyRow, Turn};
use crate::{AppendError, HeadSigner, Limits, Submission, TreeHead, batch};
use clock::Clock;
use merkle::Hash;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// How long one submission is tried again while other writers are first. Each time some other writer went on; a client
/// that waited this long is about to give up, and its retry is deduplicated.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Conflicts in a row after which the head row's lock is waited for. One may be chance; locking first costs two round
/// trips, during which no other process commits.
const PATIENT_LOSSES: u32 = 2;

/// Commits of one submission that may get lost, one behind the other, before it is refused: a connection that broke once
/// or twice is worth it; on a full disk every commit is lost, and the client should hear of it.
pub(crate) const MAX_LOST: u8 = 3;
/// Before the next try after a lost commit: what lost it rarely ends within a millisecond.
pub(crate) const LOST_PAUSE: Duration = Duration::from_millis(50);

/// A submission in the pool, and who waits for it.
pub(crate) struct Pending {
    pub(crate) submission: Submission,
    pub(crate) leaf_hash: Hash,
    pub(crate) reply: oneshot::Sender<Result<Placed, AppendError>>,
    pub(crate) since: Instant,
    /// How often its batch had an unknown outcome and turned out not to be stored.
    pub(crate) lost: u8,
}

/// Where a submission is in the log, and the view that its proof is to come from.
pub(crate) struct Placed {
    pub(crate) index: u64,
    /// Of the batch; for a duplicate that of the first copy is in the store.
    pub(crate) time_ms: i64,
    pub(crate) view: Arc<View>,
    pub(crate) duplicate: bool,
}

/// Where the frozen head goes to.
pub(crate) type FreezeReply = oneshot::Sender<Result<Arc<TreeHead>, AppendError>>;

/// The state of the task; see the module.
pub(crate) struct Sequencer {
    pub(crate) reader: Arc<Reader>,
    pub(crate) signer: Arc<dyn HeadSigner>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) queue: mpsc::Receiver<Pending>,
    /// Taken from the queue, to be tried before what is still in it.
    pub(crate) waiting: VecDeque<Pending>,
    pub(crate) follower: Arc<Follower>,
    /// False when the store has to be asked for its head before anything is appended.
    pub(crate) known: bool,
    /// Conflicts since the last commit.
    pub(crate) losses: u32,
    pub(crate) closing: watch::Receiver<bool>,
    /// Who wants the log frozen; dealt with between two batches.
    pub(crate) freezes: mpsc::Receiver<FreezeReply>,
    /// Taken from `freezes`.
    pub(crate) asked: Option<FreezeReply>,
    /// Dropped with the task: tells [`crate::Log::close`] that it ended.
    pub(crate) _finished: watch::Sender<()>,
}

/// The first copy of an identity in a batch, and the copies that share its place.
struct Slot {
    first: Pending,
    copies: Vec<Pending>,
}

/// A batch, integrated and signed, ready to be committed.
struct Prepared {
    commit: Commit,
    view: View,
    full: Changes,
}

impl Sequencer {
    /// Runs until the log is closed and everything accepted is answered.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            if !batch.is_empty() {
                kill::pass(Moment::BatchGathered);
                self.sequence(batch).await;
            }
            self.freeze_if_asked().await;
        }
    }

    /// One batch: deduplicate, integrate, sign, commit, publish, answer.
    async fn sequence(&mut self, batch: Vec<Pending>) {
        let (turn, view) = match self.start().await {
            Ok(started) => started,
            Err(error) => return self.refuse_all(batch, &error),
        };
        if view.frozen {
            return refuse(batch, &AppendError::Frozen);
        }
        let Some(mut slots) = self.deduplicate(&view, batch).await else {
            return;
        };
        // The view may have moved since the batch was gathered: what no longer fits in its tile waits.
        let later = slots.split_off(slots.len().min(room(&view)));
        self.put_back(later);
        if slots.is_empty() {
            return;
        }
        let prepared = match self.prepare(&view, &slots).await {
            Ok(prepared) => prepared,
            Err(error) => return self.refuse(pending(slots), &error),
        };
        kill::pass(Moment::HeadSigned);
        let outcome = match turn {
            Some(turn) => turn.commit(&prepared.commit).await,
            None => self.reader.store().commit(&prepared.commit).await,
        };
        self.conclude(prepared, slots, outcome).await;
    }

    async fn conclude(
        &mut self,
        prepared: Prepared,
        slots: Vec<Slot>,
        outcome: Result<(), CommitError>,
    ) {
        let log = self.reader.log();
        match outcome {
            Ok(()) => {
                kill::pass(Moment::BatchCommitted);
                let row = prepared.commit.batch;
                self.losses = 0;
                let keys = KeyRow {
                    first: row.first,
                    hashes: row.hashes.clone(),
                    identities: row.identities.clone(),
                };
                let (view, full, keys) = (prepared.view, prepared.full, [keys]);
                match self.follower.publish(view, full, &keys).await {
                    Ok(view) => {
                        kill::pass(Moment::HeadPublished);
                        self.answer(slots, &row, &view);
                    }
                    Err(error) => {
                        tracing::error!(log, %error, "a head is committed and not guarded; it is not published");
                        // The next batch asks the store first, and a retry finds the entry that is stored.
                        self.known = false;
                        self.refuse(pending(slots), &unavailable(error));
                    }
                }
            }
            Err(CommitError::Failed(why)) => {
                tracing::warn!(log, %why, "a batch was not stored");
                self.refuse(pending(slots), &unavailable(why));
            }
            Err(CommitError::Conflict) => {
                tracing::debug!(log, "another writer was first; reloading");
                self.known = false;
                self.losses += 1;
                self.retry(slots);
            }
            Err(CommitError::Unknown(why)) => {
                tracing::warn!(log, %why, "it is not known whether a batch was stored; reloading");
                self.known = false;
                self.settle(slots, &prepared.commit.batch).await;
            }
        }
    }

    /// Finds out whether a batch of unknown outcome is in the store, and answers or tries again accordingly.
    async fn settle(&mut self, slots: Vec<Slot>, row: &BatchRow) {
        let view = match self.current().await {
            Ok(view) => view,
            Err(error) => return self.refuse_all(pending(slots), &error),
        };
        let end = row.first + u64::from(row.count);
        match self
            .reader
            .store()
            .batches(self.reader.log(), row.first, end, usize::MAX)
            .await
        {
            // The checkpoint is part of the row: it is this very batch, not an equal one of another writer.
            Ok(rows) if rows.first() == Some(row) && view.head.size >= end => {
                self.answer(slots, row, &view);
            }
            Ok(_) => self.retry_lost(slots).await,
            Err(error) => self.refuse(pending(slots), &unavailable(error)),
        }
    }

    /// Tries a batch again that was not stored after all, a few times.
    async fn retry_lost(&mut self, mut slots: Vec<Slot>) {
        slots.iter_mut().for_each(|slot| slot.first.lost += 1);
        if slots.iter().any(|slot| slot.first.lost > MAX_LOST) {
            return self.refuse(
                pending(slots),
                &unavailable("the store loses every commit; is its disk full?"),
            );
        }
        tokio::time::sleep(LOST_PAUSE).await;
        self.retry(slots);
    }

    /// Waits for a submission, then takes what else is there, up to one batch.
    async fn gather(&mut self) -> Option<Vec<Pending>> {
        self.stop_taking_when_closing();
        let first = match self.waiting.pop_front() {
            Some(pending) => pending,
            None => match self.next().await {
                Some(pending) => pending,
                // An empty batch: a freeze came first.
                None => return self.asked.is_some().then(Vec::new),
            },
        };
        // Behind another writer the room is not known: what does not fit is put back.
        let room = match self.known {
            true => room(&self.follower.view()),
            false => 256,
        };
        let room = room.min(self.limits.batch_entries.max(1));
        let mut bytes = first.bytes();
        let mut batch = vec![first];
        while batch.len() < room
            && let Some(next) = self.another(&batch).await
        {
            bytes += next.bytes();
            if bytes > self.limits.batch_bytes {
                self.waiting.push_front(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }

    /// What is there already; below the floor also what comes while the batch is young.
    async fn another(&mut self, batch: &[Pending]) -> Option<Pending> {
        let there = self.waiting.pop_front();
        let there = there.or_else(|| self.queue.try_recv().ok());
        if there.is_some() || batch.len() >= self.limits.batch_floor {
            return there;
        }
        let left = self
            .limits
            .batch_age
            .checked_sub(batch.first()?.since.elapsed())?;
        tokio::time::timeout(left, self.next()).await.ok()?
    }

    async fn next(&mut self) -> Option<Pending> {
        tokio::select! {
            pending = self.queue.recv() => return pending,
            Some(asked) = self.freezes.recv(), if self.asked.is_none() => {
                self.asked = Some(asked);
                return None;
            }
            // Also when every handle is gone: then the queue is closed already.
            _ = self.closing.wait_for(|closing| *closing) => {}
        }
        self.queue.close();
        self.queue.recv().await
    }

    fn stop_taking_when_closing(&mut self) {
        if *self.closing.borrow() {
            self.queue.close();
        }
    }

    /// What a batch starts from: after losing too often the right to be the next writer, then the view to append to.
    pub(crate) async fn start(
        &mut self,
    ) -> Result<(Option<Box<dyn Turn>>, Arc<View>), AppendError> {
        let turn = self.turn().await?;
        Ok((turn, self.current().await?))
    }

    async fn turn(&mut self) -> Result<Option<Box<dyn Turn>>, AppendError> {
        if self.losses < PATIENT_LOSSES {
            return Ok(None);
        }
        let store = self.reader.store();
        let turn = store.turn(self.reader.log()).await.map_err(unavailable)?;
        if turn.is_some() {
            kill::pass(Moment::TurnTaken);
        }
        // Others committed while this one waited, and cannot any more.
        self.known = false;
        Ok(turn)
    }

    /// The view to append to: the newest in memory, or after a conflict or an unknown outcome what the store has.
    async fn current(&mut self) -> Result<Arc<View>, AppendError> {
        if !self.known {
            self.follower.refresh().await.map_err(|error| {
                tracing::error!(log = self.reader.log(), %error, "the log cannot go on from its store");
                unavailable(error)
            })?;
            self.known = true;
        }
        Ok(self.follower.view())
    }

    /// Answers submissions that the log has, and joins equal ones. `None` when everything is dealt with.
    ///
    /// Strict: what another writer commits after this look changes the head row, so that our commit conflicts.
    async fn deduplicate(&mut self, view: &Arc<View>, batch: Vec<Pending>) -> Option<Vec<Slot>> {
        let keys: Vec<Hash> = batch
            .iter()
            .map(|pending| pending.submission.identity)
            .collect();
        let found = match self.follower.find(KeyKind::Identity, &keys).await {
            Ok(found) => found,
            Err(error) => {
                self.refuse(batch, &unavailable(error));
                return None;
            }
        };
        if found.iter().flatten().any(|index| *index >= view.head.size) {
            // Another writer's entry, behind the view: go on from where that writer is.
            self.known = false;
            self.retry(batch.into_iter().map(Slot::new).collect());
            return None;
        }
        let mut slots: Vec<Slot> = Vec::with_capacity(batch.len());
        let mut places: HashMap<Hash, usize> = HashMap::with_capacity(batch.len());
        for (pending, found) in batch.into_iter().zip(found) {
            let identity = pending.submission.identity;
            if let Some(index) = found {
                pending.place(Placed {
                    index,
                    time_ms: view.head.time_ms,
                    view: view.clone(),
                    duplicate: true,
                });
            } else if let Some(slot) = places
                .get(&identity)
                .and_then(|place| slots.get_mut(*place))
            {
                slot.copies.push(pending);
            } else {
                places.insert(identity, slots.len());
                slots.push(Slot::new(pending));
            }
        }
        Some(slots)
    }

    /// Integrates the slots behind the view and signs the head that results.
    async fn prepare(&self, view: &View, slots: &[Slot]) -> Result<Prepared, AppendError> {
        let mut edge = view.edge.clone();
        let mut changes = Changes::default();
        for slot in slots {
            edge.push(slot.first.leaf_hash, &mut changes);
        }
        let (size, root) = (edge.size(), edge.root());
        // A clock that was set back does not take the log's time back with it.
        let time_ms = self.clock.unix_millis().max(view.head.time_ms);
        let checkpoint = self
            .signer
            .sign_head(size, &root, time_ms)
            .await
            .map_err(|error| {
                tracing::error!(log = self.reader.log(), %error, "a tree head was not signed");
                unavailable(error)
            })?;
        let entries = slots
            .iter()
            .map(|slot| (&slot.first.submission, slot.first.leaf_hash));
        let batch = batch::encode(view.head.size, time_ms, checkpoint.clone(), entries);
        let head = TreeHead {
            size,
            root,
            time_ms,
            checkpoint,
        };
        let commit = Commit {
            log: self.reader.log().to_owned(),
            expected_size: view.head.size,
            expected_root: view.head.root,
            head: head.clone(),
            batch,
            tiles: std::mem::take(&mut changes.rows),
        };
        Ok(Prepared {
            commit,
            view: View {
                head: Arc::new(head),
                edge,
                frozen: false,
            },
            full: changes,
        })
    }

    /// Tries submissions again, before everything that came later, for a bounded time.
    fn retry(&mut self, slots: Vec<Slot>) {
        let mut again = Vec::with_capacity(slots.len());
        for pending in pending(slots) {
            match pending.since.elapsed() < PATIENCE {
                true => again.push(pending),
                false => self.refuse([pending], &unavailable("other writers were always first")),
            }
        }
        self.put_back(again.into_iter().map(Slot::new).collect());
    }

    /// Tells every submission of a committed batch its place in it.
    fn answer(&self, slots: Vec<Slot>, row: &BatchRow, view: &Arc<View>) {
        self.follower.health().appended();
        answer(slots, row, view);
        kill::pass(Moment::BatchAnswered);
    }

    fn refuse(&self, batch: impl IntoIterator<Item = Pending>, error: &AppendError) {
        self.follower.health().refused(&error.to_string());
        for pending in batch {
            let _ = pending.reply.send(Err(error.clone()));
        }
    }

    /// Refuses what waits as well: behind a store that does not answer it would wait for one timeout a batch.
    fn refuse_all(&mut self, batch: impl IntoIterator<Item = Pending>, error: &AppendError) {
        let mut all: Vec<Pending> = batch.into_iter().chain(self.waiting.drain(..)).collect();
        while let Ok(pending) = self.queue.try_recv() {
            all.push(pending);
        }
        // Taken before anybody is told: who comes again now is tried again.
        self.refuse(all, error);
    }

    fn put_back(&mut self, slots: Vec<Slot>) {
        let pending: Vec<Pending> = pending(slots).collect();
        for pending in pending.into_iter().rev() {
            self.waiting.push_front(pending);
        }
    }
}

impl Pending {
    fn bytes(&self) -> usize {
        self.submission.leaf.len() + self.submission.extra.len()
    }

    fn place(self, placed: Placed) {
        // Nobody waits any more: the entry is in the log all the same, and a retry finds it.
        let _ = self.reply.send(Ok(placed));
    }
}

impl Slot {
    fn new(first: Pending) -> Self {
        Self {
            first,
            copies: Vec::new(),
        }
    }
}

/// Entries that fit in the view's last tile.
fn room(view: &View) -> usize {
    256 - usize::from(view.head.size.to_le_bytes()[0])
}

fn pending(slots: Vec<Slot>) -> impl Iterator<Item = Pending> {
    slots
        .into_iter()
        .flat_map(|slot| std::iter::once(slot.first).chain(slot.copies))
}

fn answer(slots: Vec<Slot>, row: &BatchRow, view: &Arc<View>) {
    for (slot, index) in slots.into_iter().zip(row.first..) {
        let placed = |duplicate| Placed {
            index,
            time_ms: row.time_ms,
            view: view.clone(),
            duplicate,
        };
        slot.first.place(placed(false));
        slot.copies
            .into_iter()
            .for_each(|copy| copy.place(placed(true)));
    }
}

/// For what is no fault of the log or its store: its health does not change.
fn refuse(batch: impl IntoIterator<Item = Pending>, error: &AppendError) {
    for pending in batch {
        let _ = pending.reply.send(Err(error.clone()));
    }
}

pub(crate) fn unavailable(why: impl std::fmt::Display) -> AppendError {
    AppendError::Unavailable(why.to_string())
}
