-- A unique index on random hashes costs a quarter of the rate, and more as it grows. Keys live in immutable sorted
-- runs instead, each written once, in the background, with a filter that processes keep in memory.
--
-- A role that serves logs needs SELECT, INSERT and DELETE here: runs are merged.
DROP TABLE tlog_key;

-- One row a run: the keys of the entries [first, past).
CREATE TABLE tlog_run (
    log    integer NOT NULL,
    first  bigint  NOT NULL CHECK (first >= 0),
    past   bigint  NOT NULL CHECK (past > first),
    pages  integer NOT NULL CHECK (pages > 0),
    filter bytea   NOT NULL,
    PRIMARY KEY (log, first, past)
);

-- The keys of a run by the first 8 bytes of their hash: 12 bytes a key (these 8 and the entry's offset in the run),
-- then 8 bytes of checksum. A run can be made again from the batches: remove its rows here and above, and start.
CREATE TABLE tlog_run_page (
    log   integer NOT NULL,
    first bigint  NOT NULL,
    past  bigint  NOT NULL,
    page  integer NOT NULL CHECK (page >= 0),
    keys  bytea   NOT NULL CHECK (octet_length(keys) % 12 = 8),
    PRIMARY KEY (log, first, past, page)
);

ALTER TABLE tlog_run ALTER COLUMN filter SET STORAGE EXTERNAL;
ALTER TABLE tlog_run_page ALTER COLUMN keys SET STORAGE EXTERNAL;
