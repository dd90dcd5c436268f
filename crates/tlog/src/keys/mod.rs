//! Finds an entry by its leaf hash or identity, without an index that grows with the log.
//!
//! The keys of the newest entries are in a map in memory, made from the batches themselves. All older ones are in
//! immutable runs in the store, each with a filter in memory (12 bits a key): a new key is almost always known to be new
//! without a query. A filter's "perhaps" is settled by one page of the run, and a page's "yes" by the hash in the batch.
//!
//! Strict, because nothing here decides: what another writer commits after a look changes the head row, and then the
//! commit that relied on the look conflicts.
//!
//! Which runs there are follows from the size of the log: one for every full [`crate::Limits::key_tail`] entries, and
//! eight neighbors of one size become one, up to 64 tails. Any process may write one; the second one to do so is told,
//! and takes what is there. A reader whose run was merged away misses a page, asks which runs there are, and looks again.

mod filter;
pub(crate) mod run;

use crate::batch::MAX_BATCH_ENTRIES;
use crate::kill::{self, Moment};
use crate::store::{CommitError, KeyKind, KeyRow, PageId, RunRow, Store, StoreError};
use merkle::Hash;
use run::{Key, Run, build, parse_filter, parse_page, prefix};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Mutex, Notify};

/// Runs that are merged into one.
const FAN_IN: usize = 8;
/// A run of more tails than this is not merged further: it is written in one transaction.
const MAX_TAILS: u64 = 64;
/// Looks that meet a merged run before the store counts as unwell.
const ATTEMPTS: usize = 8;
/// Pages read by one query when runs are merged.
const READ_PAGES: u32 = 256;

/// The keys of one log.
pub(crate) struct Keys {
    tail: u64,
    state: RwLock<State>,
    /// Held while runs are written or taken over.
    building: Mutex<()>,
    grown: Arc<Notify>,
}

#[derive(Default)]
struct State {
    runs: Vec<Arc<Run>>,
    /// Entries below this are in the runs.
    covered: u64,
    /// Entries below this are known.
    known: u64,
    /// Leaf hash to index, the first one of equal leaves; the lowest bit says that it is the entry's identity as well.
    leaves: HashMap<Hash, u64>,
    /// Identities that `leaves` does not say.
    identities: HashMap<Hash, u64>,
}

impl Keys {
    /// Nothing known yet; `tail` entries are kept exactly.
    pub(crate) fn new(tail: usize) -> Self {
        Self {
            tail: u64::try_from(tail)
                .unwrap_or(u64::MAX)
                .max(MAX_BATCH_ENTRIES),
            state: RwLock::default(),
            building: Mutex::default(),
            grown: Arc::default(),
        }
    }

    /// Loads what there is up to `size`: runs, then the batches behind them. Writes the runs that are missing.
    pub(crate) async fn load(
        &self,
        store: &dyn Store,
        log: &str,
        size: u64,
    ) -> Result<(), StoreError> {
        self.adopt(store, log).await?;
        self.write().skip_covered();
        loop {
            let known = self.read().known;
            if known >= size {
                return Ok(());
            }
            let rows = store
                .key_rows(log, known, size.min(known + 64 * MAX_BATCH_ENTRIES))
                .await?;
            self.push(&rows);
            if self.read().known == known {
                // The tree is whole without it, so this is for the audit; an entry that is not found may be logged twice.
                return Err(StoreError::Impossible(format!(
                    "no batch begins at entry {known}"
                )));
            }
            match self.maintain(store, log).await {
                // On a full disk a log can still be read: its keys stay in memory until they can be written.
                Err(StoreError::Unavailable(why)) => {
                    tracing::warn!(log, why, "keys stay in memory until they can be written");
                }
                outcome => outcome?,
            }
        }
    }

    /// Takes the keys of batches that follow on what is known; older ones are known.
    pub(crate) fn push(&self, rows: &[KeyRow]) {
        let mut state = self.write();
        for row in rows {
            state.push(row);
        }
        if state.known.saturating_sub(state.covered) >= self.tail {
            self.grown.notify_one();
        }
    }

    /// Tells when there is a run to write.
    pub(crate) fn grown(&self) -> Arc<Notify> {
        self.grown.clone()
    }

    /// The index of the entry with each key, which may be behind the caller's view. Equal leaves: the first one.
    pub(crate) async fn find(
        &self,
        store: &dyn Store,
        log: &str,
        kind: KeyKind,
        keys: &[Hash],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        for _ in 0..ATTEMPTS {
            let (mut found, looks) = self.look(kind, keys);
            let wanted: Vec<PageId> = looks.iter().map(|(_, page)| *page).collect();
            let pages = match wanted.is_empty() {
                true => Vec::new(),
                false => store.pages(log, &wanted).await?,
            };
            let Some(pages) = pages.into_iter().collect::<Option<Vec<_>>>() else {
                self.adopt(store, log).await?;
                continue;
            };
            for ((place, id), page) in looks.into_iter().zip(pages) {
                let (Some(key), Some(slot)) = (keys.get(place), found.get_mut(place)) else {
                    continue;
                };
                for (_, index) in parse_page(id, &page)?.filter(|(have, _)| *have == prefix(key)) {
                    if slot.is_none_or(|before| index < before)
                        && has_key(store, log, kind, index, key).await?
                    {
                        *slot = Some(index);
                    }
                }
            }
            return Ok(found);
        }
        Err(StoreError::Unavailable(
            "the runs of keys change faster than they can be read".into(),
        ))
    }

    /// What memory says: indices in the tail, and the pages to look at for each key by its place.
    fn look(&self, kind: KeyKind, keys: &[Hash]) -> (Vec<Option<u64>>, Vec<(usize, PageId)>) {
        let state = self.read();
        let mut looks = Vec::new();
        let mut found = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let recent = state.recent(kind, key);
            found.push(recent);
            // No two entries share an identity; the first of equal leaves may be older than the tail.
            if kind == KeyKind::Identity && recent.is_some() {
                continue;
            }
            let pages = state.runs.iter().filter_map(|run| {
                Some(PageId {
                    run: run.row,
                    page: run.page(prefix(key))?,
                })
            });
            looks.extend(pages.map(|page| (place, page)));
        }
        (found, looks)
    }

    /// Writes and merges the runs that are due.
    pub(crate) async fn maintain(&self, store: &dyn Store, log: &str) -> Result<(), StoreError> {
        let _building = self.building.lock().await;
        // Bounded: what is left is due again at the next batch.
        for _ in 0..MAX_TAILS {
            let (run, new, replaced) = if let Some((first, keys)) = self.due() {
                let (run, new) = build(first, first + self.tail, keys);
                (run, new, Vec::new())
            } else if let Some(rows) = self.mergeable() {
                let Some(keys) = read_keys(store, log, &rows).await? else {
                    self.adopt_locked(store, log).await?;
                    continue;
                };
                let (first, past) = (rows[0].first, rows[FAN_IN - 1].past);
                let (run, new) = build(first, past, keys);
                (run, new, rows)
            } else {
                return Ok(());
            };
            let (put, stored) = match replaced.is_empty() {
                true => (Moment::RunPut, Moment::RunStored),
                false => (Moment::MergePut, Moment::MergeStored),
            };
            kill::pass(put);
            let outcome = store.put_run(log, &new, &replaced).await;
            kill::pass(stored);
            match outcome {
                Ok(()) => self.write().take(run),
                // Another process has written it, or this one without learning so.
                Err(CommitError::Conflict | CommitError::Unknown(_)) => {
                    self.adopt_locked(store, log).await?
                }
                Err(CommitError::Failed(why)) => return Err(StoreError::Unavailable(why)),
            }
        }
        Ok(())
    }

    /// First entry and keys of the next run, when all its entries are known.
    fn due(&self) -> Option<(u64, Vec<Key>)> {
        let state = self.read();
        let (first, past) = (state.covered, state.covered + self.tail);
        (state.known >= past).then(|| {
            let leaves = state
                .leaves
                .iter()
                .map(|(key, value)| (prefix(key), value >> 1));
            let identities = state
                .identities
                .iter()
                .map(|(key, index)| (prefix(key), *index));
            (
                first,
                leaves
                    .chain(identities)
                    .filter(|(_, index)| *index < past)
                    .collect(),
            )
        })
    }

    fn mergeable(&self) -> Option<Vec<RunRow>> {
        self.read().mergeable(self.tail)
    }

    /// Takes the runs that the store has.
    async fn adopt(&self, store: &dyn Store, log: &str) -> Result<(), StoreError> {
        let _building = self.building.lock().await;
        self.adopt_locked(store, log).await
    }

    async fn adopt_locked(&self, store: &dyn Store, log: &str) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let rows = cover(store.runs(log).await?);
            let mut runs = Vec::with_capacity(rows.len());
            for row in &rows {
                let have = self.read().runs.iter().find(|run| run.row == *row).cloned();
                let run = match have {
                    Some(run) => Some(run),
                    None => store
                        .filter(log, *row)
                        .await?
                        .map(|bytes| parse_filter(*row, bytes))
                        .transpose()?
                        .map(|filter| Arc::new(Run { row: *row, filter })),
                };
                runs.extend(run);
            }
            // A filter that is not there was merged away meanwhile.
            if runs.len() == rows.len() {
                self.write().replace(runs);
                return Ok(());
            }
        }
        Err(StoreError::Unavailable(
            "the runs of keys change faster than they can be read".into(),
        ))
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, row: &KeyRow) {
        let hashes = row.hashes.as_chunks::<32>().0;
        let count = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
        let (known, end) = (self.known, row.first.saturating_add(count));
        // A batch may begin below what a run ends with, never behind it.
        if row.first > known || end <= known {
            return;
        }
        self.known = end;
        let identities = match row.identities.is_empty() {
            true => hashes,
            false => row.identities.as_chunks::<32>().0,
        };
        for ((index, leaf), identity) in (row.first..).zip(hashes).zip(identities) {
            if index < known || index < self.covered {
                continue;
            }
            let own = leaf == identity;
            let mut told = false;
            self.leaves.entry(*leaf).or_insert_with(|| {
                told = own;
                index << 1 | u64::from(own)
            });
            if !told {
                self.identities.insert(*identity, index);
            }
        }
    }

    fn recent(&self, kind: KeyKind, key: &Hash) -> Option<u64> {
        let leaf = self.leaves.get(key);
        match kind {
            KeyKind::Leaf => leaf.map(|value| value >> 1),
            KeyKind::Identity => {
                let own = leaf.filter(|value| *value & 1 == 1).map(|value| value >> 1);
                own.or_else(|| self.identities.get(key).copied())
            }
        }
    }

    /// The last runs, when they are to become one.
    fn mergeable(&self, tail: u64) -> Option<Vec<RunRow>> {
        let last = self.runs.last_chunk::<FAN_IN>()?;
        let length = last[0].len();
        let whole = u64::try_from(FAN_IN).ok()? * length;
        let fits = last.iter().all(|run| run.len() == length)
            && last[0].row.first % whole == 0
            && whole <= MAX_TAILS * tail;
        fits.then(|| last.iter().map(|run| run.row).collect())
    }

    /// Adds a run behind the others or in place of those that it covers.
    fn take(&mut self, run: Run) {
        self.runs.retain(|have| have.row.first < run.row.first);
        let mut runs = std::mem::take(&mut self.runs);
        runs.push(Arc::new(run));
        self.replace(runs);
    }

    fn replace(&mut self, runs: Vec<Arc<Run>>) {
        let covered = runs.last().map_or(0, |run| run.row.past);
        // Runs are never taken back; what the tail has lost only they have.
        if covered < self.covered {
            return;
        }
        self.runs = runs;
        self.covered = covered;
        self.leaves.retain(|_, value| *value >> 1 >= covered);
        self.identities.retain(|_, index| *index >= covered);
    }

    /// At the start, what the runs cover needs no batches.
    fn skip_covered(&mut self) {
        self.known = self.known.max(self.covered);
    }
}

/// Chooses runs that follow on each other from entry 0, the longest ones.
fn cover(mut rows: Vec<RunRow>) -> Vec<RunRow> {
    rows.sort_by_key(|row| (row.first, std::cmp::Reverse(row.past)));
    let mut next = 0;
    rows.retain(|row| {
        let follows = row.first == next;
        next = if follows { row.past } else { next };
        follows
    });
    rows
}

/// All keys of some runs; `None` when one is gone.
async fn read_keys(
    store: &dyn Store,
    log: &str,
    rows: &[RunRow],
) -> Result<Option<Vec<Key>>, StoreError> {
    let mut keys = Vec::new();
    for run in rows {
        for start in (0..run.pages).step_by(usize::try_from(READ_PAGES).unwrap_or(1)) {
            let wanted: Vec<PageId> = (start..run.pages.min(start + READ_PAGES))
                .map(|page| PageId { run: *run, page })
                .collect();
            let pages = store.pages(log, &wanted).await?;
            for (id, page) in wanted.into_iter().zip(pages) {
                let Some(page) = page else { return Ok(None) };
                keys.extend(parse_page(id, &page)?);
            }
        }
    }
    Ok(Some(keys))
}

/// Compares the whole hash with the one in the entry's batch.
async fn has_key(
    store: &dyn Store,
    log: &str,
    kind: KeyKind,
    index: u64,
    key: &Hash,
) -> Result<bool, StoreError> {
    let rows = store.key_rows(log, index, index.saturating_add(1)).await?;
    let row = rows.first().ok_or_else(|| {
        StoreError::Impossible(format!("a run names entry {index}, which is not stored"))
    })?;
    let hashes = match kind {
        KeyKind::Identity if !row.identities.is_empty() => &row.identities,
        _ => &row.hashes,
    };
    let place = index
        .checked_sub(row.first)
        .and_then(|place| usize::try_from(place).ok());
    Ok(place.and_then(|place| hashes.as_chunks::<32>().0.get(place)) == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_runs_are_chosen_before_those_that_they_replace() {
        let row = |first, past| RunRow {
            first,
            past,
            pages: 1,
        };
        let rows = vec![row(0, 8), row(8, 16), row(0, 64), row(64, 72), row(80, 88)];
        assert_eq!(cover(rows), [row(0, 64), row(64, 72)]);
    }
}
