//! The serving process's side: it notices what a command records in `instance.json`, and when a recorded time comes.

use super::{Keeper, Progress};
use crate::instance::Layout;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use time::OffsetDateTime;

/// How often the file's metadata is looked at.
const PERIOD: Duration = Duration::from_millis(250);
/// Before a rotation that failed is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Sees to what changed since `seen`. Runs until it is aborted; stopping at any point is as good as a crash, and the next
/// start goes on.
pub(crate) async fn watch(keeper: Keeper, mut seen: Seen) {
    let mut failing = false;
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = Stamp::of(&keeper.layout);
        let is_time = seen.next.is_some_and(|next| next <= keeper.clock.now());
        if now.0.is_none() || (now == seen.stamp && !is_time && !failing) {
            continue;
        }
        let done = keeper.go_on().await;
        match done.and_then(Progress::unless_held_up) {
            Ok(progress) => {
                for text in &progress.ended {
                    tracing::info!("{text}; give the trust files to your clients");
                }
                // What was written here needs no second look; what came meanwhile has another stamp than this one.
                seen = Seen {
                    stamp: now,
                    next: progress.next,
                };
                failing = false;
            }
            Err(error) => {
                if !failing {
                    tracing::error!("a rotation is not finished and is tried again: {error:#}");
                }
                failing = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// How far the watcher has looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// `instance.json` as it was.
    pub(crate) stamp: Stamp,
    /// When something recorded is to be done.
    pub(crate) next: Option<OffsetDateTime>,
}

/// Of `instance.json`, what changes whenever the file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(u64, i64, i64)>);

impl Stamp {
    /// Other than any file's: there is something to do.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(layout: &Layout) -> Self {
        let of = |file: Metadata| (file.ino(), file.mtime(), file.mtime_nsec());
        Self(std::fs::metadata(layout.description()).ok().map(of))
    }
}
