//! Entry bundles: leaves, each behind its 16-bit length (C2SP tlog-tiles, "Log entries").

use merkle::tile::WIDTH;

/// Why bytes are no entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end inside a length or an entry.
    #[error("entry {entry} of the bundle is cut off")]
    CutOff {
        /// Position of the entry in the bundle, from 0.
        entry: usize,
    },
    /// More entries than a tile has hashes.
    #[error("the bundle has more than 256 entries")]
    TooMany,
}

/// Parses an entry bundle into its leaves, 0 to 256 of up to 65,535 bytes each. Nothing is copied.
///
/// # Errors
/// When an entry is cut off, or there are more than 256.
pub fn parse_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut leaves = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let cut_off = BundleError::CutOff {
            entry: leaves.len(),
        };
        if leaves.len() == usize::from(WIDTH) {
            return Err(BundleError::TooMany);
        }
        let (length, tail) = rest.split_first_chunk().ok_or(cut_off)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (leaf, tail) = tail.split_at_checked(length).ok_or(cut_off)?;
        leaves.push(leaf);
        rest = tail;
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_taken_apart() {
        let leaves = parse_bundle(b"\x00\x02ab\x00\x00\x00\x01c");
        assert_eq!(leaves, Ok(vec![&b"ab"[..], b"", b"c"]));
        assert_eq!(parse_bundle(b""), Ok(vec![]));
    }

    #[test]
    fn a_bundle_that_ends_early_is_refused() {
        for bytes in [&b"\x00\x01a\x00"[..], b"\x00\x01a\x00\x02b"] {
            assert_eq!(parse_bundle(bytes), Err(BundleError::CutOff { entry: 1 }));
        }
    }

    #[test]
    fn a_bundle_has_no_257th_entry() {
        assert_eq!(parse_bundle(&[0; 512]).map(|leaves| leaves.len()), Ok(256));
        assert_eq!(parse_bundle(&[0; 514]), Err(BundleError::TooMany));
    }
}
