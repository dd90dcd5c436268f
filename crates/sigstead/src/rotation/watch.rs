//! The serving process's side: it notices what a command records in `instance.json`.

use super::{RekorLogs, Served, finish};
use crate::instance::{Layout, Record};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use tuf::Repository;

/// How often the file's metadata is looked at.
const PERIOD: Duration = Duration::from_millis(250);
/// Before a rotation that failed is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Sees to what changed since `seen`. Runs until it is aborted; stopping at any point is as good as a crash, and the next start goes on.
pub(crate) async fn watch(
    layout: Layout,
    logs: Arc<RekorLogs>,
    served: Served,
    oidc: Option<String>,
    tuf: Repository,
    mut seen: Stamp,
) {
    let mut failing = false;
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = Stamp::of(&layout);
        if now.0.is_none() || (now == seen && !failing) {
            continue;
        }
        match finish(&layout, &logs, Some(&served), oidc.as_deref(), &tuf).await {
            Ok(ended) => {
                ended.iter().for_each(say);
                // What `finish` wrote itself needs no second look; what came meanwhile has another stamp than this one.
                seen = now;
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

fn say(record: &Record) {
    let Some(before) = &record.predecessor else {
        return;
    };
    tracing::info!(
        shard = record.name(),
        frozen_entries = before.size,
        "the log goes on in a new shard; give the trust files to your clients"
    );
}

/// Of `instance.json`, what changes whenever the file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(u64, i64, i64)>);

impl Stamp {
    pub(crate) fn of(layout: &Layout) -> Self {
        let of = |file: Metadata| (file.ino(), file.mtime(), file.mtime_nsec());
        Self(std::fs::metadata(layout.description()).ok().map(of))
    }
}
