//! Logs in memory, for tests: the reference for what the other stores must do.

use super::{
    BatchRow, Commit, CommitError, Freeze, Inventory, KeyRow, MAX_SINCE, NewRun, PageId, RunRow,
    Since, Store, StoreError,
};
use crate::TreeHead;
use async_trait::async_trait;
use bytes::Bytes;
use merkle::Hash;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps everything in maps. A second log engine on the same value sees the first one's commits.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, Rows>>);

struct Rows {
    head: TreeHead,
    frozen: bool,
    batches: BTreeMap<u64, BatchRow>,
    tiles: HashMap<(u8, u64), Bytes>,
    runs: HashMap<RunRow, NewRun>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Rows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, log: &str, read: impl FnOnce(&Rows) -> T) -> Option<T> {
        self.lock().get(log).map(read)
    }
}

#[async_trait]
impl Store for Memory {
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.read(log, |rows| rows.head.clone()))
    }

    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError> {
        let since = |rows: &Rows| Since {
            head: rows.head.clone(),
            rows: rows
                .batches
                .range(size..)
                .take(usize::from(MAX_SINCE))
                .map(|(_, row)| key_row(row))
                .collect(),
            frozen: rows.frozen,
        };
        Ok(self.read(log, since))
    }

    async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        let mut logs = self.lock();
        if logs.contains_key(log) {
            return Err(CommitError::Conflict);
        }
        logs.insert(log.to_owned(), Rows::new(head.clone()));
        Ok(())
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut logs = self.lock();
        let rows = logs.get_mut(&commit.log).ok_or(CommitError::Conflict)?;
        rows.commit(commit)
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        let mut logs = self.lock();
        let rows = logs.get_mut(&freeze.log).ok_or(CommitError::Conflict)?;
        rows.check_newest(freeze.head.size, &freeze.head.root)?;
        (rows.head, rows.frozen) = (freeze.head.clone(), true);
        Ok(())
    }

    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self
            .read(log, |rows| rows.tiles.get(&(level, index)).cloned())
            .flatten())
    }

    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let hashes = |rows: &Rows| {
            rows.covering(start, end)
                .map(|row| (row.first, row.hashes.clone()))
                .collect()
        };
        Ok(self.read(log, hashes).unwrap_or_default())
    }

    async fn batches(
        &self,
        log: &str,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<BatchRow>, StoreError> {
        let take = |rows: &Rows| {
            let mut bytes = 0;
            let fits = |row: &&BatchRow| {
                let fits = bytes < max_bytes;
                bytes += row.bodies.len() + row.extras.len();
                fits
            };
            rows.covering(start, end)
                .take_while(fits)
                .cloned()
                .collect()
        };
        Ok(self.read(log, take).unwrap_or_default())
    }

    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError> {
        let keys = |rows: &Rows| rows.covering(start, end).map(key_row).collect();
        Ok(self.read(log, keys).unwrap_or_default())
    }

    async fn runs(&self, log: &str) -> Result<Vec<RunRow>, StoreError> {
        let runs = |rows: &Rows| rows.runs.keys().copied().collect();
        Ok(self.read(log, runs).unwrap_or_default())
    }

    async fn filter(&self, log: &str, run: RunRow) -> Result<Option<Bytes>, StoreError> {
        let filter = |rows: &Rows| rows.runs.get(&run).map(|run| run.filter.clone());
        Ok(self.read(log, filter).flatten())
    }

    async fn pages(&self, log: &str, pages: &[PageId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let page = |rows: &Rows, id: &PageId| {
            let place = usize::try_from(id.page).ok()?;
            rows.runs.get(&id.run)?.pages.get(place).cloned()
        };
        let pages = |rows: &Rows| pages.iter().map(|id| page(rows, id)).collect();
        Ok(self.read(log, pages).unwrap_or_default())
    }

    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        let mut logs = self.lock();
        let rows = logs.get_mut(log).ok_or(CommitError::Conflict)?;
        let (first, past) = (run.row.first, run.row.past);
        let is_there = |have: &RunRow| have.first <= first && have.past >= past;
        if rows.runs.keys().any(is_there) {
            return Err(CommitError::Conflict);
        }
        rows.runs.insert(run.row, run.clone());
        for gone in replaced {
            rows.runs.remove(gone);
        }
        Ok(())
    }

    async fn inventory(&self, log: &str) -> Result<Option<Inventory>, StoreError> {
        let number = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        Ok(self.read(log, |rows| Inventory {
            batches: number(rows.batches.len()),
            tiles: number(rows.tiles.len()),
            pages: rows.runs.values().map(|run| number(run.pages.len())).sum(),
        }))
    }
}

fn key_row(row: &BatchRow) -> KeyRow {
    KeyRow {
        first: row.first,
        hashes: row.hashes.clone(),
        identities: row.identities.clone(),
    }
}

impl Rows {
    fn new(head: TreeHead) -> Self {
        Self {
            head,
            frozen: false,
            batches: BTreeMap::new(),
            tiles: HashMap::new(),
            runs: HashMap::new(),
        }
    }

    fn covering(&self, start: u64, end: u64) -> impl Iterator<Item = &BatchRow> {
        // A batch lies within one tile, so none that begins before the tile of `start` reaches it.
        let from = start & !255;
        self.batches
            .range(from..end.max(from))
            .map(|(_, row)| row)
            .filter(move |row| row.first + u64::from(row.count) > start)
    }

    fn check_newest(&self, size: u64, root: &Hash) -> Result<(), CommitError> {
        match !self.frozen && self.head.size == size && self.head.root == *root {
            true => Ok(()),
            false => Err(CommitError::Conflict),
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        self.check_newest(commit.expected_size, &commit.expected_root)?;
        let batch = &commit.batch;
        self.tiles.extend(
            commit
                .tiles
                .iter()
                .map(|tile| ((tile.level, tile.index), tile.hashes.clone())),
        );
        self.batches.insert(batch.first, batch.clone());
        self.head = commit.head.clone();
        Ok(())
    }
}
