//! Paths of tiles and entry bundles. C2SP tlog-tiles, tile paths.

use std::fmt::Write as _;

use super::{TileId, WIDTH};

/// The highest level in a path, by the text of the specification. (No tree that `u64` can count
/// has tiles above level 7.)
const MAX_LEVEL: u8 = 63;

/// `u64::MAX` has 20 digits, that is 7 groups of 3.
const MAX_GROUPS: usize = 7;

/// 7 groups `x000/` and `.p/255`, with room to spare: what is longer cannot be a path.
const MAX_PATH: usize = 48;

/// Why a tile path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path is longer than any index can make it.
    #[error("the tile path has {have} bytes, at most {MAX_PATH} are possible")]
    TooLong {
        /// Bytes given.
        have: usize,
    },
    /// The level is not a plain decimal from 0 to 63.
    #[error("the tile level must be a decimal from 0 to {MAX_LEVEL} without leading zeros")]
    Level,
    /// A group of the index is not three digits, or the `x` is missing or too many.
    #[error(
        "group {group} of the tile index must be three digits, with an `x` before all but the last"
    )]
    Group {
        /// Position of the group, from 1.
        group: usize,
    },
    /// The index starts with groups of zeros.
    #[error("the tile index has leading groups of zeros")]
    LeadingZeros,
    /// The index does not fit 64 bits.
    #[error("the tile index does not fit 64 bits")]
    Overflow,
    /// The width after `.p/` is not a plain decimal from 1 to 255.
    #[error("the width of a partial tile must be a decimal from 1 to 255 without leading zeros")]
    Width,
}

/// Formats an index in groups of three digits: `x001/x234/067` for 1234067.
pub fn format_index(index: u64) -> String {
    let mut path = String::with_capacity(MAX_PATH);
    push_index(&mut path, index);
    path
}

/// Formats the path `tile/<L>/<N>[.p/<W>]`. The width is written unless it is 256.
pub fn path(id: TileId, width: u16) -> String {
    let mut path = format!("tile/{}/", id.level);
    push_index(&mut path, id.index);
    push_width(&mut path, width);
    path
}

/// Formats the path `tile/entries/<N>[.p/<W>]`. The width is written unless it is 256.
pub fn entries_path(index: u64, width: u16) -> String {
    let mut path = String::from("tile/entries/");
    push_index(&mut path, index);
    push_width(&mut path, width);
    path
}

/// Parses `<N>[.p/<W>]`, the part of a path after `tile/<L>/`; returns the index and the width (256
/// when full). Only the one canonical spelling is accepted: caches must not hold a tile twice.
///
/// # Errors
/// See [`TileError`].
pub fn parse_index_path(path: &str) -> Result<(u64, u16), TileError> {
    if path.len() > MAX_PATH {
        return Err(TileError::TooLong { have: path.len() });
    }
    match path.split_once(".p/") {
        Some((index, width)) => Ok((parse_index(index)?, parse_width(width)?)),
        None => Ok((parse_index(path)?, WIDTH)),
    }
}

/// Parses the level segment `0` to `63`.
///
/// # Errors
/// When it is anything else.
pub fn parse_level(text: &str) -> Result<u8, TileError> {
    parse_decimal(text)
        .filter(|level| *level <= MAX_LEVEL)
        .ok_or(TileError::Level)
}

fn push_index(path: &mut String, index: u64) {
    let mut groups = [0u64; MAX_GROUPS];
    let (mut rest, mut first) = (index, MAX_GROUPS);
    for group in groups.iter_mut().rev() {
        (*group, rest, first) = (rest % 1000, rest / 1000, first - 1);
        if rest == 0 {
            break;
        }
    }
    for (place, group) in groups.iter().enumerate().skip(first) {
        let last = place == MAX_GROUPS - 1;
        // Writing to a string cannot fail.
        let _ = if last {
            write!(path, "{group:03}")
        } else {
            write!(path, "x{group:03}/")
        };
    }
}

fn push_width(path: &mut String, width: u16) {
    if width != WIDTH {
        let _ = write!(path, ".p/{width}");
    }
}

fn parse_index(text: &str) -> Result<u64, TileError> {
    let groups = text.split('/').count();
    let mut index = 0u64;
    for (place, group) in text.split('/').enumerate() {
        let error = TileError::Group { group: place + 1 };
        let last = place + 1 == groups;
        let digits = if last {
            group
        } else {
            group.strip_prefix('x').ok_or(error)?
        };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error);
        }
        if place == 0 && !last && digits == "000" {
            return Err(TileError::LeadingZeros);
        }
        let value = digits
            .bytes()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(value))
            .ok_or(TileError::Overflow)?;
    }
    Ok(index)
}

fn parse_width(text: &str) -> Result<u16, TileError> {
    let width = parse_decimal(text)
        .filter(|width| *width != 0)
        .ok_or(TileError::Width)?;
    Ok(u16::from(width))
}

/// Parses a decimal from 0 to 255 without sign or leading zeros.
fn parse_decimal(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical {
        text.parse().ok()
    } else {
        None
    }
}
