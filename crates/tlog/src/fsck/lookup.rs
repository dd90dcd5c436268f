//! The lookup from hash to index: the runs follow on each other, every leaf and identity of an entry leads to it, and
//! nothing else does.
//!
//! What no run covers yet is found through the batches themselves and needs no check of its own.

use super::report::Table;
use super::walk::Walk;
use crate::StoreError;
use crate::keys::run::{Key, page, parse_filter, parse_page, prefix};
use crate::store::{KeyRow, PageId, RunRow};
use merkle::Hash;

/// Pages that one query fetches: 300 KiB.
const QUERY_PAGES: u32 = 256;
/// Entries whose hashes one query fetches.
const QUERY_ENTRIES: u64 = 16 * 1024;

/// Keys of one run as (index of the entry, prefix), ascending; an entry has one or two. 16 bytes a key.
type ByIndex = Vec<(u64, u64)>;

impl Walk<'_> {
    /// Checks every run of keys below `size`.
    pub(super) async fn check_runs(&mut self, size: u64) -> Result<(), StoreError> {
        let mut runs = self.store.runs(self.name()).await?;
        runs.sort_by_key(|run| (run.first, run.past));
        let mut next = 0;
        for run in runs.clone() {
            if run.first != next || run.past > size {
                let have = format!("entries {} to {}", run.first, run.past - 1);
                let want = format!("a run from {next} on, below {size}, or no such row");
                self.find(Table::Run, run_key(run), "first or past", have, want);
                continue;
            }
            next = run.past;
            let keys = self.read_run(run).await?;
            if let Some(keys) = keys
                && !self.batches_lie()
            {
                self.check_run(run, &runs, keys).await?;
            }
        }
        Ok(())
    }

    /// The keys of a run; `None` when not all of them can be read.
    async fn read_run(&mut self, run: RunRow) -> Result<Option<ByIndex>, StoreError> {
        let want = "what its checksum was made over; remove the run (tlog_run, tlog_run_page) while stopped: \
                    the next start writes it anew";
        let mut whole = true;
        let filter = match self.store.filter(self.name(), run).await? {
            Some(bytes) => parse_filter(run, bytes).ok(),
            None => None,
        };
        if filter.is_none() {
            whole = false;
            self.find(Table::Run, run_key(run), "filter", "other bytes", want);
        }
        let mut keys = ByIndex::new();
        let mut start = 0;
        while start < run.pages {
            let end = run.pages.min(start + QUERY_PAGES);
            let ids: Vec<PageId> = (start..end).map(|page| PageId { run, page }).collect();
            let pages = self.store.pages(self.name(), &ids).await?;
            for (id, bytes) in ids.into_iter().zip(pages) {
                let Some(bytes) = bytes else {
                    whole = false;
                    self.find(
                        Table::RunPage,
                        page_key(id),
                        "row",
                        "no row",
                        "a page of keys",
                    );
                    continue;
                };
                let Ok(page) = parse_page(id, &bytes) else {
                    whole = false;
                    self.find(Table::RunPage, page_key(id), "keys", "other bytes", want);
                    continue;
                };
                for key in page {
                    self.check_place(id, key, filter.as_ref().is_none_or(|f| f.may_have(key.0)));
                    keys.push((key.1, key.0));
                }
            }
            start = end;
        }
        keys.sort_unstable();
        Ok(whole.then_some(keys))
    }

    /// A key is looked for in one page only, and only when the filter may have it.
    fn check_place(&mut self, id: PageId, (prefix, index): Key, in_filter: bool) {
        let wanted = page(prefix, id.run.pages);
        if wanted != id.page {
            let have = format!("the key {prefix:016x} of entry {index}");
            let want = format!("this key in page {wanted}");
            self.find(Table::RunPage, page_key(id), "keys", have, want);
        } else if !in_filter {
            let have = format!("no bits for the key {prefix:016x} of entry {index}");
            let want = "every key of the run";
            self.find(Table::Run, run_key(id.run), "filter", have, want);
        }
    }

    /// Compares the keys of a run with those that its entries have.
    async fn check_run(
        &mut self,
        run: RunRow,
        runs: &[RunRow],
        keys: ByIndex,
    ) -> Result<(), StoreError> {
        let mut keys = keys.into_iter().peekable();
        let mut start = run.first;
        while start < run.past {
            let end = run.past.min(start.saturating_add(QUERY_ENTRIES));
            let rows = self.store.key_rows(self.name(), start, end).await?;
            for (index, leaf, identity) in rows.iter().flat_map(entries) {
                if index < start || index >= end {
                    continue;
                }
                self.count_lookups(1);
                let mut have = Vec::with_capacity(2);
                while let Some((at, key)) = keys.next_if(|(at, _)| *at <= index) {
                    match at == index {
                        true => have.push(key),
                        false => self.wrong_key(run, key, at),
                    }
                }
                self.check_entry(run, runs, (index, leaf, identity), have)
                    .await?;
            }
            start = end;
        }
        for (index, key) in keys {
            self.wrong_key(run, key, index);
        }
        Ok(())
    }

    async fn check_entry(
        &mut self,
        run: RunRow,
        runs: &[RunRow],
        (index, leaf, identity): (u64, Hash, Hash),
        have: Vec<u64>,
    ) -> Result<(), StoreError> {
        let has = |hash: &Hash| have.contains(&prefix(hash));
        let missing = if !has(&identity) {
            Some(identity)
        } else if !has(&leaf) && !self.is_earlier(runs, &leaf, index).await? {
            Some(leaf)
        } else {
            None
        };
        if let Some(hash) = missing {
            let id = PageId {
                run,
                page: page(prefix(&hash), run.pages),
            };
            let have = "no key that leads to it";
            let want = format!("the key {:016x} of entry {index}", prefix(&hash));
            self.find(Table::RunPage, page_key(id), "keys", have, want);
        }
        for key in have {
            if key != prefix(&leaf) && key != prefix(&identity) {
                self.wrong_key(run, key, index);
            }
        }
        Ok(())
    }

    /// True when an earlier entry has the same leaf (CT: one certificate twice within a millisecond): that one is found.
    async fn is_earlier(
        &self,
        runs: &[RunRow],
        leaf: &Hash,
        index: u64,
    ) -> Result<bool, StoreError> {
        let prefix = prefix(leaf);
        let before = runs.iter().filter(|run| run.first < index);
        let ids: Vec<PageId> = before
            .map(|run| PageId {
                run: *run,
                page: page(prefix, run.pages),
            })
            .collect();
        let pages = self.store.pages(self.name(), &ids).await?;
        for (id, bytes) in ids.into_iter().zip(pages) {
            let Some(Ok(keys)) = bytes.as_ref().map(|bytes| parse_page(id, bytes)) else {
                continue;
            };
            for (_, earlier) in keys.filter(|(have, at)| *have == prefix && *at < index) {
                let rows = self
                    .store
                    .key_rows(self.name(), earlier, earlier + 1)
                    .await?;
                let mut entries = rows.iter().flat_map(entries);
                if entries.any(|(at, have, _)| at == earlier && have == *leaf) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn wrong_key(&mut self, run: RunRow, key: u64, index: u64) {
        let id = PageId {
            run,
            page: page(key, run.pages),
        };
        let have = format!("the key {key:016x} for entry {index}");
        self.find(Table::RunPage, page_key(id), "keys", have, "no such key");
    }
}

/// Index, leaf hash and identity of every entry of a row.
fn entries(row: &KeyRow) -> impl Iterator<Item = (u64, Hash, Hash)> {
    let leaves = row.hashes.as_chunks::<32>().0;
    let identities = match row.identities.is_empty() {
        true => leaves,
        false => row.identities.as_chunks::<32>().0,
    };
    let pairs = leaves.iter().copied().zip(identities.iter().copied());
    (row.first..)
        .zip(pairs)
        .map(|(index, (leaf, identity))| (index, leaf, identity))
}

fn run_key(run: RunRow) -> String {
    format!("first={} past={}", run.first, run.past)
}

fn page_key(id: PageId) -> String {
    format!("{} page={}", run_key(id.run), id.page)
}
