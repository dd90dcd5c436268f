//! From a store into an archive.

use crate::limits::SEGMENT_BYTES;
use crate::manifest::SavedHead;
use crate::{BackupError, LogRecord, Writer, rows};
use std::collections::BTreeMap;
use tlog::copy::{Replay, newest};
use tlog::{Store, TreeHead};

/// Bytes of rows that one query reads.
const READ_BYTES: usize = 4 << 20;

/// The logs that are being written. Each may be gone on with: what was committed meanwhile is added.
#[derive(Default)]
pub struct Dump {
    logs: BTreeMap<String, Dumped>,
}

struct Dumped {
    replay: Replay,
    head: TreeHead,
    frozen: bool,
}

impl Dump {
    /// Names a head that a log must lead to or beyond; before the log's first [`Dump::add`].
    pub fn expect(&mut self, log: &str, head: &TreeHead) {
        let dumped = self.logs.entry(log.to_owned());
        let dumped = dumped.or_insert_with(|| Dumped::new(log));
        dumped.replay.want_root(head.size);
    }

    /// Writes what a log has and the archive has not, up to its newest head. Every row is checked on the way.
    /// `progress` is told entries done and entries in all.
    ///
    /// # Errors
    /// [`BackupError::NoLog`], [`BackupError::Log`] when the log is damaged, [`BackupError::Write`].
    pub async fn add(
        &mut self,
        store: &dyn Store,
        log: &str,
        archive: &mut Writer,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<(), BackupError> {
        let dumped = self.logs.entry(log.to_owned());
        let dumped = dumped.or_insert_with(|| Dumped::new(log));
        // The head first: rows below it never change.
        let found = newest(store, log).await?;
        let (head, frozen) = found.ok_or_else(|| BackupError::NoLog(log.to_owned()))?;
        let (mut segment, mut first) = (Vec::new(), dumped.replay.size());
        while dumped.replay.size() < head.size {
            let before = dumped.replay.size();
            let rows = store.batches(log, before, head.size, READ_BYTES).await?;
            for row in rows {
                rows::encode(&row, &mut segment);
                dumped.replay.push(row)?;
                if segment.len() >= SEGMENT_BYTES {
                    archive.put(&segment_name(log, first), 0o600, &segment)?;
                    segment.clear();
                    first = dumped.replay.size();
                }
            }
            if dumped.replay.size() == before {
                break;
            }
            progress(dumped.replay.size(), head.size);
        }
        if !segment.is_empty() {
            archive.put(&segment_name(log, first), 0o600, &segment)?;
        }
        dumped.replay.check_head(&head, frozen)?;
        (dumped.head, dumped.frozen) = (head, frozen);
        Ok(())
    }

    /// The root at a size that was named with [`Dump::expect`]; `None` when the log does not have it.
    pub fn root_at(&self, log: &str, size: u64) -> Option<[u8; 32]> {
        self.logs.get(log)?.replay.root_at(size)
    }

    /// Entries of a log in the archive.
    pub fn size(&self, log: &str) -> Option<u64> {
        self.logs.get(log).map(|log| log.replay.size())
    }

    /// Writes the heads, behind all rows.
    ///
    /// # Errors
    /// [`BackupError::Write`].
    pub fn finish(self, archive: &mut Writer) -> Result<Vec<LogRecord>, BackupError> {
        let mut records = Vec::new();
        for (name, log) in self.logs {
            // Expected and never added.
            if log.head.checkpoint.is_empty() {
                continue;
            }
            let head = SavedHead::new(&log.head, log.frozen);
            archive.put_json(&format!("logs/{name}/head.json"), &head)?;
            records.push(LogRecord {
                name,
                size: head.size,
                root: head.root,
                frozen: head.frozen,
            });
        }
        Ok(records)
    }
}

impl Dumped {
    fn new(log: &str) -> Self {
        let replay = Replay::new(log);
        let head = TreeHead {
            size: 0,
            root: replay.root(),
            time_ms: 0,
            checkpoint: bytes::Bytes::new(),
        };
        Self {
            replay,
            head,
            frozen: false,
        }
    }
}

fn segment_name(log: &str, first: u64) -> String {
    format!("logs/{log}/{first:020}.rows")
}
