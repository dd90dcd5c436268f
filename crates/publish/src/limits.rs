//! Limits on what a target may hold, and on what publishing may take, each with its reason.

use std::time::Duration;

/// Bytes of a full tile: 256 hashes. A larger object is no tile.
pub(crate) const MAX_TILE_BYTES: usize = 256 * 32;

/// Bytes of an entry bundle: 256 entries of 65,535 bytes, each with its 2-byte length. A larger object is no bundle.
pub(crate) const MAX_BUNDLE_BYTES: usize = 256 * (2 + 65_535);

/// Objects in flight. Memory is at most this many bundles: usually a few MiB, 128 MiB were every entry as large as the
/// format allows.
pub(crate) const CONCURRENCY: usize = 8;

/// Time between two looks at the log's head. Each head that is published costs a put for the checkpoint, for the partial
/// bundle and for every partial tile, which object stores charge by the piece.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// The first wait after a failure; each further failure doubles it.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait after a failure: a target that comes back is noticed within a minute.
pub(crate) const LAST_RETRY: Duration = Duration::from_secs(60);

/// What a stop may take: process managers kill after 10 s (Docker) to 90 s (systemd).
pub(crate) const LAST_WORD: Duration = Duration::from_secs(5);

/// How long a partial tile outlives the checkpoint that made it superfluous. A reader fetches the checkpoint first and
/// then what it implies; one that takes longer has to ask for the full tile (C2SP tlog-tiles, "Partial Tiles").
pub(crate) const GRACE: Duration = Duration::from_secs(10 * 60);

/// Tiles whose partial forms wait for their removal. Ten minutes have 600 heads at the default interval, of up to nine
/// tiles; what does not fit stays, which is allowed.
pub(crate) const MAX_WAITING: usize = 8192;

/// Bytes of another program's error text that are shown: object stores answer with XML pages.
pub(crate) const MAX_DETAIL: usize = 400;
