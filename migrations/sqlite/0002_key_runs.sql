-- A unique index on random hashes makes every commit touch as many pages as it has entries. Keys live in immutable
-- sorted runs instead, each written once, in the background, with a filter that the process keeps in memory.
DROP TABLE tlog_key;

-- One row a run: the keys of the entries [first, past).
CREATE TABLE tlog_run (
    log    INTEGER NOT NULL,
    first  INTEGER NOT NULL CHECK (first >= 0),
    past   INTEGER NOT NULL CHECK (past > first),
    pages  INTEGER NOT NULL CHECK (pages > 0),
    filter BLOB    NOT NULL,
    PRIMARY KEY (log, first, past)
) STRICT;

-- The keys of a run by the first 8 bytes of their hash: 12 bytes a key (these 8 and the entry's offset in the run),
-- then 8 bytes of checksum. A run can be made again from the batches: remove its rows here and above, and start.
CREATE TABLE tlog_run_page (
    log   INTEGER NOT NULL,
    first INTEGER NOT NULL,
    past  INTEGER NOT NULL,
    page  INTEGER NOT NULL CHECK (page >= 0),
    keys  BLOB    NOT NULL CHECK (length(keys) % 12 = 8),
    PRIMARY KEY (log, first, past, page)
) STRICT, WITHOUT ROWID;
