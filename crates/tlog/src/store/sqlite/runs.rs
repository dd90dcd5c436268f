//! Runs of keys in SQLite. A statement costs more than a page, so many pages go through one, told apart by JSON.

use super::{Sqlite, blob, failed, impossible, number, saturate, signed};
use crate::kill::{self, Moment};
use crate::store::{CommitError, NewRun, PageId, RunRow, StoreError};
use bytes::Bytes;
use sqlx::{Connection, Row, SqliteConnection};

/// Pages that one statement writes: 1.2 MB.
const CHUNK: usize = 1024;

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

pub(super) async fn pages(
    store: &Sqlite,
    log: &str,
    pages: &[PageId],
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let wanted = pages
        .iter()
        .map(|id| format!("[{},{},{}]", id.run.first, id.run.past, id.page));
    let rows = sqlx::query(
        "SELECT w.key AS position, p.keys FROM json_each(?2) AS w CROSS JOIN tlog_run_page AS p
           ON p.log = (SELECT id FROM tlog_log WHERE name = ?1)
          AND p.first = w.value ->> 0 AND p.past = w.value ->> 1 AND p.page = w.value ->> 2",
    )
    .bind(log.to_owned())
    .bind(format!("[{}]", wanted.collect::<Vec<_>>().join(",")))
    .fetch_all(&store.readers)
    .await
    .map_err(|error| store.read_error(&error))?;
    let mut found = vec![None; pages.len()];
    for row in &rows {
        let position: i64 = row.try_get("position").map_err(impossible)?;
        let slot = usize::try_from(position)
            .ok()
            .and_then(|position| found.get_mut(position));
        *slot.ok_or_else(|| StoreError::Impossible("position of a page".into()))? =
            Some(blob(row, "keys")?);
    }
    Ok(found)
}

/// One transaction, as short as the pages allow: commits wait for it.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    log: &str,
    run: &NewRun,
    replaced: &[RunRow],
) -> Result<(), CommitError> {
    let (first, past) = (signed(run.row.first)?, signed(run.row.past)?);
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    let row = sqlx::query(
        "INSERT INTO tlog_run (log, first, past, pages, filter)
         SELECT id, ?2, ?3, ?4, ?5 FROM tlog_log WHERE name = ?1
           AND NOT EXISTS (SELECT 1 FROM tlog_run AS r WHERE r.log = id AND r.first <= ?2 AND r.past >= ?3)
         ON CONFLICT DO NOTHING RETURNING log",
    )
    .bind(log.to_owned())
    .bind(first)
    .bind(past)
    .bind(i64::from(run.row.pages))
    .bind(run.filter.to_vec())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let log: i64 = row
        .ok_or(CommitError::Conflict)?
        .try_get("log")
        .map_err(failed)?;
    for (chunk, start) in run.pages.chunks(CHUNK).zip((0_i64..).step_by(CHUNK)) {
        let mut at = 1;
        let place = |page: &Bytes| {
            let place = format!("[{at},{}]", page.len());
            at += page.len();
            place
        };
        let places: Vec<String> = chunk.iter().map(place).collect();
        sqlx::query(
            "INSERT INTO tlog_run_page (log, first, past, page, keys)
             SELECT ?1, ?2, ?3, ?4 + w.key, substr(?5, w.value ->> 0, w.value ->> 1) FROM json_each(?6) AS w",
        )
        .bind(log)
        .bind(first)
        .bind(past)
        .bind(start)
        .bind(chunk.concat())
        .bind(format!("[{}]", places.join(",")))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    }
    for gone in replaced {
        for delete in [
            "DELETE FROM tlog_run WHERE log = ?1 AND first = ?2 AND past = ?3",
            "DELETE FROM tlog_run_page WHERE log = ?1 AND first = ?2 AND past = ?3",
        ] {
            sqlx::query(delete)
                .bind(log)
                .bind(signed(gone.first)?)
                .bind(signed(gone.past)?)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
    }
    kill::pass(Moment::RunWritten);
    transaction
        .commit()
        .await
        .map_err(|error| CommitError::Unknown(error.to_string()))
}
