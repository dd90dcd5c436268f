//! Reads: tiles, bundles, entries and proofs of a committed view. Never waits for the writer.
//!
//! Whatever comes from the store is checked against the edge in memory, whose root the head commits to: a tile's root
//! must be the hash that its parent tile has for it, a leaf must hash to its place in its tile.

use crate::batch::{self, MAX_BATCH_ENTRIES};
use crate::cache::{CACHE_BYTES, TileCache};
use crate::edge::{View, interior, leaf_hashes, root};
use crate::store::{KeyKind, Store};
use crate::{Entry, ReadError};
use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use merkle::proof::{Node, Plan, ProofError};
use merkle::tile::{Interior, TileId, WIDTH, location, width_at};
use merkle::{Hash, RightEdge};
use std::sync::Arc;

/// Entries that one read answers at most; RFC 6962 logs answer 1,000 and less.
pub const MAX_READ_ENTRIES: u64 = 1024;
/// Bytes of leaves and extra data after which a read of several entries ends early.
pub const MAX_READ_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that one query of batches fetches, so that a tile of large entries is read in pieces.
const QUERY_BYTES: usize = 1024 * 1024;

/// Reads one log.
pub(crate) struct Reader {
    store: Arc<dyn Store>,
    log: String,
    cache: TileCache,
}

impl Reader {
    pub(crate) fn new(store: Arc<dyn Store>, log: &str) -> Self {
        Self {
            store,
            log: log.to_owned(),
            cache: TileCache::new(CACHE_BYTES),
        }
    }

    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Keeps a tile that the writer completed, before the view without it is published.
    pub(crate) fn remember(&self, id: TileId, tile: Arc<Interior>) {
        self.cache.put(id, tile);
    }

    pub(crate) async fn inclusion_proof(
        &self,
        view: &View,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, ReadError> {
        check_size(view, size)?;
        if index >= size {
            return Err(ReadError::OutOfRange { index, size });
        }
        self.prove(view, Plan::inclusion(index, size)).await
    }

    pub(crate) async fn consistency_proof(
        &self,
        view: &View,
        size1: u64,
        size2: u64,
    ) -> Result<Vec<Hash>, ReadError> {
        check_size(view, size2)?;
        if size1 > size2 {
            return Err(ReadError::OutOfRange {
                index: size1,
                size: size2,
            });
        }
        self.prove(view, Plan::consistency(size1, size2)).await
    }

    pub(crate) async fn root_at(&self, view: &View, size: u64) -> Result<Hash, ReadError> {
        check_size(view, size)?;
        let hashes = self.nodes(view, RightEdge::coordinates(size)).await?;
        let edge = RightEdge::from_nodes(size, hashes);
        edge.map(|edge| edge.root())
            .map_err(|error| ReadError::Corrupt(error.to_string()))
    }

    /// The first `width` hashes of a tile.
    pub(crate) async fn tile_bytes(
        &self,
        view: &View,
        id: TileId,
        width: u16,
    ) -> Result<Option<Bytes>, ReadError> {
        if !exists(view, id, width) {
            return Ok(None);
        }
        let tile = self.tile(view, id).await?;
        let row = tile
            .row()
            .get(..usize::from(width))
            .ok_or_else(|| missing(id))?;
        Ok(Some(row.concat().into()))
    }

    /// The first `width` leaves of a level-0 tile, each with a u16 length (C2SP tlog-tiles, "Log Entries").
    pub(crate) async fn bundle(
        &self,
        view: &View,
        index: u64,
        width: u16,
    ) -> Result<Option<Bytes>, ReadError> {
        if !exists(view, TileId { level: 0, index }, width) {
            return Ok(None);
        }
        let start = index << 8;
        let mut bundle = BytesMut::new();
        for entry in self
            .collect(view, start, start + u64::from(width), usize::MAX)
            .await?
        {
            let have = entry.leaf.len();
            let length = u16::try_from(have).map_err(|_| ReadError::NoBundle {
                index: entry.index,
                have,
            })?;
            bundle.put_u16(length);
            bundle.put_slice(&entry.leaf);
        }
        Ok(Some(bundle.freeze()))
    }

    pub(crate) async fn entry(&self, view: &View, index: u64) -> Result<Option<Entry>, ReadError> {
        if index >= view.head.size {
            return Ok(None);
        }
        Ok(self
            .collect(view, index, index + 1, usize::MAX)
            .await?
            .pop())
    }

    /// Entries `[start, end)` of the view, or fewer (see the limits of this module).
    pub(crate) async fn entries(
        &self,
        view: &View,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, ReadError> {
        let end = end
            .min(view.head.size)
            .min(start.saturating_add(MAX_READ_ENTRIES));
        self.collect(view, start, end, MAX_READ_BYTES).await
    }

    /// Compares what a lookup led to with the entry: the lookup is no part of the tree.
    pub(crate) async fn confirm(
        &self,
        view: &View,
        kind: KeyKind,
        key: &Hash,
        index: u64,
    ) -> Result<(), ReadError> {
        let have = match kind {
            KeyKind::Leaf => self.leaf_hash(view, index).await?,
            KeyKind::Identity => self.identity(view, index).await?,
        };
        match have == *key {
            true => Ok(()),
            false => Err(ReadError::Corrupt(format!(
                "the lookup leads to entry {index}, which has another hash"
            ))),
        }
    }

    /// The identity of an entry of the view.
    pub(crate) async fn identity(&self, view: &View, index: u64) -> Result<Hash, ReadError> {
        let rows = self
            .store
            .batches(&self.log, index, index.saturating_add(1), 1)
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| ReadError::Corrupt(format!("entry {index} is not stored")))?;
        batch::decode(row).map_err(|error| ReadError::Corrupt(error.to_string()))?;
        if row.identities.is_empty() {
            return self.leaf_hash(view, index).await;
        }
        batch::identity(row, index)
            .ok_or_else(|| ReadError::Corrupt(format!("entry {index} is not stored")))
    }

    async fn leaf_hash(&self, view: &View, index: u64) -> Result<Hash, ReadError> {
        let id = TileId {
            level: 0,
            index: index >> 8,
        };
        let tile = self.tile(view, id).await?;
        tile.row()
            .get(place(index))
            .copied()
            .ok_or_else(|| missing(id))
    }

    async fn prove(
        &self,
        view: &View,
        plan: Result<Plan, ProofError>,
    ) -> Result<Vec<Hash>, ReadError> {
        let plan = plan.map_err(impossible)?;
        let hashes = self.nodes(view, plan.nodes()).await?;
        plan.fold(&hashes).map_err(impossible)
    }

    async fn nodes(
        &self,
        view: &View,
        nodes: impl Iterator<Item = Node> + Send,
    ) -> Result<Vec<Hash>, ReadError> {
        let mut hashes = Vec::with_capacity(nodes.size_hint().0);
        // Neighbors on a path are mostly of one tile, which is looked for once.
        let mut last: Option<(TileId, Arc<Interior>)> = None;
        for node in nodes {
            let (id, start, count) = location(node);
            let tile = match last.take() {
                Some((have, tile)) if have == id => tile,
                _ => self.tile(view, id).await?,
            };
            let hash = tile.node(start, count).copied();
            hashes.push(hash.ok_or_else(|| missing(id))?);
            last = Some((id, tile));
        }
        Ok(hashes)
    }

    async fn tile(&self, view: &View, id: TileId) -> Result<Arc<Interior>, ReadError> {
        match self.in_memory(view, id) {
            Some(tile) => Ok(tile),
            None => self.load(view, id).await,
        }
    }

    fn in_memory(&self, view: &View, id: TileId) -> Option<Arc<Interior>> {
        view.edge.tile(id).cloned().or_else(|| self.cache.get(id))
    }

    /// Loads a full tile and checks it against its parent; boxed, because the parent may have to be loaded as well.
    fn load<'a>(
        &'a self,
        view: &'a View,
        id: TileId,
    ) -> BoxFuture<'a, Result<Arc<Interior>, ReadError>> {
        async move {
            let bytes = match id.level {
                0 => {
                    leaf_hashes(
                        &*self.store,
                        &self.log,
                        id.index,
                        (id.index << 8) + MAX_BATCH_ENTRIES,
                    )
                    .await?
                }
                level => self
                    .store
                    .tile(&self.log, level, id.index)
                    .await?
                    .map(Vec::from)
                    .unwrap_or_default(),
            };
            let tile = interior(&bytes, WIDTH).ok_or_else(|| missing(id))?;
            let parent = self
                .tile(
                    view,
                    TileId {
                        level: id.level + 1,
                        index: id.index >> 8,
                    },
                )
                .await?;
            if root(&tile) != parent.row().get(place(id.index)).copied() {
                return Err(ReadError::Corrupt(format!(
                    "tile {}/{} does not hash to its parent",
                    id.level, id.index
                )));
            }
            let tile = Arc::new(tile);
            self.cache.put(id, tile.clone());
            Ok(tile)
        }
        .boxed()
    }

    /// Entries `[start, end)`, all within the view; ends early, after at least one, at `max_bytes`.
    async fn collect(
        &self,
        view: &View,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, start);
        while next < end && bytes < max_bytes {
            // One tile at a time, in pieces when its entries are large.
            let tile_end = end.min((next | 255) + 1);
            let rows = self
                .store
                .batches(&self.log, next, tile_end, QUERY_BYTES)
                .await?;
            let tile = self
                .tile(
                    view,
                    TileId {
                        level: 0,
                        index: next >> 8,
                    },
                )
                .await?;
            let before = next;
            for row in &rows {
                let decoded =
                    batch::decode(row).map_err(|error| ReadError::Corrupt(error.to_string()))?;
                for entry in decoded
                    .into_iter()
                    .skip_while(|entry| entry.index < before)
                    .take_while(|entry| entry.index < tile_end)
                {
                    check_entry(&entry, next, &tile)?;
                    bytes += entry.leaf.len() + entry.extra.len();
                    next += 1;
                    entries.push(entry);
                }
            }
            if next == before {
                return Err(ReadError::Corrupt(format!("entry {next} is not stored")));
            }
        }
        Ok(entries)
    }
}

/// The entry is the one that comes next, and its leaf hashes to its place in the tree.
fn check_entry(entry: &Entry, next: u64, tile: &Interior) -> Result<(), ReadError> {
    if entry.index != next {
        return Err(ReadError::Corrupt(format!("entry {next} is not stored")));
    }
    if tile.row().get(place(next)) != Some(&merkle::leaf_hash(&entry.leaf)) {
        return Err(ReadError::Corrupt(format!(
            "entry {next} does not hash to its leaf"
        )));
    }
    Ok(())
}

fn check_size(view: &View, size: u64) -> Result<(), ReadError> {
    match size.checked_sub(1) {
        Some(last) if size > view.head.size => Err(ReadError::OutOfRange {
            index: last,
            size: view.head.size,
        }),
        _ => Ok(()),
    }
}

/// True when the view's tree has `width` hashes (1 to 256) of this tile.
fn exists(view: &View, id: TileId, width: u16) -> bool {
    // Level 7 holds the roots of 2^56 leaves: no log is larger.
    id.level < 8 && width > 0 && width <= width_at(id, view.head.size)
}

/// Position of the `index`-th hash of a level in its tile.
fn place(index: u64) -> usize {
    usize::from(index.to_le_bytes()[0])
}

fn missing(id: TileId) -> ReadError {
    ReadError::Corrupt(format!(
        "tile {}/{} is not stored, or not whole",
        id.level, id.index
    ))
}

fn impossible(error: ProofError) -> ReadError {
    ReadError::Corrupt(format!("no proof can be planned: {error}"))
}
