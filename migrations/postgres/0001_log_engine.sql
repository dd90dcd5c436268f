-- The log engine. Several logs ("rekor-v1", "rekor-v2", "ct") share these tables.
-- Append-only: later changes are new files.
--
-- A role that serves logs needs SELECT and INSERT on all tables, and UPDATE on tlog_log and tlog_tile alone: the
-- database itself then refuses a change of a logged entry.

-- One row a log: its newest tree head, compared and swapped by every commit. Half of each page stays free, so that
-- a new version of the row lands beside the old one and no index is touched.
CREATE TABLE tlog_log (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text    NOT NULL UNIQUE,
    size       bigint  NOT NULL CHECK (size >= 0),
    root       bytea   NOT NULL CHECK (octet_length(root) = 32),
    time_ms    bigint  NOT NULL,
    checkpoint bytea   NOT NULL
) WITH (fillfactor = 50);

-- One row a batch. A batch lies within one level-0 tile (256 entries), so tiles and entry bundles are a
-- handful of rows.
CREATE TABLE tlog_batch (
    log        integer  NOT NULL,
    first      bigint   NOT NULL CHECK (first >= 0),
    count      smallint NOT NULL CHECK (count BETWEEN 1 AND 256 AND (first % 256) + count <= 256),
    time_ms    bigint   NOT NULL,
    hashes     bytea    NOT NULL CHECK (octet_length(hashes) = count * 32),
    -- Empty when every identity is the leaf hash, else count * 32 bytes.
    identities bytea    NOT NULL CHECK (octet_length(identities) IN (0, count * 32)),
    -- The signed checkpoint of the head that this batch made: every checkpoint ever signed stays.
    checkpoint bytea    NOT NULL,
    -- u32 big-endian length and bytes, count times; extras is empty when every entry's is.
    extras     bytea    NOT NULL,
    bodies     bytea    NOT NULL,
    PRIMARY KEY (log, first)
);

-- Hashes, signatures and certificates do not compress: trying costs 1.6 times the CPU.
ALTER TABLE tlog_batch
    ALTER COLUMN hashes SET STORAGE EXTERNAL,
    ALTER COLUMN identities SET STORAGE EXTERNAL,
    ALTER COLUMN checkpoint SET STORAGE EXTERNAL,
    ALTER COLUMN extras SET STORAGE EXTERNAL,
    ALTER COLUMN bodies SET STORAGE EXTERNAL;

-- Tiles of level 1 and above; level 0 is in the batches.
CREATE TABLE tlog_tile (
    log    integer  NOT NULL,
    level  smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    idx    bigint   NOT NULL CHECK (idx >= 0),
    hashes bytea    NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (log, level, idx)
);

ALTER TABLE tlog_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Leaf hash or identity to leaf index. kind: 0 = leaf hash that is also the identity, 1 = leaf hash only,
-- 2 = identity only. Unique identities make deduplication strict even if a writer forgot to look.
CREATE TABLE tlog_key (
    log        integer  NOT NULL,
    key        bytea    NOT NULL CHECK (octet_length(key) = 32),
    kind       smallint NOT NULL CHECK (kind IN (0, 1, 2)),
    leaf_index bigint   NOT NULL,
    PRIMARY KEY (log, key, kind)
);
