//! Which objects a larger tree has that a smaller one does not.

use crate::object::{Kind, Object};
use merkle::tile::{TileId, WIDTH, width_at};

/// 256 to the 8th leaves are 2^64: more levels of tiles do not exist.
const LEVELS: u8 = 8;

/// Lists what a tree of `size` leaves implies and the tree of its first `from` leaves does not: bundles and level-0 tiles
/// side by side (the log reads both from the same rows), then the levels above. Lazily: there may be millions.
pub(crate) fn missing(from: u64, size: u64) -> impl Iterator<Item = Object> + Send {
    let leaves = new_in(0, from, size).flat_map(|(index, width)| {
        [Kind::Entries, Kind::Tile(0)].map(|kind| Object { kind, index, width })
    });
    let above = (1..LEVELS).flat_map(move |level| {
        new_in(level, from, size).map(move |(index, width)| Object {
            kind: Kind::Tile(level),
            index,
            width,
        })
    });
    leaves.chain(above)
}

/// Counts what [`missing`] lists.
pub(crate) fn count(from: u64, size: u64) -> u64 {
    let of = |level| {
        let (first, full, partial) = range(level, from, size);
        full.saturating_sub(first) + u64::from(partial > 0)
    };
    2 * of(0) + (1..LEVELS).map(of).sum::<u64>()
}

/// Lists the last object of every level: what the right edge of a tree of `size` leaves stands in.
pub(crate) fn edge(size: u64) -> impl Iterator<Item = Object> + Send {
    let last = move |kind, level: u8| {
        let index = row(level, size).checked_sub(1)? >> 8;
        let width = width_at(TileId { level, index }, size);
        Some(Object { kind, index, width })
    };
    last(Kind::Entries, 0)
        .into_iter()
        .chain((0..LEVELS).filter_map(move |level| last(Kind::Tile(level), level)))
}

/// Lists the objects that were partial in a tree of `from` leaves and are full in the tree of `size`.
pub(crate) fn completed(from: u64, size: u64) -> impl Iterator<Item = Object> + Send {
    edge(from).filter(move |object| {
        let level = match object.kind {
            Kind::Entries => 0,
            Kind::Tile(level) => level,
        };
        let index = object.index;
        object.width < WIDTH && width_at(TileId { level, index }, size) == WIDTH
    })
}

/// Index and width of the tiles of a level that are new.
fn new_in(level: u8, from: u64, size: u64) -> impl Iterator<Item = (u64, u16)> + Send {
    let (first, full, partial) = range(level, from, size);
    let last = (partial > 0).then_some((full, partial));
    (first..full).map(|index| (index, WIDTH)).chain(last)
}

/// The first new tile of a level, the end of its full ones, and the width of the partial one behind them if it is new.
fn range(level: u8, from: u64, size: u64) -> (u64, u64, u16) {
    let (old, new) = (row(level, from), row(level, size));
    if old >= new {
        return (0, 0, 0);
    }
    let index = new >> 8;
    (old >> 8, index, width_at(TileId { level, index }, size))
}

/// Hashes in a level of tiles.
fn row(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn paths(objects: impl Iterator<Item = Object>) -> Vec<String> {
        objects.map(Object::path).collect()
    }

    /// By the text of the specification: every tile of every level up to the size.
    fn all(size: u64) -> BTreeSet<Object> {
        let mut objects = BTreeSet::new();
        for level in 0..LEVELS {
            let tiles = row(level, size).div_ceil(256);
            for index in 0..tiles {
                let width = width_at(TileId { level, index }, size);
                let kinds: &[Kind] = match level {
                    0 => &[Kind::Entries, Kind::Tile(0)],
                    _ => &[Kind::Tile(level)],
                };
                objects.extend(kinds.iter().map(|&kind| Object { kind, index, width }));
            }
        }
        objects
    }

    #[test]
    fn the_specifications_own_example_is_listed() {
        // C2SP tlog-tiles: 70,000 leaves are 273 full tiles and one of 112, a full one and one of 17, one of 1.
        let list = paths(missing(0, 70_000));
        assert_eq!(list.len(), 2 * 274 + 2 + 1);
        for path in [
            "tile/entries/272",
            "tile/0/273.p/112",
            "tile/1/000",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
        ] {
            assert!(list.iter().any(|have| have == path), "{path}");
        }
    }

    #[test]
    fn a_full_tile_shows_in_the_level_above() {
        let list = paths(missing(255, 256));
        assert_eq!(list, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(missing(256, 256)).len(), 0);
        assert_eq!(
            paths(edge(256)),
            ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
        );
        assert_eq!(paths(edge(0)).len(), 0);
    }

    #[test]
    fn what_became_full_was_partial_before() {
        assert_eq!(
            paths(completed(200, 600)),
            ["tile/entries/000.p/200", "tile/0/000.p/200"]
        );
        assert_eq!(paths(completed(256, 600)).len(), 0);
        assert_eq!(paths(completed(0, 600)).len(), 0);
    }

    proptest! {
        #[test]
        fn what_is_missing_is_the_difference(from in 0u64..200_000, more in 0u64..70_000) {
            let size = from + more;
            let list: Vec<Object> = missing(from, size).collect();
            prop_assert_eq!(list.len() as u64, count(from, size));
            let list: BTreeSet<Object> = list.into_iter().collect();
            let difference: BTreeSet<Object> = all(size).difference(&all(from)).copied().collect();
            prop_assert_eq!(list, difference);
        }

        #[test]
        fn the_largest_sizes_do_not_overflow(from: u64, size: u64) {
            prop_assert!(count(from, size) < u64::MAX);
            prop_assert!(edge(size).count() <= 9);
        }
    }
}
