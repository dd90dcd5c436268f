//! Reading pages of runs, which every batch does for the keys that a filter says "perhaps" to. As commits, on the thread
//! that asks: a page takes a few µs, the way to another thread and back many times that.

use super::place::in_place;
use super::{BUSY_TIMEOUT, READERS, saturate};
use crate::store::PageId;
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections that only read, made when they are needed.
pub(super) struct Lookup {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Lookup {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    /// Pages of runs, `None` for one whose run is gone.
    pub(super) fn pages(
        &self,
        log: &str,
        pages: &[PageId],
    ) -> rusqlite::Result<Vec<Option<Bytes>>> {
        in_place(|| {
            let connection = self.take()?;
            let found = read(&connection, log, pages)?;
            // One that failed is not used again.
            self.put_back(connection);
            Ok(found)
        })
    }

    pub(super) fn close(&self) {
        let idle = std::mem::take(&mut *self.lock());
        in_place(|| drop(idle));
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.lock().pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        // Only its caller uses a connection, so it needs no lock of its own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", 1)?;
        Ok(connection)
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < usize::try_from(READERS).unwrap_or(1) {
            idle.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(
    connection: &Connection,
    log: &str,
    pages: &[PageId],
) -> rusqlite::Result<Vec<Option<Bytes>>> {
    let mut select = connection.prepare_cached(
        "SELECT keys FROM tlog_run_page
         WHERE log = (SELECT id FROM tlog_log WHERE name = ?1) AND first = ?2 AND past = ?3 AND page = ?4",
    )?;
    let page = |id: &PageId| {
        let place = params![log, saturate(id.run.first), saturate(id.run.past), id.page];
        let keys = select
            .query_row(place, |row| row.get::<_, Vec<u8>>(0))
            .optional()?;
        Ok(keys.map(Bytes::from))
    };
    pages.iter().map(page).collect()
}
