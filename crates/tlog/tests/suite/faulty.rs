//! A store in front of another one: it fails when told to, in the ways a store can, and changes what is read.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tlog::store::{
    BatchRow, Commit, CommitError, Freeze, Inventory, KeyRow, NewRun, PageId, RunRow, Since, Turn,
};
use tlog::{Store, StoreError, TreeHead};
use tokio::sync::Semaphore;

/// A step that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Create,
    Commit,
    /// A commit under the lock of the head row.
    Turn,
    PutRun,
}

/// What happens to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing is stored, and the store says so.
    Failed,
    /// Nothing is stored, and the store cannot say.
    UnknownLost,
    /// All is stored, and the store cannot say.
    UnknownStored,
    /// Nothing is stored: another writer was first, although none was.
    Conflict,
    /// All is stored, and the store says that another writer was first.
    ConflictStored,
    /// All is stored, the store cannot say, and the next read of the head fails.
    UnknownStoredThenDown,
    /// Nothing is stored, the store cannot say, and the next read of the head fails.
    UnknownLostThenDown,
    /// All is stored, after a while.
    Slow,
}

/// What is to happen, shared with the turns that were given.
#[derive(Default)]
struct Plans {
    faults: Mutex<HashMap<Step, VecDeque<Fault>>>,
    down: AtomicUsize,
}

impl Plans {
    fn is_due(&self, step: Step) -> bool {
        let faults = self.faults.lock().unwrap();
        faults.get(&step).is_some_and(|faults| !faults.is_empty())
    }

    /// Writes, or does not, and answers as the next fault of the step has it.
    async fn meet(
        &self,
        step: Step,
        write: impl Future<Output = Result<(), CommitError>>,
    ) -> Result<(), CommitError> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let next = faults.get_mut(&step).and_then(VecDeque::pop_front);
            next.unwrap_or(Fault::None)
        };
        let unknown = || Err(CommitError::Unknown("connection lost".into()));
        match fault {
            Fault::None => write.await,
            Fault::Failed => Err(CommitError::Failed("disk full".into())),
            Fault::Conflict => Err(CommitError::Conflict),
            Fault::UnknownLost => unknown(),
            Fault::UnknownLostThenDown => {
                self.down.store(1, Ordering::SeqCst);
                unknown()
            }
            Fault::UnknownStored => {
                write.await?;
                unknown()
            }
            Fault::UnknownStoredThenDown => {
                write.await?;
                self.down.store(1, Ordering::SeqCst);
                unknown()
            }
            Fault::ConflictStored => {
                write.await?;
                Err(CommitError::Conflict)
            }
            Fault::Slow => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                write.await
            }
        }
    }
}

/// The right to commit next, with faults in front.
struct FaultyTurn {
    inner: Option<Box<dyn Turn>>,
    store: Arc<dyn Store>,
    plans: Arc<Plans>,
}

#[async_trait]
impl Turn for FaultyTurn {
    async fn commit(self: Box<Self>, commit: &Commit) -> Result<(), CommitError> {
        let Self {
            inner,
            store,
            plans,
        } = *self;
        let write = async move {
            match inner {
                Some(turn) => turn.commit(commit).await,
                None => store.commit(commit).await,
            }
        };
        plans.meet(Step::Turn, write).await
    }

    async fn freeze(self: Box<Self>, freeze: &Freeze) -> Result<(), CommitError> {
        let Self {
            inner,
            store,
            plans,
        } = *self;
        let write = async move {
            match inner {
                Some(turn) => turn.freeze(freeze).await,
                None => store.freeze(freeze).await,
            }
        };
        plans.meet(Step::Turn, write).await
    }
}

type Change<T> = Mutex<Option<Box<dyn Fn(&mut T) + Send>>>;

pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    plans: Arc<Plans>,
    gate: Semaphore,
    pub(crate) commits: AtomicUsize,
    pub(crate) turns: AtomicUsize,
    pub(crate) on_head: Change<TreeHead>,
    pub(crate) on_batches: Change<Vec<BatchRow>>,
    pub(crate) on_hashes: Change<Vec<(u64, Bytes)>>,
    pub(crate) on_tile: Change<Option<Bytes>>,
}

const OPEN: usize = 1 << 20;

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plans: Arc::default(),
            gate: Semaphore::new(OPEN),
            commits: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
            on_head: Mutex::default(),
            on_batches: Mutex::default(),
            on_hashes: Mutex::default(),
            on_tile: Mutex::default(),
        })
    }

    fn answer(&self) -> Result<(), StoreError> {
        let down = self
            .plans
            .down
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |down| {
                down.checked_sub(1)
            });
        match down {
            Ok(_) => Err(StoreError::Unavailable("no connection".into())),
            Err(_) => Ok(()),
        }
    }

    /// The next commits and freezes meet these faults, then none.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan_at(Step::Commit, faults);
    }

    /// The next writes of this step meet these faults, then none.
    pub(crate) fn plan_at(&self, step: Step, faults: impl IntoIterator<Item = Fault>) {
        let mut plans = self.plans.faults.lock().unwrap();
        plans.entry(step).or_default().extend(faults);
    }

    /// Commits wait until [`Faulty::release`].
    pub(crate) fn hold(&self) {
        self.gate.forget_permits(OPEN);
    }

    pub(crate) fn release(&self) {
        self.gate.add_permits(OPEN);
    }

    /// Waits until `count` commits have been asked for.
    pub(crate) async fn until_commits(&self, count: usize) {
        while self.commits.load(Ordering::SeqCst) < count {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

fn change<T>(change: &Change<T>, mut value: T) -> T {
    if let Some(change) = &*change.lock().unwrap() {
        change(&mut value);
    }
    value
}

#[async_trait]
impl Store for Faulty {
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError> {
        self.answer()?;
        let head = self.inner.head(log).await?;
        Ok(head.map(|head| change(&self.on_head, head)))
    }

    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError> {
        self.answer()?;
        let since = self.inner.since(log, size).await?;
        Ok(since.map(|since| Since {
            head: change(&self.on_head, since.head),
            ..since
        }))
    }

    async fn turn(&self, log: &str) -> Result<Option<Box<dyn Turn>>, StoreError> {
        self.turns.fetch_add(1, Ordering::SeqCst);
        let turn = self.inner.turn(log).await?;
        // Where a store has no turns, one is made up when it has to meet a fault.
        if turn.is_none() && !self.plans.is_due(Step::Turn) {
            return Ok(None);
        }
        Ok(Some(Box::new(FaultyTurn {
            inner: turn,
            store: self.inner.clone(),
            plans: self.plans.clone(),
        })))
    }

    async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        let create = self.inner.create(log, head);
        self.plans.meet(Step::Create, create).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        self.plans
            .meet(Step::Commit, self.inner.commit(commit))
            .await
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        self.plans
            .meet(Step::Commit, self.inner.freeze(freeze))
            .await
    }

    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(change(
            &self.on_tile,
            self.inner.tile(log, level, index).await?,
        ))
    }

    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        Ok(change(
            &self.on_hashes,
            self.inner.leaf_hashes(log, start, end).await?,
        ))
    }

    async fn batches(
        &self,
        log: &str,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<BatchRow>, StoreError> {
        Ok(change(
            &self.on_batches,
            self.inner.batches(log, start, end, max_bytes).await?,
        ))
    }

    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError> {
        self.inner.key_rows(log, start, end).await
    }

    async fn runs(&self, log: &str) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs(log).await
    }

    async fn filter(&self, log: &str, run: RunRow) -> Result<Option<Bytes>, StoreError> {
        self.inner.filter(log, run).await
    }

    async fn pages(&self, log: &str, pages: &[PageId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.inner.pages(log, pages).await
    }

    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        let put = self.inner.put_run(log, run, replaced);
        self.plans.meet(Step::PutRun, put).await
    }

    async fn inventory(&self, log: &str) -> Result<Option<Inventory>, StoreError> {
        self.inner.inventory(log).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
