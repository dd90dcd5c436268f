//! A clean log is found clean, and a changed byte anywhere is found in the row where it is.

use crate::fixture::Fixture;
use crate::stamp;
use bytes::Bytes;
use clock::Clock;
use merkle::Hash;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tlog::fsck::{self, Finding, HeadVerifier, Report, Table};
use tlog::{
    FileGuard, Guard, HeadSigner, Limits, Log, NoGuard, OpenError, ReadError, SignError, Store,
    Submission, TreeHead, store,
};

stamp!(clean_logs_are_clean_at_every_size);

async fn clean_logs_are_clean_at_every_size(fixture: Fixture) {
    for (name, submit) in KINDS {
        let log = open(fixture.store.clone(), name).await.unwrap();
        let mut size = 0;
        for next in [0, 1, 255, 256, 257, 1000] {
            let new = (size..next).map(|number| log.append(submit(number)));
            for answer in futures::future::join_all(new).await {
                answer.unwrap();
            }
            size = next;
            let report = checked(&*fixture.store, name, &NoGuard).await;
            assert_eq!(report.findings, [], "{name} of {size}");
            assert!(report.is_clean());
            assert_eq!(
                (report.size, report.entries, report.tiles),
                (size, size, u64::from(size >= 256))
            );
            // What no run covers is found through the batches.
            assert!(report.lookups <= size && report.lookups.is_multiple_of(TAIL));
        }
        log.close().await;
    }
}

/// As Rekor submits: the identity is the leaf hash. As CT does: it is another one, and there is data beside the leaf.
type Submit = fn(u64) -> Submission;
const KINDS: [(&str, Submit); 2] = [("rekor", rekor), ("ct", ct)];

fn rekor(number: u64) -> Submission {
    let leaf = Bytes::from(format!("leaf {number}"));
    Submission {
        identity: merkle::leaf_hash(&leaf),
        leaf,
        extra: Bytes::new(),
    }
}

fn ct(number: u64) -> Submission {
    Submission {
        identity: Sha256::digest(number.to_be_bytes()).into(),
        extra: Bytes::from(format!("chain {number}")),
        ..rekor(number)
    }
}

/// A signature that can be checked: a checksum with a secret in front.
struct Key;

impl Key {
    fn signature(text: &str) -> Vec<u8> {
        Sha256::digest(format!("secret {text}")).to_vec()
    }
}

#[async_trait::async_trait]
impl HeadSigner for Key {
    async fn sign_head(&self, size: u64, root: &Hash, _: i64) -> Result<Bytes, SignError> {
        let checkpoint = note::Checkpoint {
            origin: "log.example".into(),
            size,
            root: *root,
            extensions: vec![],
        };
        let line = note::SignatureLine {
            name: "log.example".into(),
            hint: [1, 2, 3, 4],
            signature: Self::signature(&checkpoint.to_text()),
        };
        let note = note::SignedNote::new(checkpoint.to_text(), vec![line]).unwrap();
        Ok(note.to_string().into())
    }
}

impl HeadVerifier for Key {
    fn verify_head(&self, head: &TreeHead) -> Result<(), String> {
        let text = std::str::from_utf8(&head.checkpoint).map_err(|error| error.to_string())?;
        let note = note::SignedNote::parse(text).map_err(|error| error.to_string())?;
        note.open("log.example", [1, 2, 3, 4], |text, signature| {
            Self::signature(std::str::from_utf8(text).unwrap()) == signature
        })
        .map_err(|error| error.to_string())
    }
}

/// Entries whose keys become a run.
const TAIL: u64 = 256;

async fn open(store: Arc<dyn Store>, name: &str) -> Result<Log, OpenError> {
    let limits = Limits {
        key_tail: 256,
        ..Limits::default()
    };
    Log::open(store, name, Arc::new(Key), Clock::system(), limits, true).await
}

/// Waits for the run of the first [`TAIL`] entries, which is written in the background.
async fn until_run(store: &dyn Store, name: &str) {
    while store.runs(name).await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn checked(store: &dyn Store, name: &str, guard: &dyn Guard) -> Report {
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    let report = fsck::check(store, name, &Key, guard, &mut progress)
        .await
        .unwrap();
    assert!(seen.is_sorted());
    report
}

/// A database with both logs: 260 batches of one entry, then 40 entries in larger ones.
struct Database {
    folder: tempfile::TempDir,
}

const SIZE: u64 = 300;

impl Database {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.db");
        let store = store::sqlite(&path).await.unwrap();
        for (name, submit) in KINDS {
            let log = open(store.clone(), name).await.unwrap();
            for number in 0..260 {
                log.append(submit(number)).await.unwrap();
            }
            let rest = (260..SIZE).map(|number| log.append(submit(number)));
            futures::future::join_all(rest).await;
            until_run(&*store, name).await;
            log.close().await;
        }
        store.close().await;
        Self { folder }
    }

    /// A copy in which one statement was run; `None` when the database itself refused.
    async fn changed(&self, statement: &str) -> Option<PathBuf> {
        let path = self.folder.path().join("changed.db");
        std::fs::copy(self.folder.path().join("whole.db"), &path).unwrap();
        let done = execute(&path, statement).await;
        done.is_ok_and(|rows| rows == 1).then_some(path)
    }
}

async fn execute(path: &Path, statement: &str) -> Result<u64, sqlx::Error> {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await?;
    let done = sqlx::query(AssertSqlSafe(statement.to_owned()))
        .execute(&pool)
        .await;
    pool.close().await;
    done.map(|done| done.rows_affected())
}

/// An UPDATE that sets one byte of a blob to another value.
fn flip(table: &str, column: &str, at: u32, row: &str) -> String {
    // SQLite has no way to write into a blob: the part before, one other byte, the part behind.
    format!(
        "UPDATE {table} SET {column} = CAST(substr({column}, 1, {at}) ||
           CASE substr({column}, {at} + 1, 1) WHEN x'41' THEN x'42' ELSE x'41' END ||
           substr({column}, {at} + 2) AS BLOB) WHERE {row}"
    )
}

const ROW: &str = "log = (SELECT id FROM tlog_log WHERE name = 'ct') AND first = 5";
const LAST: &str = "log = (SELECT id FROM tlog_log WHERE name = 'ct') AND first = 260";
const HEAD: &str = "name = 'ct'";
const TILE: &str = "log = (SELECT id FROM tlog_log WHERE name = 'ct') AND level = 1 AND idx = 0";

/// What must come of a change, besides the finding.
#[derive(Clone, Copy)]
enum Answer {
    /// The log does not open.
    NotOpened,
    /// Entry 5 is not answered.
    NotRead,
    /// No answer carries it: batches keep the checkpoints of heads that are no longer asked for.
    NeverSent,
}

#[tokio::test]
async fn a_changed_byte_in_each_column_is_found_and_its_answer_not_sent() {
    let database = Database::new().await;
    let number =
        |table, column, row| format!("UPDATE {table} SET {column} = {column} + 1 WHERE {row}");
    let cases: Vec<(String, Table, &str, &str, Answer)> = vec![
        (
            number("tlog_log", "id", HEAD).replace("+ 1", "+ 64"),
            Table::Batch,
            "first=0",
            "row",
            Answer::NotOpened,
        ),
        (
            "UPDATE tlog_log SET name = 'cu' WHERE name = 'ct'".into(),
            Table::Head,
            "name=ct",
            "row",
            Answer::NotOpened,
        ),
        (
            number("tlog_log", "size", HEAD),
            Table::Head,
            "name=ct",
            "size",
            Answer::NotOpened,
        ),
        (
            flip("tlog_log", "root", 7, HEAD),
            Table::Head,
            "name=ct",
            "root",
            Answer::NotOpened,
        ),
        (
            number("tlog_log", "time_ms", HEAD),
            Table::Head,
            "name=ct",
            "time_ms",
            Answer::NotOpened,
        ),
        (
            flip("tlog_log", "checkpoint", 3, HEAD),
            Table::Head,
            "name=ct",
            "checkpoint",
            Answer::NotOpened,
        ),
        (
            flip("tlog_log", "checkpoint", 100, HEAD),
            Table::Head,
            "name=ct",
            "checkpoint",
            Answer::NotOpened,
        ),
        (
            number("tlog_batch", "log", ROW).replace("+ 1", "+ 64"),
            Table::Batch,
            "first=5",
            "row",
            Answer::NotRead,
        ),
        (
            number("tlog_batch", "first", LAST),
            Table::Batch,
            "first=261",
            "first",
            Answer::NotOpened,
        ),
        (
            number("tlog_batch", "time_ms", ROW),
            Table::Batch,
            "first=5",
            "time_ms",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "hashes", 9, ROW),
            Table::Batch,
            "first=5",
            "hashes (entry 5)",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "identities", 9, ROW),
            Table::Batch,
            "first=5",
            "identities",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "checkpoint", 20, ROW),
            Table::Batch,
            "first=5",
            "checkpoint",
            Answer::NeverSent,
        ),
        (
            flip("tlog_batch", "checkpoint", 100, ROW),
            Table::Batch,
            "first=5",
            "checkpoint",
            Answer::NeverSent,
        ),
        (
            flip("tlog_batch", "checkpoint", 100, LAST),
            Table::Batch,
            "first=260",
            "checkpoint",
            Answer::NotOpened,
        ),
        (
            flip("tlog_batch", "extras", 5, ROW),
            Table::Batch,
            "first=5",
            "extras",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "extras", 15, ROW),
            Table::Batch,
            "first=5",
            "extras",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "bodies", 3, ROW),
            Table::Batch,
            "first=5",
            "bodies",
            Answer::NotRead,
        ),
        (
            flip("tlog_batch", "bodies", 6, ROW),
            Table::Batch,
            "first=5",
            "bodies (entry 5)",
            Answer::NotRead,
        ),
        (
            number("tlog_tile", "log", TILE).replace("+ 1", "+ 64"),
            Table::Tile,
            "level=1 idx=0",
            "row",
            Answer::NotOpened,
        ),
        (
            number("tlog_tile", "level", TILE),
            Table::Tile,
            "level=1 idx=0",
            "row",
            Answer::NotOpened,
        ),
        (
            number("tlog_tile", "idx", TILE),
            Table::Tile,
            "level=1 idx=0",
            "row",
            Answer::NotOpened,
        ),
        (
            flip("tlog_tile", "hashes", 31, TILE),
            Table::Tile,
            "level=1 idx=0",
            "hashes (hash 0)",
            Answer::NotOpened,
        ),
    ];
    for (statement, table, key, what, answer) in cases {
        let path = database.changed(&statement).await.expect(&statement);
        let store = store::sqlite(&path).await.unwrap();
        let report = checked(&*store, "ct", &NoGuard).await;
        let named = |finding: &&Finding| {
            (finding.table, &*finding.key, &*finding.what) == (table, key, what)
        };
        assert!(
            report.findings.iter().find(named).is_some(),
            "{statement}: {:#?}",
            report.findings
        );
        // The row that lies, and not everything that follows from it.
        assert!(
            report.findings.len() <= 4,
            "{statement}: {:#?}",
            report.findings
        );
        check_answer(store.clone(), answer, &statement).await;
        assert!(checked(&*store, "rekor", &NoGuard).await.is_clean() || statement.contains("+ 64"));
        store.close().await;
    }
}

async fn check_answer(store: Arc<dyn Store>, answer: Answer, statement: &str) {
    let log = Log::open(
        store,
        "ct",
        Arc::new(Key),
        Clock::system(),
        Limits::default(),
        false,
    )
    .await;
    match (answer, log) {
        (Answer::NotOpened, Err(OpenError::Corrupt { .. } | OpenError::Missing(_))) => {}
        (Answer::NotRead, Ok(log)) => {
            let read = log.entry(5).await;
            assert!(
                matches!(read, Err(ReadError::Corrupt(_))),
                "{statement}: {read:?}"
            );
            // Another tile is answered.
            assert_eq!(log.entry(290).await.unwrap().unwrap().leaf, "leaf 290");
            log.close().await;
        }
        (Answer::NeverSent, Ok(log)) => {
            log.entry(5).await.unwrap();
            log.close().await;
        }
        (_, log) => panic!("{statement}: {:?}", log.err()),
    }
}

#[tokio::test]
async fn a_changed_run_is_found_and_never_leads_to_another_entry() {
    let database = Database::new().await;
    for (name, submit) in KINDS {
        let log = format!("log = (SELECT id FROM tlog_log WHERE name = '{name}')");
        let page = format!("{log} AND page = 1");
        let number = |table: &str, column: &str, row: &str| {
            format!("UPDATE {table} SET {column} = {column} + 64 WHERE {row}")
        };
        for (change, table, what) in [
            (flip("tlog_run", "filter", 3, &log), Table::Run, "filter"),
            (
                flip("tlog_run_page", "keys", 3, &page),
                Table::RunPage,
                "keys",
            ),
            (
                flip("tlog_run_page", "keys", 9, &page),
                Table::RunPage,
                "keys",
            ),
            (
                number("tlog_run", "first", &log),
                Table::Run,
                "first or past",
            ),
            (
                number("tlog_run", "past", &log),
                Table::Run,
                "first or past",
            ),
            (number("tlog_run", "pages", &log), Table::RunPage, "keys"),
            (number("tlog_run", "log", &log), Table::RunPage, "rows"),
            (
                number("tlog_run_page", "page", &page),
                Table::RunPage,
                "row",
            ),
            (
                number("tlog_run_page", "past", &page),
                Table::RunPage,
                "row",
            ),
            (number("tlog_run_page", "log", &page), Table::RunPage, "row"),
            (
                format!("DELETE FROM tlog_run_page WHERE {page}"),
                Table::RunPage,
                "row",
            ),
            (
                format!("DELETE FROM tlog_run WHERE {log}"),
                Table::RunPage,
                "rows",
            ),
        ] {
            let path = database.changed(&change).await.expect(&change);
            let store = store::sqlite(&path).await.unwrap();
            let report = checked(&*store, name, &NoGuard).await;
            let named = |finding: &Finding| finding.table == table && finding.what == what;
            assert!(
                report.findings.iter().any(named),
                "{change}: {:#?}",
                report.findings
            );
            check_lookups(store.clone(), name, submit, &change).await;
            store.close().await;
        }
    }
}

/// No entry is found as another one, and none is logged twice.
async fn check_lookups(store: Arc<dyn Store>, name: &str, submit: Submit, change: &str) {
    // A run that does not add up may keep the log from opening.
    let Ok(log) = open(store, name).await else {
        return;
    };
    for number in (0..SIZE).step_by(7) {
        let Submission { identity, leaf, .. } = submit(number);
        for found in [
            log.find_leaf(&merkle::leaf_hash(&leaf)).await,
            log.find_identity(&identity).await,
        ] {
            let honest = found.as_ref().is_ok_and(|found| *found == Some(number));
            assert!(honest || found.is_err(), "{change}: {found:?} for {number}");
        }
        if let Ok(answer) = log.append(submit(number)).await {
            assert!(answer.duplicate, "{change}: {number} is logged twice");
            assert_eq!(answer.entry.index, number);
        }
    }
    log.close().await;
}

/// Runs are made from the batches: without them the next start writes them anew.
#[tokio::test]
async fn removed_runs_are_written_anew() {
    let database = Database::new().await;
    let path = database
        .changed("DELETE FROM tlog_run WHERE log = (SELECT id FROM tlog_log WHERE name = 'ct')")
        .await
        .unwrap();
    execute(
        &path,
        "DELETE FROM tlog_run_page WHERE log = (SELECT id FROM tlog_log WHERE name = 'ct')",
    )
    .await
    .unwrap();
    let store = store::sqlite(&path).await.unwrap();
    let log = open(store.clone(), "ct").await.unwrap();
    until_run(&*store, "ct").await;
    assert!(log.append(ct(5)).await.unwrap().duplicate);
    log.close().await;
    assert!(checked(&*store, "ct", &NoGuard).await.is_clean());
    store.close().await;
}

#[tokio::test]
async fn what_the_database_itself_refuses_needs_no_check() {
    let database = Database::new().await;
    for statement in [
        format!("UPDATE tlog_batch SET count = count + 1 WHERE {ROW}"),
        format!("UPDATE tlog_batch SET first = first + 1 WHERE {ROW}"),
        format!("UPDATE tlog_batch SET hashes = x'00' WHERE {ROW}"),
        format!("UPDATE tlog_log SET root = x'00' WHERE {HEAD}"),
        format!("UPDATE tlog_log SET name = 'rekor' WHERE {HEAD}"),
        format!("UPDATE tlog_tile SET hashes = x'00' WHERE {TILE}"),
        format!("UPDATE tlog_log SET size = 'many' WHERE {HEAD}"),
    ] {
        assert_eq!(database.changed(&statement).await, None, "{statement}");
    }
}

#[tokio::test]
async fn rows_that_nothing_leads_to_are_counted() {
    let database = Database::new().await;
    let log = "(SELECT id FROM tlog_log WHERE name = 'ct')";
    for (statement, table, key) in [
        (format!("INSERT INTO tlog_tile (log, level, idx, hashes) VALUES ({log}, 2, 0, zeroblob(32))"), Table::Tile, "log=ct"),
        (format!("INSERT INTO tlog_run_page (log, first, past, page, keys) VALUES ({log}, 512, 768, 0, zeroblob(20))"), Table::RunPage, "log=ct"),
        (
            format!(
                "INSERT INTO tlog_batch (log, first, count, time_ms, hashes, identities, checkpoint, extras, bodies)
                 VALUES ({log}, 300, 1, 0, zeroblob(32), zeroblob(32), x'', x'', x'')"
            ),
            Table::Batch,
            "first=300",
        ),
    ] {
        let path = database.changed(&statement).await.expect(&statement);
        let store = store::sqlite(&path).await.unwrap();
        let report = checked(&*store, "ct", &NoGuard).await;
        let named = |finding: &Finding| (finding.table, &*finding.key) == (table, key);
        assert!(report.findings.iter().any(named), "{:#?}", report.findings);
        store.close().await;
    }
}

#[tokio::test]
async fn the_walk_goes_on_behind_a_missing_batch() {
    let database = Database::new().await;
    let path = database
        .changed(&format!("DELETE FROM tlog_batch WHERE {ROW}"))
        .await
        .unwrap();
    // And far behind it, in the next tile, another fault.
    let row = LAST.replace("260", "258");
    execute(&path, &flip("tlog_batch", "bodies", 6, &row))
        .await
        .unwrap();
    let store = store::sqlite(&path).await.unwrap();
    let report = checked(&*store, "ct", &NoGuard).await;
    let found: Vec<(Table, &str, &str)> = report
        .findings
        .iter()
        .map(|finding| (finding.table, &*finding.key, &*finding.what))
        .collect();
    assert_eq!(
        found,
        [
            (Table::Batch, "first=5", "row"),
            (Table::Batch, "first=258", "bodies (entry 258)"),
        ]
    );
    assert_eq!(report.entries, SIZE - 1);
}

#[tokio::test]
async fn a_guard_that_disagrees_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::memory();
    let log = open(store.clone(), "ct").await.unwrap();
    for number in 0..10 {
        log.append(ct(number)).await.unwrap();
    }
    log.close().await;
    let head = store.head("ct").await.unwrap().unwrap();
    let guard = FileGuard::open(folder.path()).unwrap();
    guard.record("ct", &head).await.unwrap();
    assert!(checked(&*store, "ct", &*guard).await.is_clean());

    for (size, root, what) in [
        (11, head.root, "size"),
        (10, [9; 32], "root"),
        (4, [9; 32], "root"),
    ] {
        let other = TreeHead {
            size,
            root,
            ..head.clone()
        };
        guard.record("ct", &other).await.unwrap();
        let report = checked(&*store, "ct", &*guard).await;
        let found = &report.findings[..];
        assert!(
            matches!(found, [finding] if (finding.table, &*finding.what) == (Table::Guard, what)),
            "{found:?}"
        );
    }
    guard.close().await;
    drop(guard);
    std::fs::write(folder.path().join("ct.guard"), "damaged").unwrap();
    let guard = FileGuard::open(folder.path()).unwrap();
    let report = checked(&*store, "ct", &*guard).await;
    assert_eq!(
        (report.findings.len(), report.findings[0].table),
        (1, Table::Guard)
    );
}

#[tokio::test]
async fn a_log_that_is_not_there_is_a_finding() {
    let report = checked(&*store::memory(), "ct", &NoGuard).await;
    assert_eq!(
        report.findings[0].to_string(),
        "tlog_log name=ct: row: have no row, want a log of this name"
    );
}

/// The same in PostgreSQL, where a tile has a row for each of its hashes.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_in_each_column_is_found_in_postgresql_as_well() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    let store = store::postgres(&url).await.unwrap();
    let log = open(store.clone(), "ct").await.unwrap();
    for number in 0..SIZE {
        log.append(ct(number)).await.unwrap();
    }
    until_run(&*store, "ct").await;
    log.close().await;
    assert!(checked(&*store, "ct", &NoGuard).await.is_clean());

    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let byte = |table: &str, column: &str, row: &str| {
        format!(
            "UPDATE {table} SET {column} = set_byte({column}, 7, get_byte({column}, 7) # 1) WHERE {row}"
        )
    };
    let number = |table: &str, column: &str, row: &str| {
        format!("UPDATE {table} SET {column} = {column} # 1 WHERE {row}")
    };
    let (batch, tile) = ("first = 5", "level = 1 AND idx = 0");
    // Each statement undoes itself when it is run again.
    for (change, table, key, answered) in [
        (
            byte("tlog_log", "root", "true"),
            Table::Head,
            "name=ct",
            false,
        ),
        (
            byte("tlog_log", "checkpoint", "true"),
            Table::Head,
            "name=ct",
            false,
        ),
        (
            number("tlog_log", "size", "true"),
            Table::Head,
            "name=ct",
            false,
        ),
        (
            number("tlog_log", "time_ms", "true"),
            Table::Head,
            "name=ct",
            false,
        ),
        (
            byte("tlog_batch", "hashes", batch),
            Table::Batch,
            "first=5",
            false,
        ),
        (
            byte("tlog_batch", "identities", batch),
            Table::Batch,
            "first=5",
            false,
        ),
        (
            byte("tlog_batch", "extras", batch),
            Table::Batch,
            "first=5",
            false,
        ),
        (
            byte("tlog_batch", "bodies", batch),
            Table::Batch,
            "first=5",
            false,
        ),
        (
            number("tlog_batch", "time_ms", batch),
            Table::Batch,
            "first=5",
            false,
        ),
        // Only the newest head's checkpoint is ever answered.
        (
            byte("tlog_batch", "checkpoint", batch),
            Table::Batch,
            "first=5",
            true,
        ),
        (
            byte("tlog_tile", "hash", tile),
            Table::Tile,
            "level=1 idx=0",
            false,
        ),
        (
            byte("tlog_run", "filter", "true"),
            Table::Run,
            "first=0 past=256",
            false,
        ),
        (
            byte("tlog_run_page", "keys", "page = 0"),
            Table::RunPage,
            "page=0",
            true,
        ),
    ] {
        let run = || sqlx::query(AssertSqlSafe(change.clone())).execute(&pool);
        assert_eq!(run().await.unwrap().rows_affected(), 1, "{change}");
        let report = checked(&*store, "ct", &NoGuard).await;
        let named = |finding: &Finding| finding.table == table && finding.key.contains(key);
        assert!(
            report.findings.iter().any(named),
            "{change}: {:#?}",
            report.findings
        );
        let sent = match open(store.clone(), "ct").await {
            Ok(log) => {
                let entry = log.entry(5).await;
                log.close().await;
                entry.is_ok()
            }
            Err(_) => false,
        };
        assert_eq!(sent, answered, "{change}");
        assert_eq!(run().await.unwrap().rows_affected(), 1, "{change}");
    }
    assert!(checked(&*store, "ct", &NoGuard).await.is_clean());
    pool.close().await;
    store.close().await;
}
