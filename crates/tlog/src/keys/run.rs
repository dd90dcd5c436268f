//! An immutable run: the keys of a range of entries, sorted, cut into pages by their first 8 bytes.
//!
//! Hashes are spread evenly, so the page of a key is computed and no index of pages is needed.
//!
//! Nothing in the tree covers a run, and a changed byte in one would let an entry be logged twice. So each page and the
//! filter end with a checksum over themselves and their place.

use super::filter::Filter;
use crate::store::{NewRun, PageId, RunRow, StoreError};
use bytes::Bytes;
use merkle::Hash;
use sha2::{Digest, Sha256};

/// Keys of a page on average: 1.2 KB, so that even a full page stays in its table row (PostgreSQL moves values above
/// 2 KB elsewhere).
const PAGE_KEYS: usize = 96;
/// Bytes of a key: the first 8 of its hash, and the offset of its entry in the run.
const KEY: usize = 12;
/// Bytes of a checksum: against accidents, not against forgers, who could change the batches as well.
const SEAL: usize = 8;

/// A key as runs know it, and the index of its entry. The hash itself is in the entry's batch.
pub(crate) type Key = (u64, u64);

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
        filter: sealed(row, None, filter.bytes().to_vec()),
        pages: (0..)
            .zip(pages)
            .map(|(page, keys)| sealed(row, Some(page), keys))
            .collect(),
    };
    (Run { row, filter }, new)
}

/// The filter of a stored run.
pub(crate) fn parse_filter(run: RunRow, bytes: Bytes) -> Result<Filter, StoreError> {
    let filter = open(run, None, &bytes)
        .map(|filter| bytes.slice_ref(filter))
        .and_then(Filter::parse);
    filter.ok_or_else(|| damaged(run, "filter".to_owned()))
}

/// The keys of a stored page.
pub(crate) fn parse_page(
    id: PageId,
    bytes: &[u8],
) -> Result<impl Iterator<Item = Key>, StoreError> {
    let keys = open(id.run, Some(id.page), bytes).map(<[u8]>::as_chunks::<KEY>);
    let Some((keys, [])) = keys else {
        return Err(damaged(id.run, format!("page {}", id.page)));
    };
    Ok(keys.iter().map(move |key| {
        let [a, b, c, d, e, f, g, h, offset @ ..] = *key;
        (
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            id.run
                .first
                .saturating_add(u64::from(u32::from_be_bytes(offset))),
        )
    }))
}

/// Appends the checksum of a page, or of the filter.
fn sealed(run: RunRow, page: Option<u32>, mut bytes: Vec<u8>) -> Bytes {
    let seal = seal(run, page, &bytes);
    bytes.extend_from_slice(&seal);
    bytes.into()
}

/// What stands before the checksum, when that is right.
fn open(run: RunRow, page: Option<u32>, bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, have) = bytes.split_last_chunk::<SEAL>()?;
    (*have == seal(run, page, bytes)).then_some(bytes)
}

fn seal(run: RunRow, page: Option<u32>, bytes: &[u8]) -> [u8; SEAL] {
    let digest = Sha256::new()
        .chain_update(run.first.to_be_bytes())
        .chain_update(run.past.to_be_bytes())
        .chain_update(run.pages.to_be_bytes())
        .chain_update(page.unwrap_or(u32::MAX).to_be_bytes())
        .chain_update(bytes)
        .finalize();
    let mut seal = [0; SEAL];
    seal.iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    seal
}

fn damaged(run: RunRow, what: String) -> StoreError {
    StoreError::Impossible(format!(
        "{what} of the keys of entries {} to {}: its checksum does not match; `sigstead fsck` says how to go on",
        run.first,
        run.past.saturating_sub(1)
    ))
}

/// The first 8 bytes of a hash.
pub(crate) fn prefix(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The page of a run that has a key.
pub(crate) fn page(prefix: u64, pages: u32) -> u32 {
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
            let page = run.page(prefix).unwrap();
            let bytes = &new.pages[page as usize];
            let id = PageId { run: run.row, page };
            let mut keys = parse_page(id, bytes).unwrap();
            assert!(keys.any(|key| key == (prefix, index)));
        }
        assert!(new.pages.iter().all(|page| page.len() < 2000));
        assert!(parse_filter(run.row, new.filter).is_ok());
    }

    #[test]
    fn a_changed_byte_or_another_place_is_noticed() {
        let keys =
            (0..300_u64).map(|index| (prefix(&merkle::leaf_hash(&index.to_be_bytes())), index));
        let (run, new) = build(0, 300, keys.collect());
        let id = |page| PageId { run: run.row, page };
        assert!(parse_page(id(0), &new.pages[0]).is_ok());
        assert!(parse_page(id(1), &new.pages[0]).is_err());
        for at in 0..new.pages[0].len() {
            let mut bytes = new.pages[0].to_vec();
            bytes[at] ^= 1;
            assert!(parse_page(id(0), &bytes).is_err(), "byte {at}");
        }
        for at in 0..new.filter.len() {
            let mut bytes = new.filter.to_vec();
            bytes[at] ^= 1;
            assert!(parse_filter(run.row, bytes.into()).is_err(), "byte {at}");
        }
        assert!(parse_page(id(0), &[]).is_err());
        assert!(parse_filter(run.row, Bytes::new()).is_err());
    }
}
