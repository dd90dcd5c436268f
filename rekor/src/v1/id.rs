//! Entry IDs: 16 hex digits of tree ID and 64 of leaf hash (spec A.3).

use merkle::Hash;
use std::fmt;

/// Names an entry in all shards: 80 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryId {
    pub(crate) tree_id: i64,
    pub(crate) uuid: Hash,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.tree_id, hex::encode(self.uuid))
    }
}

/// What a request may name an entry with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryName {
    /// 64 digits: a leaf hash, to be looked up in every shard.
    Uuid(Hash),
    /// 80 digits.
    Id(EntryId),
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// Not 64 or 80 hex digits; 422 with the code for patterns.
    #[error("an entry is named by 64 or 80 hexadecimal digits")]
    Pattern,
    /// The tree ID does not fit a positive int64.
    #[error("invalid entryID: tree ID {0:016x} is larger than a positive 64-bit integer")]
    TreeTooLarge(u64),
    /// The tree ID is zero.
    #[error("invalid entryID: tree ID is zero")]
    TreeZero,
}

impl EntryName {
    /// The pattern of openapi.yaml.
    pub(crate) const PATTERN: &str = "^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$";

    /// Parses either form, in any letter case.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = hex::decode(text).map_err(|_| NameError::Pattern)?;
        if let Ok(uuid) = Hash::try_from(bytes.as_slice()) {
            return Ok(Self::Uuid(uuid));
        }
        let (tree, uuid) = bytes.split_first_chunk::<8>().ok_or(NameError::Pattern)?;
        let uuid = Hash::try_from(uuid).map_err(|_| NameError::Pattern)?;
        let tree = u64::from_be_bytes(*tree);
        let tree_id = i64::try_from(tree).map_err(|_| NameError::TreeTooLarge(tree))?;
        if tree_id == 0 {
            return Err(NameError::TreeZero);
        }
        Ok(Self::Id(EntryId { tree_id, uuid }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_lower_case_and_read_in_any() {
        let id = EntryId {
            tree_id: 0xabc,
            uuid: [0xfe; 32],
        };
        let text = id.to_string();
        assert_eq!(text, format!("0000000000000abc{}", "fe".repeat(32)));
        assert_eq!(
            EntryName::parse(&text.to_uppercase()),
            Ok(EntryName::Id(id))
        );
        assert_eq!(EntryName::parse(&text[16..]), Ok(EntryName::Uuid(id.uuid)));
    }

    #[test]
    fn a_tree_id_is_a_positive_int64() {
        assert_eq!(
            EntryName::parse(&"f".repeat(80)),
            Err(NameError::TreeTooLarge(u64::MAX))
        );
        assert_eq!(EntryName::parse(&"0".repeat(80)), Err(NameError::TreeZero));
        assert!(EntryName::parse(&format!("7{}", "f".repeat(79))).is_ok());
    }

    #[test]
    fn other_lengths_and_letters_are_no_names() {
        for bad in [
            "",
            "ab",
            &"a".repeat(63),
            &"a".repeat(79),
            &"a".repeat(72),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert_eq!(EntryName::parse(bad), Err(NameError::Pattern), "{bad}");
        }
    }
}
