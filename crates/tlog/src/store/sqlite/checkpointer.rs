//! Copies the write-ahead log into the database file, outside of commits.

use crate::kill::{self, Moment};
use sqlx::sqlite::SqlitePool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How long changes gather before they are copied: brings the slowest one in a hundred commits to 4 or 5 ms.
const PERIOD: Duration = Duration::from_millis(50);
/// Pages (8 KiB each) above which the log is cut, which waits for readers: 64 MiB.
const TRUNCATE_PAGES: i64 = 8192;

/// A task that sleeps until [`Checkpointer::wake`]; an idle log costs nothing. Stops when dropped.
pub(super) struct Checkpointer {
    dirty: Arc<Notify>,
    task: AbortHandle,
}

impl Checkpointer {
    pub(super) fn start(writer: SqlitePool, readers: SqlitePool) -> Self {
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

async fn run(dirty: Arc<Notify>, writer: SqlitePool, readers: SqlitePool) {
    loop {
        dirty.notified().await;
        tokio::time::sleep(PERIOD).await;
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
        if pages > TRUNCATE_PAGES {
            // On the writer's connection, so that no commit runs against it. Busy readers only put it off.
            if let Err(error) = checkpoint(&writer, "PRAGMA wal_checkpoint(TRUNCATE)").await {
                tracing::debug!(%error, "the write-ahead log could not be cut now");
            }
        }
    }
}

/// Runs a checkpoint and answers the number of pages in the write-ahead log.
async fn checkpoint(pool: &SqlitePool, pragma: &'static str) -> Result<i64, sqlx::Error> {
    let (_busy, pages, _copied): (i64, i64, i64) = sqlx::query_as(pragma).fetch_one(pool).await?;
    Ok(pages)
}
