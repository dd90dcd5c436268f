//! The reading side: a whole tree recomputed from its entry bundles and compared with its tiles and its checkpoint.
//!
//! Needs nothing but the target. [`TreeCheck`] is the pure part: leaves in, tiles and root out.

use crate::bundle::{BundleError, parse_bundle};
use crate::limits::CONCURRENCY;
use crate::object::{CHECKPOINT, Kind, Object};
use crate::target::{AccessError, Target};
use crate::writer::parse;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use merkle::tile::{TileId, WIDTH, width_at};
use merkle::{Hash, RightEdge};
use note::NoteError;
use note::limits::MAX_NOTE_BYTES;

/// A tree that is whole: every bundle, every tile and the root agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Which log, by its checkpoint.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree, recomputed.
    pub root: Hash,
    /// The signed checkpoint. Its signatures are not checked here: open it as a [`note::SignedNote`] with the log's key.
    pub checkpoint: Bytes,
}

/// Why a tree is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// There is no checkpoint: nothing was published.
    #[error("{target} has no checkpoint: nothing is published there")]
    Nothing {
        /// The target.
        target: String,
    },
    /// What is there as `checkpoint` is none.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(NoteError),
    /// The checkpoint implies an object that is not there.
    #[error("{path} is missing")]
    Missing {
        /// Path of the object.
        path: String,
    },
    /// A bundle is none.
    #[error("{path}: {reason}")]
    Bundle {
        /// Path of the bundle.
        path: String,
        /// What is wrong with it.
        reason: BundleError,
    },
    /// A bundle has not as many entries as the checkpoint implies.
    #[error("{path} has {have} entries, the checkpoint implies {want}")]
    Entries {
        /// Path of the bundle.
        path: String,
        /// Entries in it.
        have: usize,
        /// Entries by the checkpoint.
        want: u16,
    },
    /// A tile does not have the hashes that follow from the entries.
    #[error("{path} does not have the hashes of the entries below it")]
    Tile {
        /// Path of the tile.
        path: String,
    },
    /// The entries and tiles agree, and have another root than the checkpoint.
    #[error("the entries have another root than the checkpoint of {size} entries")]
    Root {
        /// Size in the checkpoint.
        size: u64,
    },
    /// The target cannot be read.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Recomputes the tree on a target: reads the checkpoint and, in one pass, every bundle and every tile that it implies.
/// Takes memory for a few bundles, whatever the size.
///
/// # Errors
/// When anything is missing, has other bytes than the entries imply, or the root is another one.
pub async fn check_tree(target: &Target) -> Result<Tree, CheckError> {
    let found = target.get(CHECKPOINT, MAX_NOTE_BYTES).await?;
    let found = found.ok_or_else(|| CheckError::Nothing {
        target: target.to_string(),
    })?;
    let checkpoint = parse(&found.bytes).map_err(CheckError::Checkpoint)?;
    let size = checkpoint.size;

    let mut check = TreeCheck::default();
    let mut leaves = stream::iter(0..size.div_ceil(u64::from(WIDTH)))
        .map(|index| read_leaves(target, index, size))
        .buffered(CONCURRENCY);
    while let Some(leaves) = leaves.try_next().await? {
        let tiles = check.push(&leaves);
        compare_all(target, size, tiles).await?;
    }
    compare_all(target, size, check.partial_tiles()).await?;
    if check.root() != checkpoint.root {
        return Err(CheckError::Root { size });
    }
    Ok(Tree {
        origin: checkpoint.origin,
        size,
        root: checkpoint.root,
        checkpoint: found.bytes,
    })
}

/// Builds a tree from its leaf hashes in order, and gives its tiles as they are completed. Pure.
#[derive(Clone, Debug, Default)]
pub struct TreeCheck {
    edge: RightEdge,
    /// The last, partial row of every level.
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    index: u64,
    hashes: Vec<Hash>,
}

impl TreeCheck {
    /// Appends leaf hashes, and gives the tiles that became full, each with its 256 hashes.
    pub fn push(&mut self, leaves: &[Hash]) -> Vec<(TileId, Vec<Hash>)> {
        let mut full = Vec::new();
        let rows = &mut self.rows;
        for leaf in leaves {
            self.edge.push_with(*leaf, |node, hash| {
                if !node.level.is_multiple_of(8) {
                    return;
                }
                let level = node.level / 8;
                if usize::from(level) == rows.len() {
                    rows.push(Row::default());
                }
                let Some(row) = rows.get_mut(usize::from(level)) else {
                    return;
                };
                row.hashes.push(*hash);
                if row.hashes.len() == usize::from(WIDTH) {
                    let index = row.index;
                    full.push((TileId { level, index }, std::mem::take(&mut row.hashes)));
                    row.index += 1;
                }
            });
        }
        full
    }

    /// Gives the last tile of each level that is not full, with its 1 to 255 hashes.
    pub fn partial_tiles(&self) -> Vec<(TileId, Vec<Hash>)> {
        let rows = (0..).zip(&self.rows);
        rows.filter(|(_, row)| !row.hashes.is_empty())
            .map(|(level, row)| {
                let index = row.index;
                (TileId { level, index }, row.hashes.clone())
            })
            .collect()
    }

    /// Computes the root of the leaves so far.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }
}

/// Hashes the entries of the bundle at `index`.
async fn read_leaves(target: &Target, index: u64, size: u64) -> Result<Vec<Hash>, CheckError> {
    let width = width_at(TileId { level: 0, index }, size);
    let object = Object {
        kind: Kind::Entries,
        index,
        width,
    };
    let (bytes, found) = read(target, object).await?;
    let path = object.path();
    let entries = match parse_bundle(&bytes) {
        Ok(entries) => entries,
        Err(reason) => return Err(CheckError::Bundle { path, reason }),
    };
    if entries.len() != usize::from(found.width) {
        return Err(CheckError::Entries {
            path,
            have: entries.len(),
            want: found.width,
        });
    }
    let entries = entries.iter().take(usize::from(width));
    Ok(entries.map(|leaf| merkle::leaf_hash(leaf)).collect())
}

async fn compare_all(
    target: &Target,
    size: u64,
    tiles: Vec<(TileId, Vec<Hash>)>,
) -> Result<(), CheckError> {
    for (id, hashes) in tiles {
        let object = Object {
            kind: Kind::Tile(id.level),
            index: id.index,
            width: width_at(id, size),
        };
        let (bytes, found) = read(target, object).await?;
        let whole = bytes.len() == 32 * usize::from(found.width);
        if !whole || !bytes.starts_with(&hashes.concat()) {
            return Err(CheckError::Tile {
                path: object.path(),
            });
        }
    }
    Ok(())
}

/// Reads an object, or the full one in its place when it was removed (C2SP tlog-tiles, "Partial Tiles").
async fn read(target: &Target, object: Object) -> Result<(Bytes, Object), CheckError> {
    for object in [object, object.full()] {
        if let Some(found) = target.get(&object.path(), object.limit()).await? {
            return Ok((found.bytes, object));
        }
    }
    Err(CheckError::Missing {
        path: object.path(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_every_level_are_given_once() {
        let mut check = TreeCheck::default();
        let leaves: Vec<Hash> = (0u32..65_537)
            .map(|leaf| merkle::leaf_hash(&leaf.to_be_bytes()))
            .collect();
        let full: Vec<TileId> = check.push(&leaves).into_iter().map(|(id, _)| id).collect();
        assert_eq!(full.iter().filter(|id| id.level == 0).count(), 256);
        assert_eq!(full.last(), Some(&TileId { level: 1, index: 0 }));
        let widths: Vec<_> = check
            .partial_tiles()
            .into_iter()
            .map(|(id, hashes)| (id.level, id.index, hashes.len()))
            .collect();
        assert_eq!(widths, [(0, 256, 1), (2, 0, 1)]);
        let mut edge = RightEdge::default();
        edge.extend(leaves);
        assert_eq!(check.root(), edge.root());
    }
}
