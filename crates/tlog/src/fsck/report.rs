//! What a check found, row by row.

use std::fmt;

/// Where a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The head row of a log.
    Head,
    /// The row of a batch.
    Batch,
    /// The row of a tile of level 1 or above.
    Tile,
    /// A run of keys: the lookup from leaf hash or identity to index.
    Run,
    /// A page of a run.
    RunPage,
    /// The guard's file, outside the database.
    Guard,
}

impl Table {
    /// The table's name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "tlog_log",
            Self::Batch => "tlog_batch",
            Self::Tile => "tlog_tile",
            Self::Run => "tlog_run",
            Self::RunPage => "tlog_run_page",
            Self::Guard => "guard",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One stored value that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table that it is in.
    pub table: Table,
    /// The row, by its key columns: `first=256`, `level=1 idx=0`, `key=… kind=leaf`.
    pub key: String,
    /// The column, or what about the row.
    pub what: String,
    /// What is stored.
    pub have: String,
    /// What follows from the rest.
    pub want: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            key,
            what,
            have,
            want,
        } = self;
        write!(f, "{table} {key}: {what}: have {have}, want {want}")
    }
}

/// The outcome of checking one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Name of the log.
    pub log: String,
    /// Entries that the head states.
    pub size: u64,
    /// True when the log never grows again.
    pub frozen: bool,
    /// Entries whose leaves were hashed.
    pub entries: u64,
    /// Batches, each with its checkpoint.
    pub batches: u64,
    /// Tiles of level 1 and above.
    pub tiles: u64,
    /// Lookups made.
    pub lookups: u64,
    /// What is wrong, in the order of the walk; at most [`super::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub suppressed: u64,
}

impl Report {
    /// True when nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.suppressed == 0
    }
}
