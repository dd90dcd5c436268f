//! Runs of keys in PostgreSQL.

use super::writer::signed;
use super::{Postgres, blob, number, saturate};
use crate::kill::{self, Moment};
use crate::store::{CommitError, NewRun, PageId, RunRow, StoreError};
use bytes::Bytes;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

pub(super) async fn list(store: &Postgres, log: &str) -> Result<Vec<RunRow>, StoreError> {
    let rows = store
        .read(|| {
            sqlx::query(
                "SELECT first, past, pages::bigint AS pages FROM tlog_run
                 WHERE log = (SELECT id FROM tlog_log WHERE name = $1)",
            )
            .bind(log)
            .fetch_all(&store.readers)
        })
        .await?;
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
    store: &Postgres,
    log: &str,
    run: RunRow,
) -> Result<Option<Bytes>, StoreError> {
    let row = store
        .read(|| {
            sqlx::query(
                "SELECT filter FROM tlog_run
                 WHERE log = (SELECT id FROM tlog_log WHERE name = $1) AND first = $2 AND past = $3",
            )
            .bind(log)
            .bind(saturate(run.first))
            .bind(saturate(run.past))
            .fetch_optional(&store.readers)
        })
        .await?;
    row.map(|row| blob(&row, "filter")).transpose()
}

pub(super) async fn pages(
    store: &Postgres,
    log: &str,
    pages: &[PageId],
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let firsts: Vec<i64> = pages.iter().map(|id| saturate(id.run.first)).collect();
    let pasts: Vec<i64> = pages.iter().map(|id| saturate(id.run.past)).collect();
    let numbers: Vec<i32> = pages.iter().map(|id| number_of(id.page)).collect();
    let rows = store
        .read(|| {
            sqlx::query(
                // One look into the index a page, whatever the statistics of a young table say.
                "SELECT w.position - 1 AS position, p.keys
                 FROM unnest($2::bigint[], $3::bigint[], $4::integer[]) WITH ORDINALITY AS w (first, past, page, position),
                      LATERAL (SELECT keys FROM tlog_run_page
                               WHERE log = (SELECT id FROM tlog_log WHERE name = $1)
                                 AND first = w.first AND past = w.past AND page = w.page
                               LIMIT 1) AS p",
            )
            .bind(log)
            .bind(&firsts)
            .bind(&pasts)
            .bind(&numbers)
            .fetch_all(&store.readers)
        })
        .await?;
    let mut found = vec![None; pages.len()];
    for row in &rows {
        let position = usize::try_from(number(row, "position")?).unwrap_or(usize::MAX);
        let slot = found.get_mut(position);
        *slot.ok_or_else(|| StoreError::Impossible("position of a page".into()))? =
            Some(blob(row, "keys")?);
    }
    Ok(found)
}

/// First key of the advisory locks of runs; the second one is the log's row ID.
const RUNS_LOCK: i32 = 0x7275_6e73;

/// One transaction. Answers false when the run is there, or a longer one that has its keys; nothing is written then.
pub(super) async fn put(
    connection: &mut PgConnection,
    log: &str,
    run: &NewRun,
    replaced: &[RunRow],
) -> Result<bool, sqlx::Error> {
    let (first, past) = (saturate(run.row.first), saturate(run.row.past));
    let mut transaction = connection.begin().await?;
    // Whoever waited here sees in the next statement what was merged meanwhile. Without the lock a process that is late
    // with a run would write it beside the merged one, whose transaction has just removed the row that it conflicts with.
    sqlx::query("SELECT pg_advisory_xact_lock($1, id) FROM tlog_log WHERE name = $2")
        .bind(RUNS_LOCK)
        .bind(log)
        .execute(&mut *transaction)
        .await?;
    let row = sqlx::query(
        "INSERT INTO tlog_run (log, first, past, pages, filter)
         SELECT id, $2, $3, $4, $5 FROM tlog_log WHERE name = $1
           AND NOT EXISTS (SELECT FROM tlog_run AS r WHERE r.log = id AND r.first <= $2 AND r.past >= $3)
         ON CONFLICT DO NOTHING RETURNING log",
    )
    .bind(log)
    .bind(first)
    .bind(past)
    .bind(number_of(run.row.pages))
    .bind(&run.filter[..])
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else {
        transaction.rollback().await?;
        return Ok(false);
    };
    let log: i32 = row.try_get("log")?;
    let pages: Vec<&[u8]> = run.pages.iter().map(|page| &page[..]).collect();
    sqlx::query(
        "INSERT INTO tlog_run_page (log, first, past, page, keys)
         SELECT $1, $2, $3, (p.position - 1)::integer, p.keys
         FROM unnest($4::bytea[]) WITH ORDINALITY AS p (keys, position)",
    )
    .bind(log)
    .bind(first)
    .bind(past)
    .bind(pages)
    .execute(&mut *transaction)
    .await?;
    for gone in replaced {
        for delete in [
            "DELETE FROM tlog_run WHERE log = $1 AND first = $2 AND past = $3",
            "DELETE FROM tlog_run_page WHERE log = $1 AND first = $2 AND past = $3",
        ] {
            sqlx::query(delete)
                .bind(log)
                .bind(saturate(gone.first))
                .bind(saturate(gone.past))
                .execute(&mut *transaction)
                .await?;
        }
    }
    kill::pass(Moment::RunWritten);
    transaction.commit().await?;
    Ok(true)
}

/// Refuses a run that the columns cannot hold.
pub(super) fn check(run: &NewRun) -> Result<(), CommitError> {
    signed(run.row.past).map(drop)
}

fn number_of(page: u32) -> i32 {
    i32::try_from(page).unwrap_or(i32::MAX)
}
