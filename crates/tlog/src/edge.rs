//! The right edge of a log in memory: the last, partial tile of every level, and the root they give.
//!
//! It is all that appending needs, and all that a proof for a new entry needs. Loading it is what makes a log usable
//! again after a start, a conflict or an unknown outcome (invariant 5).

use crate::store::{Store, StoreError, TileRow};
use crate::{OpenError, TreeHead};
use merkle::tile::{Interior, TileId, WIDTH, location};
use merkle::{Hash, RightEdge};
use std::sync::Arc;

/// 256 to the 8th leaves are 2^64: more levels than 8 do not exist.
const LEVELS: u8 = 8;

/// One committed tree head and the edge it was made from. Readers hold it by reference count: what one answer needs
/// comes from one view (invariant 6).
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) head: Arc<TreeHead>,
    pub(crate) edge: Edge,
    /// The log never grows beyond this head.
    pub(crate) frozen: bool,
}

/// The partial tiles at the right of a tree; `tiles[level]` may be empty, is never full.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    right: RightEdge,
    tiles: [Arc<Interior>; LEVELS as usize],
}

/// What pushing a batch changed above the leaves.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Tiles that became full, level 0 included.
    pub(crate) full: Vec<(TileId, Arc<Interior>)>,
    /// Rows to store: the tiles of level 1 and above that got a hash.
    pub(crate) rows: Vec<TileRow>,
}

impl Edge {
    pub(crate) fn empty() -> Self {
        Self {
            right: RightEdge::default(),
            tiles: Default::default(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.right.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.right.root()
    }

    /// The last tile of a level, when `id` is that and it has a hash.
    pub(crate) fn tile(&self, id: TileId) -> Option<&Arc<Interior>> {
        let tile = self.tiles.get(usize::from(id.level))?;
        (id.index == tile_index(id.level, self.size()) && tile.width() > 0).then_some(tile)
    }

    /// Appends a leaf hash.
    pub(crate) fn push(&mut self, leaf: Hash, changes: &mut Changes) {
        let index = self.right.size();
        self.right.push(leaf);
        let mut hash = leaf;
        for (level, slot) in (0..LEVELS).zip(&mut self.tiles) {
            let id = TileId {
                level,
                index: tile_index(level, index),
            };
            let tile = Arc::make_mut(slot);
            tile.push(hash);
            if level > 0 {
                changes.rows.push(TileRow {
                    level,
                    index: id.index,
                    hashes: tile.row().concat().into(),
                });
            }
            // A full tile's root is the next hash of the level above; the edge goes on with an empty one.
            let Some(root) = root(tile) else { return };
            changes.full.push((id, std::mem::take(slot)));
            hash = root;
        }
    }
}

/// Loads the edge of the tree that `head` names, and checks that it gives the head's root.
pub(crate) async fn load(store: &dyn Store, log: &str, head: TreeHead) -> Result<View, OpenError> {
    let corrupt = |detail: String| OpenError::Corrupt {
        name: log.to_owned(),
        detail,
    };
    let mut tiles: [Arc<Interior>; LEVELS as usize] = Default::default();
    for (level, slot) in (0..LEVELS).zip(&mut tiles) {
        let width = width(level, head.size);
        if width > 0 {
            let bytes = load_hashes(store, log, level, head.size).await?;
            let have = bytes.len() / 32;
            let tile = interior(&bytes, width);
            *slot = Arc::new(tile.ok_or_else(|| {
                corrupt(format!(
                    "the last tile of level {level} has {have} hashes, the head implies {width}"
                ))
            })?);
        }
    }
    // A node that is not there makes their number wrong.
    let nodes = RightEdge::coordinates(head.size).filter_map(|node| {
        let (id, start, count) = location(node);
        tiles
            .get(usize::from(id.level))?
            .node(start, count)
            .copied()
    });
    let right = RightEdge::from_nodes(head.size, nodes.collect())
        .map_err(|error| corrupt(error.to_string()))?;
    if right.root() != head.root {
        return Err(corrupt(format!(
            "the stored tiles of {} entries do not give the root of the head",
            head.size
        )));
    }
    check_checkpoint(&head).map_err(corrupt)?;
    Ok(View {
        head: Arc::new(head),
        edge: Edge { right, tiles },
        frozen: false,
    })
}

/// Hashes of the last tile of a level, from its start; level 0 stands in the batches.
async fn load_hashes(
    store: &dyn Store,
    log: &str,
    level: u8,
    size: u64,
) -> Result<Vec<u8>, StoreError> {
    let index = tile_index(level, size);
    if level > 0 {
        return Ok(store
            .tile(log, level, index)
            .await?
            .map(Vec::from)
            .unwrap_or_default());
    }
    leaf_hashes(store, log, index, size).await
}

/// Leaf hashes of a level-0 tile, from its start up to `end`, as far as the stored batches follow on each other.
pub(crate) async fn leaf_hashes(
    store: &dyn Store,
    log: &str,
    tile: u64,
    end: u64,
) -> Result<Vec<u8>, StoreError> {
    let start = tile << 8;
    let mut bytes = Vec::with_capacity(usize::from(WIDTH) * 32);
    let mut next = start;
    for (first, hashes) in store.leaf_hashes(log, start, end).await? {
        if first != next {
            break;
        }
        bytes.extend_from_slice(&hashes);
        next += u64::try_from(hashes.len() / 32).unwrap_or(u64::MAX);
    }
    Ok(bytes)
}

/// The head row repeats what the last batch says. The tree covers neither its time nor its signature, so they are
/// compared: a changed byte of a signature would else be answered to everybody. A frozen head was signed once more.
pub(crate) async fn check_last_batch(
    store: &dyn Store,
    log: &str,
    view: &View,
) -> Result<(), OpenError> {
    let head = &view.head;
    let Some(last) = head.size.checked_sub(1) else {
        return Ok(());
    };
    let rows = store.batches(log, last, head.size, 1).await?;
    let same = rows
        .first()
        .is_some_and(|row| row.checkpoint == head.checkpoint && row.time_ms == head.time_ms);
    if !same && !view.frozen {
        return Err(OpenError::Corrupt {
            name: log.to_owned(),
            detail: "the head has another checkpoint or time than the last batch; `sigstead fsck` tells which one lies"
                .into(),
        });
    }
    Ok(())
}

/// A head row that disagrees with the checkpoint beside it was changed by hand or by a fault.
pub(crate) fn check_checkpoint(head: &TreeHead) -> Result<(), String> {
    let text = std::str::from_utf8(&head.checkpoint)
        .map_err(|_| "the checkpoint of the head is not text")?;
    let note = note::SignedNote::parse(text)
        .map_err(|error| format!("the checkpoint of the head: {error}"))?;
    let checkpoint = note::Checkpoint::parse(note.text())
        .map_err(|error| format!("the checkpoint of the head: {error}"))?;
    if (checkpoint.size, checkpoint.root) != (head.size, head.root) {
        return Err(format!(
            "the head has {} entries, its checkpoint is for {} entries or another root",
            head.size, checkpoint.size
        ));
    }
    Ok(())
}

/// Index of the tile of `level` that the leaf `index` belongs to; for a tree's size, that of the last tile.
fn tile_index(level: u8, index: u64) -> u64 {
    index.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0)
}

/// Hashes of the last tile of `level`, 0 to 255.
fn width(level: u8, size: u64) -> u16 {
    u16::from((size >> (8 * level)).to_le_bytes()[0])
}

/// Builds a tile of the first `width` hashes; `None` when there are fewer.
pub(crate) fn interior(bytes: &[u8], width: u16) -> Option<Interior> {
    let row = bytes.as_chunks::<32>().0.get(..usize::from(width))?;
    Some(Interior::from_row(row))
}

/// The root of a tile, when it is full.
pub(crate) fn root(tile: &Interior) -> Option<Hash> {
    tile.node(0, WIDTH).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_rolls_over_at_full_tiles() {
        let mut edge = Edge::empty();
        let mut changes = Changes::default();
        for leaf in 0..256_u64 {
            assert!(changes.full.is_empty());
            edge.push(merkle::leaf_hash(&leaf.to_be_bytes()), &mut changes);
        }
        assert_eq!(changes.full.len(), 1);
        assert_eq!(changes.full[0].0, TileId { level: 0, index: 0 });
        assert_eq!(root(&changes.full[0].1), Some(edge.root()));
        assert_eq!(
            changes.rows,
            [TileRow {
                level: 1,
                index: 0,
                hashes: edge.root().to_vec().into()
            }]
        );
        assert!(edge.tile(TileId { level: 0, index: 1 }).is_none());
        assert_eq!(edge.tile(TileId { level: 1, index: 0 }).unwrap().width(), 1);
    }

    #[test]
    fn a_view_is_not_changed_by_what_is_pushed_after_it() {
        let mut edge = Edge::empty();
        edge.push([1; 32], &mut Changes::default());
        let before = edge.clone();
        edge.push([2; 32], &mut Changes::default());
        assert_eq!(
            before.tile(TileId { level: 0, index: 0 }).unwrap().width(),
            1
        );
        assert_eq!(edge.tile(TileId { level: 0, index: 0 }).unwrap().width(), 2);
    }

    #[test]
    fn tile_coordinates_follow_the_published_example() {
        // C2SP tlog-tiles: size 70,000 has 273 full tiles and one of 112, then 1 and 17, then 1.
        assert_eq!((tile_index(0, 70_000), width(0, 70_000)), (273, 112));
        assert_eq!((tile_index(1, 70_000), width(1, 70_000)), (1, 17));
        assert_eq!((tile_index(2, 70_000), width(2, 70_000)), (0, 1));
        assert_eq!((tile_index(7, u64::MAX), width(7, u64::MAX)), (0, 255));
    }
}
