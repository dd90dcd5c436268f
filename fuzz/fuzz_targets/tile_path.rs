//! A tile has one path: what parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merkle::tile;

fuzz_target!(|path: &str| {
    if let Ok((index, width)) = tile::parse_index_path(path) {
        assert_eq!(
            tile::entries_path(index, width),
            format!("tile/entries/{path}")
        );
    }
    if let Ok(level) = tile::parse_level(path) {
        assert_eq!(level.to_string(), path);
    }
});
