//! Static reading: a log as a C2SP tlog-tiles tree in a folder or an object store, for a file server or a CDN.
//!
//! ```text
//! <target>/checkpoint                    the signed head, written last, the only file that ever changes
//! <target>/tile/<L>/<N>[.p/<W>]          hashes: 256 × 32 bytes, or W × 32
//! <target>/tile/entries/<N>[.p/<W>]      entry bundles: 256 leaves, or W, each with a 16-bit length
//! ```
//!
//! A [`Publisher`] follows a log and writes what the [`Target`] does not have yet. Tiles and bundles are put if absent
//! and never rewritten; the checkpoint follows when everything that it implies is there, so that a reader, and a
//! process that is killed at any moment, finds a whole tree. Where it stopped is read from the target's own checkpoint,
//! which has to be a head of this very log. The rooms:
//!
//! - [`target`], [`Target`]: where to; `object`: what; `plan`: which ones are missing between two sizes;
//! - `writer`: puts and compares; `publisher`: the task that follows a log; `partials`: what may be removed again;
//! - [`check_tree`], [`TreeCheck`], [`parse_bundle`]: the reading side, which needs no log.

mod bundle;
mod error;
mod limits;
mod metrics;
mod object;
mod partials;
mod plan;
mod publisher;
mod target;
mod tree;
mod writer;

pub use bundle::{BundleError, parse_bundle};
pub use error::PublishError;
pub use metrics::Metrics;
pub use partials::Partials;
pub use publisher::{Options, Publisher, publish_once};
pub use target::{AccessError, Target, TargetError, target, target_with};
pub use tree::{CheckError, Tree, TreeCheck, check_tree};
pub use writer::{Progress, Published};
