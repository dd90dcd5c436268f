//! Full tiles in memory, the least recently used dropped first.

use merkle::tile::{Interior, TileId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory for the full tiles of one log: 128 tiles. The budget is 2 MB a log, whatever its size.
pub(crate) const CACHE_BYTES: usize = 2 * 1024 * 1024;

/// Memory of a full tile with its interior: 511 hashes and what leads to them.
const TILE_BYTES: usize = 16 * 1024;

/// A bounded map of full tiles. They never change, so nothing is ever invalidated.
pub(crate) struct TileCache {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tiles: HashMap<TileId, (u64, Arc<Interior>)>,
    /// Last use to tile: the first one is the next to go.
    uses: BTreeMap<u64, TileId>,
    clock: u64,
}

impl TileCache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            capacity: (bytes / TILE_BYTES).max(1),
            state: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, id: TileId) -> Option<Arc<Interior>> {
        let mut state = self.lock();
        let tile = state.tiles.get(&id)?.1.clone();
        state.touch(id, tile.clone());
        Some(tile)
    }

    pub(crate) fn put(&self, id: TileId, tile: Arc<Interior>) {
        let mut state = self.lock();
        state.touch(id, tile);
        if state.tiles.len() > self.capacity
            && let Some((_, oldest)) = state.uses.pop_first()
        {
            state.tiles.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&mut self, id: TileId, tile: Arc<Interior>) {
        self.clock += 1;
        if let Some((used, _)) = self.tiles.insert(id, (self.clock, tile)) {
            self.uses.remove(&used);
        }
        self.uses.insert(self.clock, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u64) -> TileId {
        TileId { level: 0, index }
    }

    #[test]
    fn the_least_recently_used_tile_goes_first() {
        let cache = TileCache::new(2 * TILE_BYTES);
        cache.put(id(0), Arc::default());
        cache.put(id(1), Arc::default());
        assert!(cache.get(id(0)).is_some());
        cache.put(id(2), Arc::default());
        assert!(cache.get(id(0)).is_some() && cache.get(id(2)).is_some());
        assert!(cache.get(id(1)).is_none());
        let state = cache.lock();
        assert_eq!((state.tiles.len(), state.uses.len()), (2, 2));
    }
}
