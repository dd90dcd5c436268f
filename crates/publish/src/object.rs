//! What a tree is made of: the checkpoint, tiles and entry bundles; their paths and HTTP headers.

use crate::limits::{MAX_BUNDLE_BYTES, MAX_TILE_BYTES};
use bytes::Bytes;
use merkle::tile::{self, TileId, WIDTH};
use object_store::{Attribute, Attributes};
use tlog::{Log, ReadError};

/// Path of the checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

// The headers that the log's own HTTP answers have (C2SP tlog-tiles; Tessera's week for what is immutable).
const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
const FULL: &str = "max-age=604800, immutable";
const PARTIAL: &str = "max-age=60";
const FRESH: &str = "no-cache";

/// What an object holds of its part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Leaves of a level-0 tile.
    Entries,
    /// Hashes of this tile level.
    Tile(u8),
}

/// An immutable object: what it is called says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// Position in its level.
    pub(crate) index: u64,
    /// Hashes or entries: 256 when full, else 1 to 255.
    pub(crate) width: u16,
}

impl Object {
    /// Formats the path below the target.
    pub(crate) fn path(self) -> String {
        match self.kind {
            Kind::Entries => tile::entries_path(self.index, self.width),
            Kind::Tile(level) => {
                let id = TileId {
                    level,
                    index: self.index,
                };
                tile::path(id, self.width)
            }
        }
    }

    /// Gives the object that has all 256.
    pub(crate) fn full(self) -> Self {
        Self {
            width: WIDTH,
            ..self
        }
    }

    /// Reads the bytes from the log, whose head has to imply the object.
    pub(crate) async fn read(self, log: &Log) -> Result<Bytes, ReadError> {
        let bytes = match self.kind {
            Kind::Entries => log.bundle(self.index, self.width).await?,
            Kind::Tile(level) => log.tile(level, self.index, self.width).await?,
        };
        bytes.ok_or_else(|| ReadError::OutOfRange {
            index: self.index,
            size: log.head().size,
        })
    }

    /// Bytes that such an object has at most.
    pub(crate) fn limit(self) -> usize {
        match self.kind {
            Kind::Entries => MAX_BUNDLE_BYTES,
            Kind::Tile(_) => MAX_TILE_BYTES,
        }
    }

    /// Headers. Bundles are stored as they are: a folder cannot carry `Content-Encoding`, and an object that is always
    /// gzip reaches also those who did not ask for it; a file server or a CDN compresses on the way.
    pub(crate) fn headers(self) -> Attributes {
        // A partial tile does not change either, but is of no use once the tree has grown past it.
        let cache = if self.width == WIDTH { FULL } else { PARTIAL };
        headers(OCTETS, cache)
    }
}

/// Headers of the checkpoint.
pub(crate) fn checkpoint_headers() -> Attributes {
    headers(TEXT, FRESH)
}

fn headers(content_type: &'static str, cache: &'static str) -> Attributes {
    Attributes::from_iter([
        (Attribute::ContentType, content_type),
        (Attribute::CacheControl, cache),
    ])
}
