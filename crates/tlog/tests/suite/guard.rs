//! A database that was set back is refused: at opening, and under a running log.

use crate::fixture::{NoteSigner, append, append_all, check_answer, submission};
use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tlog::store::{
    self, BatchRow, Commit, CommitError, Freeze, KeyRow, NewRun, PageId, RunRow, Since,
};
use tlog::{
    AppendError, FileGuard, Guard, GuardError, Limits, Log, OpenError, Store, StoreError, TreeHead,
};

/// A data folder: database, guard, and copies of the database.
struct Folder {
    root: tempfile::TempDir,
    signer: Arc<NoteSigner>,
    clock: Clock,
}

impl Folder {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            signer: Arc::default(),
            clock: Clock::system(),
        }
    }

    fn database(&self) -> PathBuf {
        self.root.path().join("log.db")
    }

    fn guard_file(&self) -> PathBuf {
        self.root.path().join("guard/test.guard")
    }

    fn recent_file(&self) -> PathBuf {
        self.root.path().join("guard/test.guard.recent")
    }

    fn guard(&self) -> Arc<FileGuard> {
        FileGuard::open(&self.root.path().join("guard")).unwrap()
    }

    async fn store(&self) -> Arc<dyn Store> {
        store::sqlite(&self.database()).await.unwrap()
    }

    async fn open(&self, store: Arc<dyn Store>) -> Result<Log, OpenError> {
        self.open_with(store, self.guard()).await
    }

    async fn open_with(
        &self,
        store: Arc<dyn Store>,
        guard: Arc<dyn Guard>,
    ) -> Result<Log, OpenError> {
        let (signer, clock) = (self.signer.clone(), self.clock.clone());
        Log::open_guarded(store, "test", signer, clock, Limits::default(), true, guard).await
    }

    /// Runs a process: opens the log, appends, ends.
    async fn run(&self, numbers: std::ops::Range<usize>) {
        let store = self.store().await;
        let guard = self.guard();
        let log = self.open_with(store.clone(), guard.clone()).await.unwrap();
        append_all(&log, numbers).await;
        log.close().await;
        guard.close().await;
        store.close().await;
    }

    /// Opens and expects a refusal.
    async fn refused(&self) -> OpenError {
        let store = self.store().await;
        let error = self.open(store.clone()).await.err().unwrap();
        store.close().await;
        error
    }

    /// Copies the database as a backup would.
    fn back_up(&self, name: &str) -> PathBuf {
        let copy = self.root.path().join(name);
        fs::copy(self.database(), &copy).unwrap();
        copy
    }

    fn restore(&self, copy: &Path) {
        for ending in ["-wal", "-shm"] {
            let mut name = self.database().into_os_string();
            name.push(ending);
            let _ = fs::remove_file(name);
        }
        fs::copy(copy, self.database()).unwrap();
    }
}

#[tokio::test]
async fn a_stale_backup_is_refused_with_a_way_out() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let old = folder.back_up("old.db");
    folder.run(3..10).await;
    folder.restore(&old);
    let signed = folder.signer_count();
    let error = folder.refused().await;
    assert!(
        matches!(&error, OpenError::BehindGuard { name, have: 3, signed: 10, other_root: false } if name == "test"),
        "{error:?}"
    );
    let text = error.to_string();
    for word in [
        "it has 3 entries, a head of 10 was signed",
        "fork",
        "Restore a newer backup",
        "sigstead fsck --accept-rollback test",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(folder.signer_count(), signed, "nothing is signed");
}

#[tokio::test]
async fn a_backup_one_entry_old_is_refused() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let old = folder.back_up("old.db");
    folder.run(3..4).await;
    folder.restore(&old);
    let error = folder.refused().await;
    assert!(
        matches!(
            error,
            OpenError::BehindGuard {
                have: 3,
                signed: 4,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_newest_backup_goes_on() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let newest = folder.back_up("newest.db");
    folder.restore(&newest);
    folder.run(3..5).await;
}

#[tokio::test]
async fn another_tree_of_the_same_size_or_larger_is_refused() {
    for other in [3, 5] {
        let folder = Folder::new();
        folder.run(0..3).await;
        let elsewhere = Folder::new();
        elsewhere.run(100..100 + other).await;
        folder.restore(&elsewhere.database());
        let error = folder.refused().await;
        assert!(
            matches!(&error, OpenError::BehindGuard { have, signed: 3, other_root: true, .. } if *have == other as u64),
            "{error:?}"
        );
        assert!(error.to_string().contains("another tree"), "{error}");
    }
}

#[tokio::test]
async fn a_lost_database_is_not_begun_anew() {
    let folder = Folder::new();
    folder.run(0..3).await;
    fs::remove_file(folder.database()).unwrap();
    let error = folder.refused().await;
    assert!(
        matches!(
            error,
            OpenError::BehindGuard {
                have: 0,
                signed: 3,
                ..
            }
        ),
        "{error:?}"
    );
    // Nothing was created.
    let store = folder.store().await;
    assert_eq!(store.head("test").await.unwrap(), None);
}

#[tokio::test]
async fn what_was_recorded_survives_a_process_that_never_synced() {
    let folder = Folder::new();
    folder.run(0..2).await;
    let old = folder.back_up("old.db");
    let store = folder.store().await;
    let log = folder.open(store.clone()).await.unwrap();
    append_all(&log, 2..6).await;
    // The guard is not closed: its durable file may be a second behind.
    log.close().await;
    store.close().await;
    drop((log, store));
    folder.restore(&old);
    let error = folder.refused().await;
    assert!(
        matches!(
            error,
            OpenError::BehindGuard {
                have: 2,
                signed: 6,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_torn_recent_file_leaves_a_guard_that_is_behind() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let recent = fs::read(folder.recent_file()).unwrap();
    for cut in [0, 10, recent.len() / 2, recent.len() - 1] {
        fs::write(folder.recent_file(), &recent[..cut]).unwrap();
        let guarded = folder.guard().load("test").await.unwrap().unwrap();
        assert_eq!(guarded.size, 3);
    }
    folder.run(3..4).await;
}

#[tokio::test]
async fn a_damaged_guard_is_an_error_with_its_cure() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let whole = fs::read(folder.guard_file()).unwrap();
    for at in [0, 30, whole.len() / 2, whole.len() - 2] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(folder.guard_file(), changed).unwrap();
        let error = folder.refused().await;
        assert!(
            matches!(&error, OpenError::Guard(GuardError::Damaged { log, .. }) if log == "test"),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("sigstead fsck --accept-rollback test"),
            "{error}"
        );
    }
    fs::remove_file(folder.guard_file()).unwrap();
    let error = folder.refused().await;
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[tokio::test]
async fn an_accepted_rollback_goes_on_from_there() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let old = folder.back_up("old.db");
    folder.run(3..10).await;
    folder.restore(&old);
    folder.refused().await;
    let store = folder.store().await;
    let head = store.head("test").await.unwrap().unwrap();
    drop(store);
    let guard = folder.guard();
    guard.record("test", &head).await.unwrap();
    guard.close().await;
    drop(guard);
    assert_eq!(folder.guard().load("test").await.unwrap(), Some(head));
    folder.run(20..22).await;
    // And is guarded again.
    folder.restore(&old);
    assert!(matches!(
        folder.refused().await,
        OpenError::BehindGuard {
            have: 3,
            signed: 5,
            ..
        }
    ));
}

#[tokio::test]
async fn the_guard_is_never_ahead_of_what_was_committed() {
    let folder = Folder::new();
    let store = Swapped::new(folder.store().await);
    let guard = folder.guard();
    let log = folder
        .open_with(store.clone(), guard.clone())
        .await
        .unwrap();
    append_all(&log, 0..3).await;
    *store.refuse.lock().unwrap() = Some(CommitError::Failed("disk full".into()));
    log.append(submission(3)).await.unwrap_err();
    assert_eq!(guard.load("test").await.unwrap().unwrap().size, 3);
    *store.refuse.lock().unwrap() = Some(CommitError::Unknown("connection lost".into()));
    // The outcome is found out, and the entry is tried again.
    append(&log, submission(3)).await;
    let guarded = guard.load("test").await.unwrap().unwrap();
    assert_eq!(guarded, *log.head());
}

#[tokio::test]
async fn a_backup_restored_under_a_running_log_stops_appending_and_not_reading() {
    let folder = Folder::new();
    folder.run(0..3).await;
    let old = folder.back_up("old.db");
    let store = Swapped::new(folder.store().await);
    let log = folder.open(store.clone()).await.unwrap();
    let answers = append_all(&log, 3..10).await;
    let published = log.head();
    let signed = folder.signer_count();

    let stale = store::sqlite(&old).await.unwrap();
    let newest = store.swap(stale);
    for number in 20..23 {
        let error = log.append(submission(number)).await.unwrap_err();
        // The first one loses against the head row of the backup, the others find nothing to go on from.
        let AppendError::Unavailable(why) = error else {
            panic!("{error:?}")
        };
        assert!(why.contains("older than what was already signed"), "{why}");
    }
    // One signature was made for the batch that met the backup; it never left, and none came after it.
    assert_eq!(folder.signer_count(), signed + 1);
    assert_eq!(log.head(), published);
    check_answer(answers.last().unwrap());
    // What is in memory is still proved; what the backup lacks is an error, never another answer.
    let proof = log.inclusion_proof(9, 10).await.unwrap();
    let leaf = merkle::leaf_hash(&submission(9).leaf);
    merkle::proof::verify_inclusion(9, 10, &leaf, &proof, &published.root).unwrap();
    assert!(log.entry(9).await.is_err());
    assert_eq!(log.entry(2).await.unwrap().unwrap().leaf, "leaf 2");

    // The right database is put back: the log goes on by itself.
    store.swap(newest);
    let answer = append(&log, submission(20)).await;
    assert_eq!((answer.entry.index, answer.duplicate), (10, false));
}

#[tokio::test]
async fn a_head_that_the_guard_cannot_take_is_not_published() {
    let folder = Folder::new();
    let guard = Arc::new(Broken::default());
    let log = folder
        .open_with(folder.store().await, guard.clone())
        .await
        .unwrap();
    append(&log, submission(0)).await;
    *guard.0.lock().unwrap() = true;
    let error = log.append(submission(1)).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    assert_eq!(log.head().size, 1);
    *guard.0.lock().unwrap() = false;
    let answer = append(&log, submission(1)).await;
    assert!(answer.duplicate, "it was stored the first time");
    assert_eq!((answer.entry.index, log.head().size), (1, 2));
}

impl Folder {
    fn signer_count(&self) -> usize {
        self.signer.signed().len()
    }
}

/// A guard whose disk is full when told so.
#[derive(Default)]
struct Broken(Mutex<bool>);

#[async_trait]
impl Guard for Broken {
    async fn load(&self, _log: &str) -> Result<Option<TreeHead>, GuardError> {
        Ok(None)
    }

    async fn record(&self, _log: &str, _head: &TreeHead) -> Result<(), GuardError> {
        match *self.0.lock().unwrap() {
            true => Err(GuardError::Io {
                path: "guard".into(),
                detail: "disk full".into(),
            }),
            false => Ok(()),
        }
    }
}

/// A store that is exchanged under its log.
struct Swapped {
    inner: Mutex<Arc<dyn Store>>,
    /// What the next commit is answered without being tried.
    refuse: Mutex<Option<CommitError>>,
}

impl Swapped {
    fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(inner),
            refuse: Mutex::default(),
        })
    }

    fn swap(&self, other: Arc<dyn Store>) -> Arc<dyn Store> {
        std::mem::replace(&mut self.inner.lock().unwrap(), other)
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.inner.lock().unwrap().clone()
    }
}

#[async_trait]
impl Store for Swapped {
    async fn head(&self, log: &str) -> Result<Option<TreeHead>, StoreError> {
        self.inner().head(log).await
    }

    async fn create(&self, log: &str, head: &TreeHead) -> Result<(), CommitError> {
        self.inner().create(log, head).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        if let Some(error) = self.refuse.lock().unwrap().take() {
            return Err(error);
        }
        self.inner().commit(commit).await
    }

    async fn freeze(&self, freeze: &Freeze) -> Result<(), CommitError> {
        self.inner().freeze(freeze).await
    }

    async fn tile(&self, log: &str, level: u8, index: u64) -> Result<Option<Bytes>, StoreError> {
        self.inner().tile(log, level, index).await
    }

    async fn leaf_hashes(
        &self,
        log: &str,
        start: u64,
        end: u64,
    ) -> Result<Vec<(u64, Bytes)>, StoreError> {
        self.inner().leaf_hashes(log, start, end).await
    }

    async fn batches(
        &self,
        log: &str,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<BatchRow>, StoreError> {
        self.inner().batches(log, start, end, max_bytes).await
    }

    async fn since(&self, log: &str, size: u64) -> Result<Option<Since>, StoreError> {
        self.inner().since(log, size).await
    }

    async fn key_rows(&self, log: &str, start: u64, end: u64) -> Result<Vec<KeyRow>, StoreError> {
        self.inner().key_rows(log, start, end).await
    }

    async fn runs(&self, log: &str) -> Result<Vec<RunRow>, StoreError> {
        self.inner().runs(log).await
    }

    async fn filter(&self, log: &str, run: RunRow) -> Result<Option<Bytes>, StoreError> {
        self.inner().filter(log, run).await
    }

    async fn pages(&self, log: &str, pages: &[PageId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.inner().pages(log, pages).await
    }

    async fn put_run(
        &self,
        log: &str,
        run: &NewRun,
        replaced: &[RunRow],
    ) -> Result<(), CommitError> {
        self.inner().put_run(log, run, replaced).await
    }
}
