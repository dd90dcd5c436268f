//! Tile coordinates, paths and interiors.

use merkle::proof::{Node, Plan};
use merkle::tile::{
    Interior, TileError, TileId, WIDTH, entries_path, fold, format_index, location,
    parse_index_path, parse_level, path, width_at,
};
use proptest::prelude::*;

use crate::reference;

/// Width of a tile in a tree.
fn width(level: u8, index: u64, size: u64) -> u16 {
    width_at(TileId { level, index }, size)
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    assert!((0..273).all(|index| width(0, index, 70_000) == 256));
    assert_eq!(width(0, 273, 70_000), 112);
    assert_eq!(width(0, 274, 70_000), 0);
    assert_eq!(width(1, 0, 70_000), 256);
    assert_eq!(width(1, 1, 70_000), 17);
    assert_eq!(width(1, 2, 70_000), 0);
    assert_eq!(width(2, 0, 70_000), 1);
    assert_eq!(width(2, 1, 70_000), 0);
    assert_eq!(width(3, 0, 70_000), 0);
}

#[test]
fn a_level_appears_with_its_first_complete_node() {
    for (size, widths) in [
        (0, [0, 0, 0]),
        (1, [1, 0, 0]),
        (255, [255, 0, 0]),
        (256, [256, 1, 0]),
        (257, [256, 1, 0]),
        (65_535, [256, 255, 0]),
        (65_536, [256, 256, 1]),
    ] {
        for (level, want) in (0..).zip(widths) {
            assert_eq!(width(level, 0, size), want, "level {level} of {size}");
        }
    }
    assert_eq!(width(0, 1, 257), 1);
    assert_eq!(width(0, 1, 256), 0);
    for level in [8, 63, 255] {
        assert_eq!(width(level, 0, u64::MAX), 0);
    }
    assert_eq!(width(7, 0, u64::MAX), 255);
}

#[test]
fn an_index_is_written_in_groups_of_three() {
    for (index, text) in [
        (0, "000"),
        (7, "007"),
        (999, "999"),
        (1000, "x001/000"),
        (67_000, "x067/000"),
        (1_234_067, "x001/x234/067"),
        (1_000_000, "x001/x000/000"),
        (u64::MAX, "x018/x446/x744/x073/x709/x551/615"),
    ] {
        assert_eq!(format_index(index), text);
        assert_eq!(parse_index_path(text), Ok((index, WIDTH)));
    }
}

#[test]
fn paths_name_level_index_and_width() {
    let id = TileId {
        level: 2,
        index: 1_234_067,
    };
    assert_eq!(path(id, 256), "tile/2/x001/x234/067");
    assert_eq!(path(id, 8), "tile/2/x001/x234/067.p/8");
    assert_eq!(entries_path(67, 256), "tile/entries/067");
    assert_eq!(entries_path(1000, 255), "tile/entries/x001/000.p/255");
    assert_eq!(parse_index_path("x001/x234/067.p/8"), Ok((1_234_067, 8)));
}

#[test]
fn only_the_canonical_path_is_accepted() {
    use TileError::{Group, LeadingZeros, Overflow, Width};
    for (path, want) in [
        ("", Group { group: 1 }),
        ("0", Group { group: 1 }),
        ("0000", Group { group: 1 }),
        ("+12", Group { group: 1 }),
        ("x001", Group { group: 1 }),
        ("001/002", Group { group: 1 }),
        ("x001/x002", Group { group: 2 }),
        ("x001/", Group { group: 2 }),
        ("x001//002", Group { group: 2 }),
        ("x01/002", Group { group: 1 }),
        ("X001/002", Group { group: 1 }),
        ("/001", Group { group: 1 }),
        ("001/", Group { group: 1 }),
        ("٣٣٣", Group { group: 1 }),
        ("x000/001", LeadingZeros),
        ("x000/x000/001", LeadingZeros),
        ("x018/x446/x744/x073/x709/x551/616", Overflow),
        ("x999/x999/x999/x999/x999/x999/x999/999", Overflow),
        ("000.p/0", Width),
        ("000.p/256", Width),
        ("000.p/01", Width),
        ("000.p/+1", Width),
        ("000.p/", Width),
        ("000.p/1/", Width),
        ("000.p/1.p/1", Width),
        ("000.p", Group { group: 1 }),
    ] {
        assert_eq!(parse_index_path(path), Err(want), "{path:?}");
    }
    let long = "x001/".repeat(100_000);
    assert_eq!(
        parse_index_path(&long),
        Err(TileError::TooLong { have: 500_000 })
    );
}

#[test]
fn levels_are_plain_decimals_to_63() {
    for level in 0..=63u8 {
        assert_eq!(parse_level(&level.to_string()), Ok(level));
    }
    for text in [
        "", "64", "255", "256", "00", "01", "+1", "-1", " 1", "1 ", "entries", "x",
    ] {
        assert_eq!(parse_level(text), Err(TileError::Level), "{text:?}");
    }
}

#[test]
fn a_node_between_tile_levels_is_a_run_of_the_row_below() {
    let at = |level, index| location(Node { level, index });
    let id = |level, index| TileId { level, index };
    assert_eq!(at(0, 0), (id(0, 0), 0, 1));
    assert_eq!(at(0, 257), (id(0, 1), 1, 1));
    assert_eq!(at(1, 127), (id(0, 0), 254, 2));
    assert_eq!(at(7, 1), (id(0, 0), 128, 128));
    assert_eq!(at(7, 2), (id(0, 1), 0, 128));
    assert_eq!(at(8, 1), (id(1, 0), 1, 1));
    assert_eq!(at(11, 33), (id(1, 1), 8, 8));
    assert_eq!(at(63, 0), (id(7, 0), 0, 128));
}

#[test]
fn every_node_of_a_plan_lies_inside_an_existing_tile() {
    for size in [
        1u64, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, 10_000_001,
    ] {
        for index in [0, 1, size / 3, size / 2, size - 1] {
            for node in Plan::inclusion(index.min(size - 1), size).unwrap().nodes() {
                let (id, start, count) = location(node);
                assert!(start + count <= width_at(id, size), "{node:?} of {size}");
            }
        }
    }
}

#[test]
fn an_interior_has_the_nodes_that_folding_gives() {
    let row = reference::leaves(256);
    let mut interior = Interior::new();
    for width in 0..=256u16 {
        assert_eq!(interior.width(), width);
        assert_eq!(interior.row(), &row[..usize::from(width)]);
        for rise in 0..=8 {
            let count = 1 << rise;
            for start in (0..=256 - count).step_by(usize::from(count)) {
                let want = (start + count <= width)
                    .then(|| reference::root(&row[usize::from(start)..usize::from(start + count)]));
                // All of them once, when the tile is full; else only those at the changing end.
                if width == 256 || start + 2 * count > width {
                    assert_eq!(interior.node(start, count).copied(), want);
                }
            }
        }
        if width < 256 {
            assert!(interior.push(row[usize::from(width)]));
        }
    }
    assert!(!interior.push([0; 32]), "a full tile takes no more");
    assert_eq!(interior, Interior::from_row(&row));
    assert_eq!(interior.node(0, 256), Some(&fold(&row)));
}

#[test]
fn an_interior_has_no_crooked_nodes() {
    let interior = Interior::from_row(&reference::leaves(256));
    for (start, count) in [
        (0, 0),
        (1, 2),
        (0, 3),
        (2, 4),
        (128, 256),
        (256, 1),
        (0, 512),
    ] {
        assert_eq!(interior.node(start, count), None, "{start} {count}");
    }
    assert_eq!(interior.node(u16::MAX, 1), None);
}

proptest! {
    #[test]
    fn paths_read_back(index in any::<u64>(), width in 1u16..=256) {
        let text = path(TileId { level: 0, index }, width);
        prop_assert_eq!(parse_index_path(text.strip_prefix("tile/0/").unwrap()), Ok((index, width)));
        let text = entries_path(index, width);
        prop_assert_eq!(parse_index_path(text.strip_prefix("tile/entries/").unwrap()), Ok((index, width)));
    }

    #[test]
    fn what_parses_has_one_spelling(text in "[x0-9./p]{0,24}") {
        if let Ok((index, width)) = parse_index_path(&text) {
            prop_assert_eq!(entries_path(index, width), format!("tile/entries/{text}"));
        }
    }

    #[test]
    fn any_text_parses_or_fails_without_panic(text in ".{0,60}") {
        let _ = (parse_index_path(&text), parse_level(&text));
    }

    #[test]
    fn any_node_has_a_place_inside_a_tile(level in any::<u8>(), index in any::<u64>()) {
        let (id, start, count) = location(Node { level, index });
        prop_assert!(start + count <= WIDTH);
        prop_assert_eq!(id.level, level / 8);
        prop_assert_eq!(u128::from(index) * u128::from(count), u128::from(id.index) * 256 + u128::from(start));
    }
}
