//! Logs in memory, for tests: the reference for what the other stores must do.

use super::{BatchRow, Commit, CommitError, KeyKind, KeyRow, MAX_SINCE, Since, Store, StoreError};
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
    batches: BTreeMap<u64, BatchRow>,
    tiles: HashMap<(u8, u64), Bytes>,
    leaves: HashMap<Hash, u64>,
    identities: HashMap<Hash, u64>,
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
                .map(|(_, row)| KeyRow {
                    first: row.first,
                    hashes: row.hashes.clone(),
                    identities: row.identities.clone(),
                })
                .collect(),
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

    async fn find(
        &self,
        log: &str,
        kind: KeyKind,
        keys: &[Hash],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        let find = |rows: &Rows| {
            let map = match kind {
                KeyKind::Leaf => &rows.leaves,
                KeyKind::Identity => &rows.identities,
            };
            keys.iter().map(|key| map.get(key).copied()).collect()
        };
        Ok(self
            .read(log, find)
            .unwrap_or_else(|| vec![None; keys.len()]))
    }
}

impl Rows {
    fn new(head: TreeHead) -> Self {
        Self {
            head,
            batches: BTreeMap::new(),
            tiles: HashMap::new(),
            leaves: HashMap::new(),
            identities: HashMap::new(),
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

    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        if self.head.size != commit.expected_size || self.head.root != commit.expected_root {
            return Err(CommitError::Conflict);
        }
        let batch = &commit.batch;
        let identities = if batch.identities.is_empty() {
            &batch.hashes
        } else {
            &batch.identities
        };
        if hashes(identities).any(|identity| self.identities.contains_key(&identity)) {
            return Err(CommitError::Conflict);
        }
        self.identities
            .extend(hashes(identities).zip(batch.first..));
        for (leaf, index) in hashes(&batch.hashes).zip(batch.first..) {
            self.leaves.entry(leaf).or_insert(index);
        }
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

fn hashes(bytes: &[u8]) -> impl Iterator<Item = Hash> {
    bytes.as_chunks::<32>().0.iter().copied()
}
