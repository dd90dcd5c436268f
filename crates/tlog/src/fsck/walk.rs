//! The walk over one log: batches in order, then tiles, head, guard and numbers of rows.

use super::report::{Finding, Report, Table};
use super::tree::{self, Tile, Tree, leaf_hash};
use super::{FsckError, HeadVerifier, Progress};
use crate::batch::{self, BatchError};
use crate::store::{BatchRow, Store};
use crate::{StoreError, TreeHead};
use merkle::Hash;
use std::fmt::Write as _;

/// Findings that a report keeps: the first ones tell what happened, a million more do not.
pub const MAX_FINDINGS: usize = 1000;
/// Entries and bytes that one query of batches fetches.
const QUERY_ENTRIES: u64 = 4096;
const QUERY_BYTES: usize = 1024 * 1024;
/// Missing tiles whose roots are taken from the tiles above before the tree is given up.
const MAX_SKIPPED: u64 = 1024;

/// The state of a walk.
pub(super) struct Walk<'a> {
    pub(super) store: &'a dyn Store,
    verifier: &'a dyn HeadVerifier,
    report: Report,
    tree: Tree,
    /// What the recomputed tree can be compared with.
    known: Known,
    /// Index of the entry that must come next.
    next: u64,
    last: Option<Last>,
    guarded: Option<TreeHead>,
    guarded_root: Option<Hash>,
    /// A root under a valid signature differed; every later one will.
    forked: bool,
}

/// How much of the tree is recomputed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    All,
    /// Leaves of the tile at the edge are missing: no root can be compared until it ends.
    NotThisTile,
    Nothing,
}

/// What the head must repeat of the last batch.
struct Last {
    time_ms: i64,
    checkpoint: bytes::Bytes,
}

impl<'a> Walk<'a> {
    pub(super) fn new(store: &'a dyn Store, name: &str, verifier: &'a dyn HeadVerifier) -> Self {
        Self {
            store,
            verifier,
            report: Report {
                log: name.to_owned(),
                ..Report::default()
            },
            tree: Tree::default(),
            known: Known::All,
            next: 0,
            last: None,
            guarded: None,
            guarded_root: None,
            forked: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.report.log
    }

    pub(super) fn finish(self) -> Report {
        self.report
    }

    pub(super) fn count_lookups(&mut self, count: usize) {
        self.report.lookups += u64::try_from(count).unwrap_or(u64::MAX);
    }

    /// True when the batches are not all as they were written, so that nothing can be told from them.
    pub(super) fn batches_lie(&self) -> bool {
        let batch = |finding: &Finding| finding.table == Table::Batch;
        self.report.findings.iter().any(batch)
    }

    pub(super) fn find(
        &mut self,
        table: Table,
        key: impl Into<String>,
        what: impl Into<String>,
        have: impl Into<String>,
        want: impl Into<String>,
    ) {
        if self.report.findings.len() >= MAX_FINDINGS {
            self.report.suppressed += 1;
            return;
        }
        self.report.findings.push(Finding {
            table,
            key: key.into(),
            what: what.into(),
            have: have.into(),
            want: want.into(),
        });
    }

    pub(super) fn damaged_guard(&mut self, path: &str, detail: &str) {
        self.find(Table::Guard, path, "file", detail, "a whole guard file");
    }

    pub(super) async fn run(
        &mut self,
        guarded: Option<TreeHead>,
        progress: Progress<'_>,
    ) -> Result<(), FsckError> {
        self.guarded_root = guarded
            .as_ref()
            .filter(|guarded| guarded.size == 0)
            .map(|_| self.tree.root());
        self.guarded = guarded;
        let Some(newest) = self.store.since(self.name(), u64::MAX).await? else {
            let key = format!("name={}", self.name());
            self.find(Table::Head, key, "row", "no row", "a log of this name");
            self.check_guard(0);
            return Ok(());
        };
        let head = newest.head;
        self.report.frozen = newest.frozen;
        // 1. The signed size, when there is one, bounds the walk: the column beside it may lie.
        let size = self.check_head_alone(&head);
        self.report.size = size;
        // 2. Every batch in order, with its leaves, its checkpoint and the tiles that it completes.
        progress(0, size);
        while self.next < size {
            self.next_batches(size).await?;
            progress(self.next.min(size), size);
        }
        // 3. The tiles at the edge.
        if self.known != Known::Nothing {
            for tile in self.tree.partial() {
                self.check_tile(&tile).await?;
            }
        }
        // 4. Where the entries are found.
        self.check_runs(size).await?;
        // 5. What must not be there, and what must agree with the last batch.
        self.check_head_against_last(&head);
        self.check_guard(size);
        self.check_same_as_guarded(&head);
        let now = self.store.head(self.name()).await?;
        // Another process may have appended meanwhile: what it wrote is checked the next time.
        if now.is_some_and(|now| now.size == head.size) {
            self.check_behind(size).await?;
            self.check_numbers(size).await?;
        }
        Ok(())
    }

    async fn next_batches(&mut self, size: u64) -> Result<(), FsckError> {
        let (before, end) = (self.next, size.min(self.next.saturating_add(QUERY_ENTRIES)));
        let rows = match self
            .store
            .batches(self.name(), before, end, QUERY_BYTES)
            .await
        {
            Err(StoreError::Impossible(why)) => {
                let key = format!("first>={before}");
                self.find(Table::Batch, key, "row", why, "values of a batch");
                return self.skip_to((before | 255) + 1).await;
            }
            rows => rows?,
        };
        if rows.is_empty() {
            // Nothing in this window: is there anything behind it?
            let later = self.store.batches(self.name(), end, size, 1).await?;
            let until = later.first().map_or(size, |row| row.first);
            return self.missing(until).await;
        }
        for row in &rows {
            if let Some(moved) = self.moved(row) {
                let (have, want) = (row.first.to_string(), self.next.to_string());
                self.find(Table::Batch, batch_key(row.first), "first", have, want);
                self.check_batch(&moved).await?;
                continue;
            }
            if row.first > self.next {
                self.missing(row.first).await?;
            }
            self.check_batch(row).await?;
        }
        if self.next == before {
            self.skip_to((before | 255) + 1).await?;
        }
        Ok(())
    }

    /// The row as it was written, when its own checksum says that it stood at the next index.
    fn moved(&self, row: &BatchRow) -> Option<BatchRow> {
        if row.first == self.next || batch::open_seal(row).is_ok() {
            return None;
        }
        let moved = BatchRow {
            first: self.next,
            ..row.clone()
        };
        let fits = batch::check_shape(&moved).is_ok() && batch::open_seal(&moved).is_ok();
        fits.then_some(moved)
    }

    /// One row, beginning at or before the next index.
    async fn check_batch(&mut self, row: &BatchRow) -> Result<(), FsckError> {
        let key = batch_key(row.first);
        if row.first < self.next {
            let want = format!("{}, or no such row", self.next);
            self.find(Table::Batch, key, "first", row.first.to_string(), want);
            return Ok(());
        }
        self.report.batches += 1;
        // 1. Shape, and the columns that only the row's own checksums cover.
        match batch::check_shape(row) {
            Ok(()) => {}
            Err(BatchError::Hashes { have, count, .. }) => {
                let want = format!("{} bytes", usize::from(count) * 32);
                let what = "hashes or identities";
                self.find(Table::Batch, key, what, format!("{have} bytes"), want);
                return self.skip_to(row.first + u64::from(row.count)).await;
            }
            Err(_) => {
                let want = "1 to 256 entries of one tile";
                self.find(Table::Batch, key, "count", row.count.to_string(), want);
                return self.skip_to((row.first | 255) + 1).await;
            }
        }
        if let Err(BatchError::Seal { column, .. }) = batch::open_seal(row) {
            let have = match column {
                "time_ms" => row.time_ms.to_string(),
                _ => "other bytes".to_owned(),
            };
            let want = "what the row's checksum was made over";
            self.find(Table::Batch, &key, column, have, want);
        }
        if let Some(last) = &self.last
            && row.time_ms < last.time_ms
        {
            let want = format!("at least {}, as the batch before", last.time_ms);
            self.find(Table::Batch, &key, "time_ms", row.time_ms.to_string(), want);
        }
        // 2. Leaves and tree, then the checkpoint that was signed for them.
        let checkpoint = read_checkpoint(&row.checkpoint);
        let leaves = self.check_leaves_of(row, checkpoint.as_ref().ok().map(|c| c.root));
        let end = row.first + u64::from(row.count);
        let tiles: Vec<Tile> = match self.known {
            Known::All => leaves
                .iter()
                .flat_map(|leaf| self.tree.push(*leaf))
                .collect(),
            _ => Vec::new(),
        };
        self.check_checkpoint(row, end, checkpoint);
        for tile in &tiles {
            self.check_tile(tile).await?;
        }
        self.report.entries += u64::from(row.count);
        self.last = Some(Last {
            time_ms: row.time_ms,
            checkpoint: row.checkpoint.clone(),
        });
        self.advance(end).await
    }

    /// Hashes the bodies and compares with the stored hashes. When they differ, `root` decides who lies.
    fn check_leaves_of(&mut self, row: &BatchRow, root: Option<Hash>) -> Vec<Hash> {
        let key = batch_key(row.first);
        let stored = row.hashes.as_chunks::<32>().0.to_vec();
        let Ok(bodies) = batch::bodies(row) else {
            let have = "lengths that do not add up";
            let want = format!("{} leaves, each with its length", row.count);
            self.find(Table::Batch, key, "bodies", have, want);
            return stored;
        };
        let computed: Vec<Hash> = bodies.iter().map(|body| leaf_hash(body)).collect();
        let Some(at) = stored.iter().zip(&computed).position(|(a, b)| a != b) else {
            return stored;
        };
        let index = row.first + u64::try_from(at).unwrap_or(u64::MAX);
        let leads_to_root = |leaves: &[Hash]| {
            let mut tree = self.tree.clone();
            leaves.iter().for_each(|leaf| drop(tree.push(*leaf)));
            self.known == Known::All && Some(tree.root()) == root
        };
        if leads_to_root(&computed) {
            let what = format!("hashes (entry {index})");
            self.find(
                Table::Batch,
                key,
                what,
                hex(&stored[at]),
                hex(&computed[at]),
            );
            return computed;
        }
        let what = match leads_to_root(&stored) {
            true => format!("bodies (entry {index})"),
            false => format!("bodies or hashes (entry {index})"),
        };
        let have = format!("a leaf of hash {}", hex(&computed[at]));
        self.find(Table::Batch, key, what, have, hex(&stored[at]));
        stored
    }

    fn check_checkpoint(
        &mut self,
        row: &BatchRow,
        end: u64,
        checkpoint: Result<note::Checkpoint, String>,
    ) {
        let key = batch_key(row.first);
        let what = "checkpoint";
        let checkpoint = match checkpoint {
            Ok(checkpoint) => checkpoint,
            Err(why) => return self.find(Table::Batch, key, what, why, "a signed checkpoint"),
        };
        let head = TreeHead {
            size: end,
            root: checkpoint.root,
            time_ms: row.time_ms,
            checkpoint: row.checkpoint.clone(),
        };
        let root = self.tree.root();
        if self
            .guarded
            .as_ref()
            .is_some_and(|guarded| guarded.size == end)
        {
            self.guarded_root = Some(match self.known {
                Known::All => root,
                _ => checkpoint.root,
            });
        }
        if checkpoint.size != end {
            let have = format!("size {}", checkpoint.size);
            self.find(Table::Batch, key, what, have, format!("size {end}"));
        } else if let Err(why) = self.verifier.verify_head(&head) {
            self.find(Table::Batch, key, what, why, "the log's valid signature");
        } else if self.known == Known::All && checkpoint.root != root && !self.forked {
            self.forked = true;
            let have = format!("root {}, signed", hex(&checkpoint.root));
            let want = format!(
                "root {}, as the entries up to {end} give; later ones are not listed",
                hex(&root)
            );
            self.find(Table::Batch, key, what, have, want);
        }
    }

    async fn check_tile(&mut self, tile: &Tile) -> Result<(), StoreError> {
        self.report.tiles += 1;
        let key = format!("level={} idx={}", tile.level, tile.index);
        let stored = self.store.tile(self.name(), tile.level, tile.index).await?;
        let Some(stored) = stored else {
            let want = format!("{} hashes", tile.hashes.len());
            self.find(Table::Tile, key, "row", "no row", want);
            return Ok(());
        };
        let (have, rest) = stored.as_chunks::<32>();
        let differs = have.iter().zip(&tile.hashes).position(|(a, b)| a != b);
        if let Some(at) = differs {
            let what = format!("hashes (hash {at})");
            self.find(
                Table::Tile,
                key,
                what,
                hex(&have[at]),
                hex(&tile.hashes[at]),
            );
        } else if have.len() != tile.hashes.len() || !rest.is_empty() {
            let have = format!("{} bytes", stored.len());
            let want = format!("{} hashes", tile.hashes.len());
            self.find(Table::Tile, key, "hashes", have, want);
        }
        Ok(())
    }

    /// Entries up to `until` are in no row.
    async fn missing(&mut self, until: u64) -> Result<(), FsckError> {
        let key = batch_key(self.next);
        let want = format!("entries {} to {}", self.next, until.saturating_sub(1));
        self.find(Table::Batch, key, "row", "no row", want);
        self.skip_to(until).await
    }

    /// Goes on at `until` without the leaves before it.
    async fn skip_to(&mut self, until: u64) -> Result<(), FsckError> {
        if (until >> 8) - (self.next >> 8).min(until >> 8) > MAX_SKIPPED {
            self.known = Known::Nothing;
            self.next = until;
            return Ok(());
        }
        while self.next < until {
            let end = until.min((self.next | 255) + 1);
            if self.known == Known::All {
                self.known = Known::NotThisTile;
            }
            self.advance(end).await?;
        }
        Ok(())
    }

    /// Moves to `end`; where an incomplete tile ends, its root is taken from the tile above, as the best that is left.
    /// The next checkpoint tells whether it was right.
    async fn advance(&mut self, end: u64) -> Result<(), FsckError> {
        self.next = end;
        if self.known != Known::NotThisTile || !end.is_multiple_of(256) {
            return Ok(());
        }
        let tile = (end >> 8) - 1;
        let above = self.store.tile(self.name(), 1, tile >> 8).await?;
        let place = usize::from(tile.to_le_bytes()[0]);
        let root = above.and_then(|above| above.as_chunks::<32>().0.get(place).copied());
        let Some(root) = root else {
            self.known = Known::Nothing;
            return Ok(());
        };
        self.known = Known::All;
        for tile in self.tree.skip_tile(root) {
            self.check_tile(&tile).await?;
        }
        Ok(())
    }

    /// The head row and the checkpoint within it. Answers the size to walk to.
    fn check_head_alone(&mut self, head: &TreeHead) -> u64 {
        let key = self.head_key();
        let checkpoint = match read_checkpoint(&head.checkpoint) {
            Ok(checkpoint) => checkpoint,
            Err(why) => {
                self.find(Table::Head, key, "checkpoint", why, "a signed checkpoint");
                return head.size;
            }
        };
        let signed = TreeHead {
            size: checkpoint.size,
            root: checkpoint.root,
            ..head.clone()
        };
        if let Err(why) = self.verifier.verify_head(&signed) {
            let want = "the log's valid signature";
            self.find(Table::Head, key, "checkpoint", why, want);
            return head.size;
        }
        if head.size != checkpoint.size {
            let want = format!("{}, as signed beside it", checkpoint.size);
            self.find(Table::Head, &key, "size", head.size.to_string(), want);
        }
        if head.root != checkpoint.root {
            let want = format!("{}, as signed beside it", hex(&checkpoint.root));
            self.find(Table::Head, &key, "root", hex(&head.root), want);
        }
        if checkpoint.size == 0 && checkpoint.root != self.tree.root() {
            let want = hex(&self.tree.root());
            self.find(Table::Head, &key, "root", hex(&checkpoint.root), want);
        }
        checkpoint.size
    }

    fn check_head_against_last(&mut self, head: &TreeHead) {
        let Some(last) = self.last.take() else { return };
        let key = self.head_key();
        if self.report.frozen {
            // Signed once more, of the same tree: the signature was checked, the time goes on from the last batch's.
            if head.time_ms < last.time_ms {
                let want = format!("at least {}, as the last batch", last.time_ms);
                self.find(Table::Head, key, "time_ms", head.time_ms.to_string(), want);
            }
            return;
        }
        if head.time_ms != last.time_ms {
            let want = format!("{}, as the last batch", last.time_ms);
            self.find(Table::Head, &key, "time_ms", head.time_ms.to_string(), want);
        }
        let told = |finding: &Finding| finding.what == "checkpoint";
        if head.checkpoint != last.checkpoint && !self.report.findings.iter().any(told) {
            let (have, want) = ("another one", "the checkpoint of the last batch");
            self.find(Table::Head, &key, "checkpoint", have, want);
        }
    }

    /// Rows of entries that the head does not have.
    async fn check_behind(&mut self, size: u64) -> Result<(), FsckError> {
        let rows = self
            .store
            .batches(self.name(), size, u64::MAX, QUERY_BYTES)
            .await?;
        for row in rows.iter().filter(|row| row.first >= size) {
            let have = format!("{} entries", row.count);
            let want = format!("no row: the head has {size} entries");
            self.find(Table::Batch, batch_key(row.first), "row", have, want);
        }
        Ok(())
    }

    fn check_guard(&mut self, size: u64) {
        let Some(guarded) = self.guarded.clone() else {
            return;
        };
        let key = format!("log={}", self.name());
        if guarded.size > size {
            let want = format!("at most {size}: the database is older than what was signed");
            self.find(Table::Guard, key, "size", guarded.size.to_string(), want);
        } else if self.guarded_root != Some(guarded.root) {
            let want = match self.guarded_root {
                Some(root) => format!("{}, as the entries give", hex(&root)),
                None => format!("a checkpoint of {} entries in the database", guarded.size),
            };
            self.find(Table::Guard, key, "root", hex(&guarded.root), want);
        }
    }

    /// One head a size is ever committed, so the guard's copy of the newest one is the same to the byte; but a frozen log
    /// has its last head twice. For an empty log this is all that its time can be compared with.
    fn check_same_as_guarded(&mut self, head: &TreeHead) {
        let Some(guarded) = self.guarded.take() else {
            return;
        };
        let differs = match self.report.frozen {
            true => guarded.time_ms > head.time_ms,
            false => guarded.time_ms != head.time_ms,
        };
        if guarded.size == 0 && head.size == 0 && differs {
            let want = format!("{}, as the guard has it", guarded.time_ms);
            let key = self.head_key();
            self.find(Table::Head, key, "time_ms", head.time_ms.to_string(), want);
        }
    }

    /// More rows than what was recomputed: something is there that nothing leads to.
    async fn check_numbers(&mut self, size: u64) -> Result<(), FsckError> {
        let Some(rows) = self.store.inventory(self.name()).await? else {
            return Ok(());
        };
        // Runs are written in the background, also while this walk goes on.
        let runs = self.store.runs(self.name()).await?;
        let pages = runs.iter().map(|run| u64::from(run.pages)).sum();
        let numbers = [
            (Table::Batch, rows.batches, self.report.batches),
            (Table::Tile, rows.tiles, tree::tile_rows(size)),
            (Table::RunPage, rows.pages, pages),
        ];
        for (table, have, want) in numbers {
            if have > want {
                let key = format!("log={}", self.name());
                self.find(table, key, "rows", have.to_string(), want.to_string());
            }
        }
        Ok(())
    }

    fn head_key(&self) -> String {
        format!("name={}", self.name())
    }
}

fn batch_key(first: u64) -> String {
    format!("first={first}")
}

fn read_checkpoint(bytes: &[u8]) -> Result<note::Checkpoint, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no text".to_owned())?;
    let note = note::SignedNote::parse(text).map_err(|error| error.to_string())?;
    note::Checkpoint::parse(note.text()).map_err(|error| error.to_string())
}

pub(super) fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
