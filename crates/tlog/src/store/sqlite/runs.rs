//! Which runs of keys SQLite has, and their filters.

use super::{Sqlite, blob, number, saturate};
use crate::store::{RunRow, StoreError};
use bytes::Bytes;

pub(super) async fn list(store: &Sqlite, log: &str) -> Result<Vec<RunRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT first, past, pages FROM tlog_run WHERE log = (SELECT id FROM tlog_log WHERE name = ?1)",
    )
    .bind(log.to_owned())
    .fetch_all(&store.readers)
    .await
    .map_err(|error| store.read_error(&error))?;
    let run = |row| {
        Ok(RunRow {
            first: number(row, "first")?,
            past: number(row, "past")?,
            pages: u32::try_from(number(row, "pages")?)
                .map_err(|_| StoreError::Impossible("pages of a run".into()))?,
        })
    };
    rows.iter().map(run).collect()
}

pub(super) async fn filter(
    store: &Sqlite,
    log: &str,
    run: RunRow,
) -> Result<Option<Bytes>, StoreError> {
    let row = sqlx::query(
        "SELECT filter FROM tlog_run
         WHERE log = (SELECT id FROM tlog_log WHERE name = ?1) AND first = ?2 AND past = ?3",
    )
    .bind(log.to_owned())
    .bind(saturate(run.first))
    .bind(saturate(run.past))
    .fetch_optional(&store.readers)
    .await
    .map_err(|error| store.read_error(&error))?;
    row.map(|row| blob(&row, "filter")).transpose()
}
