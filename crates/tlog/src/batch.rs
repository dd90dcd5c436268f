//! The row of a batch: entries to bytes and back.
//!
//! Leaves stand one behind the other, each with its length, which is nearly the entry bundle of tlog-tiles; the
//! length has 32 bits, because Rekor v1 takes leaves above 64 KiB.

use crate::store::BatchRow;
use crate::{Entry, Submission};
use bytes::{BufMut, Bytes, BytesMut};
use merkle::Hash;

/// Entries of a batch: it never crosses a boundary of a level-0 tile, which has 256.
pub const MAX_BATCH_ENTRIES: u64 = 256;
/// Bytes of one stored leaf or extra: far above what a log accepts by default (512 KiB), so that the limit can be raised.
const MAX_FIELD_BYTES: usize = 64 * 1024 * 1024;

/// The last index that the stores' signed integers hold.
const MAX_FIRST: u64 = u64::MAX / 2;

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
    BatchRow {
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
    }
}

/// Decodes a row's entries; leaves and extras share the row's memory.
pub(crate) fn decode(row: &BatchRow) -> Result<Vec<Entry>, BatchError> {
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
    let bodies = parse_fields(&row.bodies, count).ok_or(BatchError::Fields { first })?;
    let extras = match row.extras.is_empty() {
        true => vec![Bytes::new(); usize::from(count)],
        false => parse_fields(&row.extras, count).ok_or(BatchError::Fields { first })?,
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
        assert!(row.extras.is_empty());
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

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bodies: Vec<u8>, extras: Vec<u8>, count: u16, first: u64) {
            let hashes = Bytes::from(vec![0; usize::from(count) * 32]);
            let row = BatchRow { first, count, time_ms: 0, hashes, identities: Bytes::new(), checkpoint: Bytes::new(), extras: extras.into(), bodies: bodies.into() };
            let _ = decode(&row);
        }
    }
}
