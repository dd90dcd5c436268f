//! Rows of a log as bytes: fixed numbers, big-endian, then five fields, each with a 32-bit length.

use bytes::{Buf, BufMut, Bytes};
use tlog::store::BatchRow;

/// Bytes before the first field.
const FIXED: usize = 8 + 2 + 8;

/// Appends a row.
pub(crate) fn encode(row: &BatchRow, out: &mut Vec<u8>) {
    out.put_u64(row.first);
    out.put_u16(row.count);
    out.put_i64(row.time_ms);
    for field in [
        &row.hashes,
        &row.identities,
        &row.checkpoint,
        &row.extras,
        &row.bodies,
    ] {
        // A row above 4 GiB cannot be stored; a wrong length would be found at reading.
        out.put_u32(u32::try_from(field.len()).unwrap_or(u32::MAX));
        out.put_slice(field);
    }
}

/// Reads rows up to the end. They share the memory of `bytes`.
///
/// # Errors
/// What does not parse, as a clause. What the rows say is not checked here.
pub(crate) fn parse(bytes: &Bytes) -> Result<Vec<BatchRow>, String> {
    let mut rest = bytes.clone();
    let mut rows = Vec::new();
    while rest.has_remaining() {
        let at = bytes.len() - rest.len();
        rows.push(parse_row(&mut rest).ok_or_else(|| format!("no row at byte {at}"))?);
    }
    Ok(rows)
}

fn parse_row(rest: &mut Bytes) -> Option<BatchRow> {
    if rest.len() < FIXED {
        return None;
    }
    let (first, count, time_ms) = (rest.get_u64(), rest.get_u16(), rest.get_i64());
    let mut field = || {
        if rest.len() < 4 {
            return None;
        }
        let length = usize::try_from(rest.get_u32()).ok()?;
        (length <= rest.len()).then(|| rest.split_to(length))
    };
    Some(BatchRow {
        first,
        count,
        time_ms,
        hashes: field()?,
        identities: field()?,
        checkpoint: field()?,
        extras: field()?,
        bodies: field()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    prop_compose! {
        fn row()(
            first: u64, count: u16, time_ms: i64,
            hashes in bytes(), identities in bytes(), checkpoint in bytes(), extras in bytes(), bodies in bytes(),
        ) -> BatchRow {
            BatchRow { first, count, time_ms, hashes, identities, checkpoint, extras, bodies }
        }
    }

    proptest! {
        #[test]
        fn rows_are_read_back(rows in proptest::collection::vec(row(), 0..5)) {
            let mut out = Vec::new();
            rows.iter().for_each(|row| encode(row, &mut out));
            prop_assert_eq!(parse(&out.into()).unwrap(), rows);
        }

        #[test]
        fn rows_that_are_cut_are_refused(row in row(), cut in 1_usize..18) {
            let mut out = Vec::new();
            encode(&row, &mut out);
            out.truncate(out.len() - cut);
            prop_assert!(parse(&out.into()).is_err());
        }

        #[test]
        fn any_bytes_parse_or_fail(bytes: Vec<u8>) {
            let _ = parse(&bytes.into());
        }
    }
}
