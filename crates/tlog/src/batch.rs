//! The row of a batch: entries to bytes and back.
//!
//! Leaves stand one behind the other, each with its length, which is nearly the entry bundle of tlog-tiles; the
//! length has 32 bits, because Rekor v1 takes leaves above 64 KiB.
//!
//! The tree covers leaves and their hashes, the log's signature covers the checkpoint. Nothing covers the rest of a row:
//! its time, its identities, the data beside the leaves. A seal does, three short checksums behind that data, so that
//! damage to any byte of a row is found before the row is answered from, and the damaged column can be named.

use crate::store::BatchRow;
use crate::{Entry, Submission};
use bytes::{BufMut, Bytes, BytesMut};
use merkle::Hash;
use sha2::{Digest, Sha256};

/// Entries of a batch: it never crosses a boundary of a level-0 tile, which has 256.
pub const MAX_BATCH_ENTRIES: u64 = 256;
/// Bytes of one stored leaf or extra: far above what a log accepts by default (512 KiB), so that the limit can be raised.
const MAX_FIELD_BYTES: usize = 64 * 1024 * 1024;

/// The last index that the stores' signed integers hold.
const MAX_FIRST: u64 = u64::MAX / 2;

/// Bytes of one checksum: against accidents 2^-64 is enough; against a forger no unsigned checksum is.
const CHECKSUM: usize = 8;
/// Bytes of a row's seal.
const SEAL: usize = 3 * CHECKSUM;

/// Why a stored batch does not parse: damage, or a row that nothing of ours wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not 1 to 256 entries, or across a tile boundary.
    #[error("a batch at {first} cannot have {count} entries")]
    Count {
        /// Index of the first entry.
        first: u64,
        /// Number of entries that the row claims.
        count: u16,
    },
    /// Hashes or identities are not 32 bytes an entry.
    #[error("a batch at {first} has {have} bytes of hashes for {count} entries")]
    Hashes {
        /// Index of the first entry.
        first: u64,
        /// Number of entries that the row claims.
        count: u16,
        /// Bytes found.
        have: usize,
    },
    /// Bodies or extras end early, or are longer than their lengths say.
    #[error("the stored bodies of the batch at {first} do not have the lengths they state")]
    Fields {
        /// Index of the first entry.
        first: u64,
    },
    /// A column that the tree does not cover was changed after it was written.
    #[error(
        "the stored {column} of the batch at {first} were changed: their checksum does not match"
    )]
    Seal {
        /// Index of the first entry.
        first: u64,
        /// `time_ms`, `identities` or `extras`.
        column: &'static str,
    },
}

/// Encodes entries (each with its leaf hash) as a row.
pub(crate) fn encode<'a>(
    first: u64,
    time_ms: i64,
    checkpoint: Bytes,
    entries: impl Iterator<Item = (&'a Submission, Hash)> + Clone,
) -> BatchRow {
    let same = entries.clone().all(|(entry, hash)| entry.identity == hash);
    let identities = |(entry, _): (&'a Submission, Hash)| entry.identity;
    let bare = entries.clone().all(|(entry, _)| entry.extra.is_empty());
    let row = BatchRow {
        first,
        count: u16::try_from(entries.clone().count()).unwrap_or(u16::MAX),
        time_ms,
        hashes: entries
            .clone()
            .map(|(_, hash)| hash)
            .collect::<Vec<_>>()
            .concat()
            .into(),
        identities: if same {
            Bytes::new()
        } else {
            entries
                .clone()
                .map(identities)
                .collect::<Vec<_>>()
                .concat()
                .into()
        },
        checkpoint,
        extras: if bare {
            Bytes::new()
        } else {
            fields(entries.clone().map(|(entry, _)| &entry.extra))
        },
        bodies: fields(entries.map(|(entry, _)| &entry.leaf)),
    };
    BatchRow {
        extras: [&row.extras[..], &seal(&row, &row.extras)].concat().into(),
        ..row
    }
}

/// The checksums over what neither the tree nor a signature covers: of place and time, of the identities, and of the
/// extras with the two before, so that a changed seal counts as what it is, a changed byte of the extras column.
fn seal(row: &BatchRow, extras: &[u8]) -> [u8; SEAL] {
    let place = [
        &row.first.to_be_bytes()[..],
        &row.count.to_be_bytes(),
        &row.time_ms.to_be_bytes(),
    ];
    let mut seal = [0; SEAL];
    let (parts, _) = seal.as_chunks_mut();
    parts[0] = checksum(&place);
    parts[1] = checksum(&[&row.identities]);
    parts[2] = checksum(&[extras, &parts[0], &parts[1]]);
    seal
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&hasher.finalize()[..CHECKSUM]);
    checksum
}

/// Splits the seal off the extras and checks it; names the first column that it does not fit.
pub(crate) fn open_seal(row: &BatchRow) -> Result<Bytes, BatchError> {
    let wrong = |column| BatchError::Seal {
        first: row.first,
        column,
    };
    let end = row.extras.len().checked_sub(SEAL).ok_or(wrong("extras"))?;
    let extras = row.extras.slice(..end);
    let (have, _) = row.extras[end..].as_chunks::<CHECKSUM>();
    let want = seal(row, &extras);
    let (want, _) = want.as_chunks::<CHECKSUM>();
    if have[2] != checksum(&[&extras, &have[0], &have[1]]) {
        return Err(wrong("extras"));
    }
    if have[0] != want[0] {
        return Err(wrong("time_ms"));
    }
    if have[1] != want[1] {
        return Err(wrong("identities"));
    }
    Ok(extras)
}

/// The identity of the entry at `index`, which the row must have.
pub(crate) fn identity(row: &BatchRow, index: u64) -> Option<Hash> {
    let place = usize::try_from(index.checked_sub(row.first)?).ok()?;
    identities(row).get(place).copied()
}

/// The identities of a row's entries.
pub(crate) fn identities(row: &BatchRow) -> &[Hash] {
    let bytes = match row.identities.is_empty() {
        true => &row.hashes,
        false => &row.identities,
    };
    bytes.as_chunks().0
}

/// Decodes a row's entries; leaves and extras share the row's memory.
pub(crate) fn decode(row: &BatchRow) -> Result<Vec<Entry>, BatchError> {
    check_shape(row)?;
    let BatchRow { first, count, .. } = *row;
    let extras = open_seal(row)?;
    let bodies = bodies(row)?;
    let extras = match extras.is_empty() {
        true => vec![Bytes::new(); usize::from(count)],
        false => parse_fields(&extras, count).ok_or(BatchError::Fields { first })?,
    };
    let entries = bodies.into_iter().zip(extras).zip(first..);
    Ok(entries
        .map(|((leaf, extra), index)| Entry {
            index,
            leaf,
            extra,
            time_ms: row.time_ms,
        })
        .collect())
}

/// Checks that a row has 1 to 256 entries of one tile, and hashes for all of them.
pub(crate) fn check_shape(row: &BatchRow) -> Result<(), BatchError> {
    let BatchRow { first, count, .. } = *row;
    if count == 0
        || first > MAX_FIRST
        || first % MAX_BATCH_ENTRIES + u64::from(count) > MAX_BATCH_ENTRIES
    {
        return Err(BatchError::Count { first, count });
    }
    let want = usize::from(count) * 32;
    if row.hashes.len() != want || !(row.identities.is_empty() || row.identities.len() == want) {
        let have = row.hashes.len().max(row.identities.len());
        return Err(BatchError::Hashes { first, count, have });
    }
    Ok(())
}

/// The leaves of a row.
pub(crate) fn bodies(row: &BatchRow) -> Result<Vec<Bytes>, BatchError> {
    let first = row.first;
    parse_fields(&row.bodies, row.count).ok_or(BatchError::Fields { first })
}

fn fields<'a>(values: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut out = BytesMut::with_capacity(values.clone().map(|value| value.len() + 4).sum());
    for value in values {
        // A submission above 4 GiB cannot pass `Limits::max_entry`; a wrong length would be found at reading.
        out.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        out.put_slice(value);
    }
    out.freeze()
}

fn parse_fields(bytes: &Bytes, count: u16) -> Option<Vec<Bytes>> {
    let mut values = Vec::with_capacity(usize::from(count));
    let mut at = 0;
    for _ in 0..count {
        let (length, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length))
            .ok()
            .filter(|length| *length <= MAX_FIELD_BYTES)?;
        let start = at + 4;
        at = start + length;
        if at > bytes.len() {
            return None;
        }
        values.push(bytes.slice(start..at));
    }
    (at == bytes.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn submission(leaf: &[u8], extra: &[u8]) -> (Submission, Hash) {
        let hash = merkle::leaf_hash(leaf);
        (
            Submission {
                leaf: Bytes::copy_from_slice(leaf),
                identity: hash,
                extra: Bytes::copy_from_slice(extra),
            },
            hash,
        )
    }

    fn row(entries: &[(Submission, Hash)]) -> BatchRow {
        encode(
            256,
            7,
            Bytes::from_static(b"note"),
            entries.iter().map(|(entry, hash)| (entry, *hash)),
        )
    }

    #[test]
    fn a_row_gives_back_its_entries() {
        let row = row(&[submission(b"one", b""), submission(b"", b"beside")]);
        assert_eq!((row.first, row.count, row.hashes.len()), (256, 2, 64));
        assert!(row.identities.is_empty());
        let entries = decode(&row).unwrap();
        assert_eq!(
            (
                entries[0].index,
                &entries[0].leaf[..],
                &entries[0].extra[..]
            ),
            (256, &b"one"[..], &b""[..])
        );
        assert_eq!(
            (
                entries[1].index,
                &entries[1].leaf[..],
                &entries[1].extra[..]
            ),
            (257, &b""[..], &b"beside"[..])
        );
        assert_eq!(entries[1].time_ms, 7);
    }

    #[test]
    fn identities_are_stored_when_one_differs() {
        let mut entries = [submission(b"one", b""), submission(b"two", b"")];
        entries[1].0.identity = [9; 32];
        let row = row(&entries);
        assert_eq!(row.identities, [entries[0].1, [9; 32]].concat());
        assert_eq!(row.extras.len(), SEAL);
    }

    #[test]
    fn a_row_across_a_tile_boundary_is_refused() {
        let mut row = row(&[submission(b"one", b""), submission(b"two", b"")]);
        row.first = 511;
        assert_eq!(
            decode(&row).unwrap_err(),
            BatchError::Count {
                first: 511,
                count: 2
            }
        );
    }

    #[test]
    fn hashes_must_match_the_count() {
        let mut row = row(&[submission(b"one", b"")]);
        row.hashes = row.hashes.slice(..31);
        assert_eq!(
            decode(&row).unwrap_err(),
            BatchError::Hashes {
                first: 256,
                count: 1,
                have: 31
            }
        );
    }

    #[test]
    fn bodies_must_end_where_their_lengths_say() {
        let whole = row(&[submission(b"one", b""), submission(b"two", b"")]);
        for cut in 0..whole.bodies.len() {
            let row = BatchRow {
                bodies: whole.bodies.slice(..cut),
                ..whole.clone()
            };
            assert_eq!(decode(&row).unwrap_err(), BatchError::Fields { first: 256 });
        }
        let longer = BatchRow {
            bodies: [&whole.bodies[..], b"x"].concat().into(),
            ..whole
        };
        assert_eq!(
            decode(&longer).unwrap_err(),
            BatchError::Fields { first: 256 }
        );
    }

    #[test]
    fn a_changed_byte_beside_the_tree_is_found_and_its_column_named() {
        let mut entries = [submission(b"one", b"beside"), submission(b"two", b"")];
        entries[1].0.identity = [9; 32];
        let whole = row(&entries);
        let found = |row: &BatchRow| decode(row).unwrap_err();
        let wrong = |column| BatchError::Seal { first: 256, column };
        let other_time = BatchRow {
            time_ms: 8,
            ..whole.clone()
        };
        assert_eq!(found(&other_time), wrong("time_ms"));
        for at in 0..whole.identities.len() {
            let mut changed = whole.identities.to_vec();
            changed[at] ^= 1;
            let identities = changed.into();
            let row = BatchRow {
                identities,
                ..whole.clone()
            };
            assert_eq!(found(&row), wrong("identities"));
        }
        for at in 0..whole.extras.len() {
            let mut changed = whole.extras.to_vec();
            changed[at] ^= 1;
            let extras = changed.into();
            let row = BatchRow {
                extras,
                ..whole.clone()
            };
            assert_eq!(found(&row), wrong("extras"), "byte {at}");
        }
    }

    #[test]
    fn identities_are_those_of_the_places() {
        let mut entries = [submission(b"one", b""), submission(b"two", b"")];
        assert_eq!(identity(&row(&entries), 257), Some(entries[1].1));
        entries[1].0.identity = [9; 32];
        assert_eq!(identity(&row(&entries), 257), Some([9; 32]));
        assert_eq!(identity(&row(&entries), 258), None);
        assert_eq!(identity(&row(&entries), 255), None);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bodies: Vec<u8>, extras: Vec<u8>, count: u16, first: u64, sealed: bool) {
            let hashes = Bytes::from(vec![0; usize::from(count) * 32]);
            let mut row = BatchRow { first, count, time_ms: 0, hashes, identities: Bytes::new(), checkpoint: Bytes::new(), extras: extras.into(), bodies: bodies.into() };
            if sealed {
                row.extras = [&row.extras[..], &seal(&row, &row.extras)].concat().into();
            }
            let _ = decode(&row);
        }
    }
}
