//! The handle of a log: submissions go to its sequencer, reads go straight to the store.

use crate::edge::{Edge, View, check_last_batch, load};
use crate::follow::Follower;
use crate::guard::{self, Guard, NoGuard};
use crate::health::Unwell;
use crate::keys::Keys;
use crate::kill::{self, Moment};
use crate::reader::Reader;
use crate::sequencer::{FreezeReply, Pending, Placed, Sequencer};
use crate::shown::{Shown, Witnesses};
use crate::store::{CommitError, KeyKind, Since, Store, StoreError};
use crate::{
    AppendError, Entry, HeadSigner, Integrated, Limits, OpenError, ReadError, Submission, TreeHead,
};
use bytes::Bytes;
use clock::Clock;
use merkle::Hash;
use merkle::tile::TileId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// How long a probe waits for a head in a file; half of what probes usually wait for.
const HEAD_READ: Duration = Duration::from_millis(500);

/// A log that is open. Cheap to clone; the sequencer task ends with the last clone or with [`Log::close`].
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    reader: Arc<Reader>,
    max_entry: usize,
    queue: mpsc::Sender<Pending>,
    freezes: mpsc::Sender<FreezeReply>,
    follower: Arc<Follower>,
    shown: Shown,
    closing: watch::Sender<bool>,
    finished: watch::Receiver<()>,
}

impl Log {
    /// Opens the log `name` in the store; when it does not exist and `create` is true, signs and stores the empty head.
    /// Verifies that the stored right edge gives the stored root. Starts the sequencer task.
    pub async fn open(
        store: Arc<dyn Store>,
        name: &str,
        signer: Arc<dyn HeadSigner>,
        clock: Clock,
        limits: Limits,
        create: bool,
    ) -> Result<Self, OpenError> {
        Self::open_guarded(
            store,
            name,
            signer,
            clock,
            limits,
            create,
            Arc::new(NoGuard),
        )
        .await
    }

    /// Opens a log as [`Log::open`] does, and refuses a store that is behind the guard; see [`guard`].
    pub async fn open_guarded(
        store: Arc<dyn Store>,
        name: &str,
        signer: Arc<dyn HeadSigner>,
        clock: Clock,
        limits: Limits,
        create: bool,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, OpenError> {
        Self::open_witnessed(store, name, signer, clock, limits, create, guard, None).await
    }

    /// Opens a log as [`Log::open_guarded`] does, and shows no head before its witnesses cosigned it; see [`Witnesses`].
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing the log stands on"
    )]
    pub async fn open_witnessed(
        store: Arc<dyn Store>,
        name: &str,
        signer: Arc<dyn HeadSigner>,
        clock: Clock,
        limits: Limits,
        create: bool,
        guard: Arc<dyn Guard>,
        witnesses: Option<Arc<dyn Witnesses>>,
    ) -> Result<Self, OpenError> {
        let newest = match newest(&*store, name).await? {
            Some(newest) => newest,
            None if create => {
                check_never_signed(&*guard, name).await?;
                self::create(&*store, name, &*signer, &clock).await?
            }
            None => return Err(OpenError::Missing(name.to_owned())),
        };
        let mut view = load(&*store, name, newest.head).await?;
        view.frozen = newest.frozen;
        check_last_batch(&*store, name, &view).await?;
        let reader = Reader::new(store.clone(), name);
        guard::check(&*guard, &reader, &view).await?;
        guard.record(name, &view.head).await?;
        let keys = Keys::new(limits.key_tail);
        keys.load(&*store, name, view.head.size).await?;
        let follower = Arc::new(Follower::new(Arc::new(reader), keys, guard, view));
        let shown = match witnesses {
            Some(witnesses) => Shown::cosigned(follower.clone(), witnesses).await?,
            None => Shown::Committed(follower.clone()),
        };
        Ok(Self::start(follower, shown, signer, clock, limits))
    }

    fn start(
        follower: Arc<Follower>,
        shown: Shown,
        signer: Arc<dyn HeadSigner>,
        clock: Clock,
        limits: Limits,
    ) -> Self {
        let max_entry = limits.max_entry;
        let reader = follower.reader().clone();
        follower.keep_runs();
        if reader.store().is_shared() {
            follower.keep_young();
        }
        let (queue, submissions) = mpsc::channel(limits.pool.max(1));
        let (closing, close) = watch::channel(false);
        let (finish, finished) = watch::channel(());
        let (freezes, asked) = mpsc::channel(1);
        let sequencer = Sequencer {
            reader: reader.clone(),
            signer,
            clock,
            limits,
            queue: submissions,
            waiting: VecDeque::new(),
            follower: follower.clone(),
            known: true,
            losses: 0,
            closing: close,
            freezes: asked,
            asked: None,
            _finished: finish,
        };
        tokio::spawn(sequencer.run());
        Self {
            inner: Arc::new(Inner {
                reader,
                max_entry,
                queue,
                freezes,
                follower,
                shown,
                closing,
                finished,
            }),
        }
    }

    /// The name that the log has in its store.
    pub fn name(&self) -> &str {
        self.inner.reader.log()
    }

    /// Waits until the submission is committed (or found to be a duplicate) and proves it.
    ///
    /// Dropping the future does not take the submission back.
    pub async fn append(&self, submission: Submission) -> Result<Integrated, AppendError> {
        let (have, max) = (
            submission.leaf.len() + submission.extra.len(),
            self.inner.max_entry,
        );
        if have > max {
            return Err(AppendError::TooLarge { have, max });
        }
        if *self.inner.closing.borrow() {
            return Err(AppendError::Closed);
        }
        if self.is_frozen() {
            return Err(AppendError::Frozen);
        }
        let place = self
            .inner
            .queue
            .try_reserve()
            .map_err(|error| match error {
                TrySendError::Full(()) => AppendError::PoolFull,
                TrySendError::Closed(()) => AppendError::Closed,
            })?;
        let (reply, placed) = oneshot::channel();
        let leaf_hash = merkle::leaf_hash(&submission.leaf);
        place.send(Pending {
            submission: submission.clone(),
            leaf_hash,
            reply,
            since: Instant::now(),
            lost: 0,
        });
        let mut placed = placed.await.map_err(|_| AppendError::Closed)??;
        placed.view = self
            .inner
            .shown
            .with_entry(placed.index, placed.view)
            .await?;
        // Proved here and not in the sequencer, which goes on with the next batch.
        let read_back = |error: ReadError| {
            AppendError::Unavailable(format!(
                "the entry is stored and could not be read back: {error}"
            ))
        };
        self.integrated(placed, submission).await.map_err(read_back)
    }

    async fn integrated(
        &self,
        placed: Placed,
        submission: Submission,
    ) -> Result<Integrated, ReadError> {
        let Placed {
            index,
            time_ms,
            view,
            duplicate,
        } = placed;
        let reader = &self.inner.reader;
        let proof = reader.inclusion_proof(&view, index, view.head.size).await?;
        // The first copy of a duplicate may differ in its leaf (CT: another timestamp), so it is read.
        let entry = match duplicate {
            true => {
                // The lookup that led to it is no part of the tree.
                if reader.identity(&view, index).await? != submission.identity {
                    return Err(ReadError::Corrupt(format!(
                        "the lookup leads to entry {index}, which is another one"
                    )));
                }
                reader
                    .entry(&view, index)
                    .await?
                    .ok_or(ReadError::OutOfRange {
                        index,
                        size: view.head.size,
                    })?
            }
            false => Entry {
                index,
                leaf: submission.leaf,
                extra: submission.extra,
                time_ms,
            },
        };
        Ok(Integrated {
            entry,
            head: view.head.clone(),
            proof,
            duplicate,
        })
    }

    /// Freezes the log for ever and answers its last head; a log that is frozen already answers the head that it has.
    ///
    /// What is committed before is below that head. Everything else that waits is answered [`AppendError::Frozen`], by
    /// every process that appends to this log. Reads go on.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`] when it is not known to be frozen, [`AppendError::Closed`] after [`Log::close`]. Then
    /// freezing again is safe.
    pub async fn freeze(&self) -> Result<Arc<TreeHead>, AppendError> {
        let (reply, frozen) = oneshot::channel();
        let asked = self.inner.freezes.send(reply).await;
        asked.map_err(|_| AppendError::Closed)?;
        frozen.await.map_err(|_| AppendError::Closed)?
    }

    /// Whether the log is known to be frozen, without waiting. Another process's freeze shows as its commits do.
    pub fn is_frozen(&self) -> bool {
        self.inner.follower.view().frozen
    }

    /// The newest head that is shown, without waiting: the committed one, with witnesses the one that they cosigned.
    /// What other processes committed shows within a quarter second.
    pub fn head(&self) -> Arc<TreeHead> {
        self.view().head.clone()
    }

    /// As [`Log::head`], after asking the store for what other processes committed up to now.
    pub async fn refresh(&self) -> Result<Arc<TreeHead>, ReadError> {
        self.inner.follower.refresh_for_read().await?;
        Ok(self.head())
    }

    /// An entry of the newest head, `None` at or behind its size.
    pub async fn entry(&self, index: u64) -> Result<Option<Entry>, ReadError> {
        let read = |view: Arc<View>| async move { self.inner.reader.entry(&view, index).await };
        self.read(read, Option::is_none).await
    }

    /// Entries `[start, end)` of the newest head, ascending from `start` without a gap.
    ///
    /// Answers fewer, but at least one if there is one, at [`crate::MAX_READ_ENTRIES`] or [`crate::MAX_READ_BYTES`].
    pub async fn entries(&self, start: u64, end: u64) -> Result<Vec<Entry>, ReadError> {
        let read =
            |view: Arc<View>| async move { self.inner.reader.entries(&view, start, end).await };
        self.read(read, |entries| entries.is_empty() && start < end)
            .await
    }

    /// The index of the first entry with this leaf hash.
    pub async fn find_leaf(&self, leaf_hash: &Hash) -> Result<Option<u64>, ReadError> {
        self.find(KeyKind::Leaf, leaf_hash).await
    }

    /// The index of the entry with this identity.
    pub async fn find_identity(&self, identity: &Hash) -> Result<Option<u64>, ReadError> {
        self.find(KeyKind::Identity, identity).await
    }

    /// Proves the entry `index` in the tree of `size` leaves, `index` < `size` ≤ head.
    pub async fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let reader = &self.inner.reader;
        let read =
            |view: Arc<View>| async move { reader.inclusion_proof(&view, index, size).await };
        self.read(read, |_| false).await
    }

    /// Proves that the tree of `size2` leaves begins with that of `size1`, `size1` ≤ `size2` ≤ head.
    /// Empty when `size1` is 0 or `size2`.
    pub async fn consistency_proof(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, ReadError> {
        let reader = &self.inner.reader;
        let read =
            |view: Arc<View>| async move { reader.consistency_proof(&view, size1, size2).await };
        self.read(read, |_| false).await
    }

    /// Root of the tree of `size` leaves (size ≤ head).
    pub async fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        let read = |view: Arc<View>| async move { self.inner.reader.root_at(&view, size).await };
        self.read(read, |_| false).await
    }

    /// Tile bytes (width × 32), None when the committed tree has no such tile or width.
    pub async fn tile(
        &self,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Bytes>, ReadError> {
        let (reader, id) = (&self.inner.reader, TileId { level, index });
        let read = |view: Arc<View>| async move { reader.tile_bytes(&view, id, width).await };
        self.read(read, Option::is_none).await
    }

    /// C2SP entry bundle: u16-prefixed leaves. None when not there.
    pub async fn bundle(&self, index: u64, width: u16) -> Result<Option<Bytes>, ReadError> {
        let read =
            |view: Arc<View>| async move { self.inner.reader.bundle(&view, index, width).await };
        self.read(read, Option::is_none).await
    }

    /// Tells whether the log can append, from what its last append and its last look at the head came to. Writes nothing.
    ///
    /// An append that failed counts until one succeeds, for 15 seconds at most; what a client did wrong does not count.
    pub async fn health(&self) -> Result<(), Unwell> {
        let (follower, reader) = (&self.inner.follower, &self.inner.reader);
        follower.health().check_appends()?;
        if reader.store().is_shared() {
            // Asked four times a second anyway: a probe need not wait for a server that does not answer.
            return follower.health().check_head();
        }
        match timeout(HEAD_READ, reader.store().head(reader.log())).await {
            Ok(Ok(Some(_))) => Ok(()),
            Ok(Ok(None)) => Err(Unwell::Head("the log is gone".into())),
            Ok(Err(error)) => Err(Unwell::Head(error.to_string())),
            Err(_) => Err(Unwell::Head(format!("no answer within {HEAD_READ:?}"))),
        }
    }

    /// Stops taking submissions, finishes the batch in hand and what is in the pool. Idempotent.
    pub async fn close(&self) {
        self.inner.closing.send_replace(true);
        // Nothing is ever sent: the error says that the task dropped its end.
        let _ = self.inner.finished.clone().changed().await;
        self.inner.follower.stop().await;
    }

    async fn find(&self, kind: KeyKind, key: &Hash) -> Result<Option<u64>, ReadError> {
        let read = |view: Arc<View>| async move {
            let keys = std::slice::from_ref(key);
            let found = self.inner.follower.find(kind, keys).await?;
            // An entry behind the view's head is not there yet.
            let index = found.first().copied().flatten();
            let index = index.filter(|index| *index < view.head.size);
            if let Some(index) = index {
                let reader = &self.inner.reader;
                reader.confirm(&view, kind, key, index).await?;
            }
            Ok(index)
        };
        self.read(read, Option::is_none).await
    }

    /// Reads from the newest view known; what is not there may have been committed by another process since, so the
    /// store is asked once before that is the answer.
    async fn read<T, F>(
        &self,
        read: impl Fn(Arc<View>) -> F,
        is_miss: impl Fn(&T) -> bool,
    ) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let view = self.view();
        let size = view.head.size;
        let answer = read(view).await;
        let miss = match &answer {
            Ok(value) => is_miss(value),
            Err(error) => matches!(error, ReadError::OutOfRange { .. }),
        };
        if !miss {
            return answer;
        }
        self.inner.follower.refresh_for_read().await?;
        let newer = self.view();
        match newer.head.size > size {
            true => read(newer).await,
            false => answer,
        }
    }

    fn view(&self) -> Arc<View> {
        self.inner.shown.view()
    }
}

/// A log that was signed before and is not in the store was lost with it: a new one would be a fork.
async fn check_never_signed(guard: &dyn Guard, name: &str) -> Result<(), OpenError> {
    match guard.load(name).await? {
        Some(signed) if signed.size > 0 => Err(OpenError::BehindGuard {
            name: name.to_owned(),
            have: 0,
            signed: signed.size,
            other_root: false,
        }),
        _ => Ok(()),
    }
}

/// The newest head alone: no batch begins behind the last size.
async fn newest(store: &dyn Store, name: &str) -> Result<Option<Since>, StoreError> {
    store.since(name, u64::MAX).await
}

/// Signs and stores the head of the empty tree; when another process was first, takes its head.
async fn create(
    store: &dyn Store,
    name: &str,
    signer: &dyn HeadSigner,
    clock: &Clock,
) -> Result<Since, OpenError> {
    let root = Edge::empty().root();
    let time_ms = clock.unix_millis();
    let checkpoint = signer.sign_head(0, &root, time_ms).await?;
    let head = TreeHead {
        size: 0,
        root,
        time_ms,
        checkpoint,
    };
    kill::pass(Moment::LogCreate);
    let created = store.create(name, &head).await;
    kill::pass(Moment::LogCreated);
    match created {
        Ok(()) => Ok(Since {
            head,
            rows: Vec::new(),
            frozen: false,
        }),
        Err(CommitError::Conflict) => newest(store, name)
            .await?
            .ok_or_else(|| OpenError::Missing(name.to_owned())),
        Err(error) => Err(StoreError::Unavailable(error.to_string()).into()),
    }
}
