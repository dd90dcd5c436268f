//! Copies the write-ahead log into the database file, outside of commits.

use super::writer::Writer;
use crate::kill::{self, Moment};
use sqlx::sqlite::SqlitePool;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How much gathers before it is copied: 8 MiB. The sync of the database file stands in the way of commits' own, so that
/// copying every 50 ms makes the median of small ones three times as long.
const GATHER: usize = 8 * 1024 * 1024;
/// How often it is looked at how much there is: the copying of a full load begins in time.
const PERIOD: Duration = Duration::from_millis(50);
/// After which it is copied, however little it is.
const LONGEST: Duration = Duration::from_secs(1);
/// Pages (8 KiB each) above which commits begin again at the start of the log: 16 MiB. A commit that overwrites costs a sync of
/// its bytes; one that makes the file longer waits for the file system's own log as well. So the file is kept at its length.
const RESTART_PAGES: i64 = 2048;
/// Pages above which its space is given back: readers were in the way for long. 64 MiB.
const CUT_PAGES: i64 = 8192;

/// A task that sleeps until [`Checkpointer::wake`]; an idle log costs nothing. Stops when dropped.
pub(super) struct Checkpointer {
    dirty: Arc<Notify>,
    task: AbortHandle,
}

impl Checkpointer {
    pub(super) fn start(writer: Writer, readers: SqlitePool) -> Self {
        let dirty = Arc::new(Notify::new());
        let task = tokio::spawn(run(dirty.clone(), writer, readers)).abort_handle();
        Self { dirty, task }
    }

    /// Says that there is something to copy. Does not wait.
    pub(super) fn wake(&self) {
        self.dirty.notify_one();
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(dirty: Arc<Notify>, writer: Writer, readers: SqlitePool) {
    // Pages above which commits are to begin at the start of the log again.
    let mut due = RESTART_PAGES;
    loop {
        dirty.notified().await;
        let since = Instant::now();
        while writer.written() < GATHER && since.elapsed() < LONGEST {
            tokio::time::sleep(PERIOD).await;
        }
        writer.forget_written();
        kill::pass(Moment::CheckpointStart);
        // PASSIVE waits for nobody: it copies what no reader still needs, on a connection that is not the writer's.
        let pages = match checkpoint(&readers, "PRAGMA wal_checkpoint(PASSIVE)").await {
            Ok(pages) => pages,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be copied into the database; it grows until it can");
                continue;
            }
        };
        kill::pass(Moment::CheckpointDone);
        if pages <= RESTART_PAGES {
            due = RESTART_PAGES;
        }
        if pages <= due {
            continue;
        }
        // Commits wait for it, so it comes after the other one, which has left little to copy.
        due = match writer.restart(pages > CUT_PAGES).await {
            Ok(true) => RESTART_PAGES,
            // A reader needs what is there, perhaps for long: a backup.
            Ok(false) => pages + RESTART_PAGES,
            Err(error) => {
                tracing::debug!(%error, "the write-ahead log could not be begun again now");
                pages + RESTART_PAGES
            }
        };
    }
}

/// Runs a checkpoint and answers the number of pages in the write-ahead log.
async fn checkpoint(pool: &SqlitePool, pragma: &'static str) -> Result<i64, sqlx::Error> {
    let (_busy, pages, _copied): (i64, i64, i64) = sqlx::query_as(pragma).fetch_one(pool).await?;
    Ok(pages)
}
