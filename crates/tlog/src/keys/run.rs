//! An immutable run: the keys of a range of entries, sorted, cut into pages by their first 8 bytes.
//!
//! Hashes are spread evenly, so the page of a key is computed and no index of pages is needed.

use super::filter::Filter;
use crate::store::{NewRun, RunRow};
use bytes::Bytes;
use merkle::Hash;

/// Keys of a page on average: 1.2 KB, so that even a full page stays in its table row (PostgreSQL moves values above
/// 2 KB elsewhere).
const PAGE_KEYS: usize = 96;
/// Bytes of a key: the first 8 of its hash, and the offset of its entry in the run.
const KEY: usize = 12;

/// A key as runs know it, and the index of its entry. The hash itself is in the entry's batch.
pub(super) type Key = (u64, u64);

/// A run whose filter is in memory.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) row: RunRow,
    pub(super) filter: Filter,
}

impl Run {
    /// Entries that the run covers.
    pub(super) fn len(&self) -> u64 {
        self.row.past - self.row.first
    }

    /// The page that has the key, if any has.
    pub(super) fn page(&self, prefix: u64) -> Option<u32> {
        self.filter
            .may_have(prefix)
            .then(|| page(prefix, self.row.pages))
    }
}

/// Builds the run of the entries `[first, past)`.
pub(super) fn build(first: u64, past: u64, mut keys: Vec<Key>) -> (Run, NewRun) {
    keys.sort_unstable();
    let count = u32::try_from(keys.len().div_ceil(PAGE_KEYS).max(1)).unwrap_or(u32::MAX);
    let mut pages = vec![Vec::new(); usize::try_from(count).unwrap_or(0)];
    for (prefix, index) in &keys {
        let place = usize::try_from(page(*prefix, count)).unwrap_or(usize::MAX);
        // A run is far shorter than 2^32 entries (see the merging rule).
        let offset = u32::try_from(index.saturating_sub(first)).unwrap_or(u32::MAX);
        if let Some(page) = pages.get_mut(place) {
            page.extend_from_slice(&prefix.to_be_bytes());
            page.extend_from_slice(&offset.to_be_bytes());
        }
    }
    let filter = Filter::build(keys.iter().map(|(prefix, _)| *prefix));
    let row = RunRow {
        first,
        past,
        pages: count,
    };
    let new = NewRun {
        row,
        filter: filter.bytes().clone(),
        pages: pages.into_iter().map(Bytes::from).collect(),
    };
    (Run { row, filter }, new)
}

/// The keys of a stored page.
pub(super) fn parse_page(run: RunRow, bytes: &[u8]) -> impl Iterator<Item = Key> {
    bytes.as_chunks::<KEY>().0.iter().map(move |key| {
        let [a, b, c, d, e, f, g, h, offset @ ..] = *key;
        (
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            run.first + u64::from(u32::from_be_bytes(offset)),
        )
    })
}

/// The first 8 bytes of a hash.
pub(super) fn prefix(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn page(prefix: u64, pages: u32) -> u32 {
    u32::try_from((u128::from(prefix) * u128::from(pages)) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gives_back_its_keys() {
        let keys: Vec<Key> = (1000..4000_u64)
            .map(|index| (prefix(&merkle::leaf_hash(&index.to_be_bytes())), index))
            .collect();
        let (run, new) = build(1000, 4000, keys.clone());
        assert_eq!((run.len(), new.pages.len(), run.row.pages), (3000, 32, 32));
        for (prefix, index) in keys {
            let page = &new.pages[run.page(prefix).unwrap() as usize];
            assert!(parse_page(run.row, page).any(|key| key == (prefix, index)));
        }
        assert!(new.pages.iter().all(|page| page.len() < 2000));
    }
}
