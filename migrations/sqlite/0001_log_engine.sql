-- The log engine. Several logs ("rekor-v1", "rekor-v2", "ct") share these tables.
-- Append-only: later changes are new files.

-- One row a log: its newest tree head, compared and swapped by every commit.
CREATE TABLE tlog_log (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    size       INTEGER NOT NULL CHECK (size >= 0),
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    time_ms    INTEGER NOT NULL,
    checkpoint BLOB    NOT NULL
) STRICT;

-- One row a batch. A batch lies within one level-0 tile (256 entries), so tiles and entry bundles are a
-- handful of rows. Hashes stand before bodies: reading a tile then never walks the pages of the bodies.
CREATE TABLE tlog_batch (
    log        INTEGER NOT NULL,
    first      INTEGER NOT NULL CHECK (first >= 0),
    count      INTEGER NOT NULL CHECK (count BETWEEN 1 AND 256 AND (first % 256) + count <= 256),
    time_ms    INTEGER NOT NULL,
    hashes     BLOB    NOT NULL CHECK (length(hashes) = count * 32),
    -- Empty when every identity is the leaf hash, else count * 32 bytes.
    identities BLOB    NOT NULL CHECK (length(identities) IN (0, count * 32)),
    -- The signed checkpoint of the head that this batch made: every checkpoint ever signed stays.
    checkpoint BLOB    NOT NULL,
    -- u32 big-endian length and bytes, count times; extras is empty when every entry's is.
    extras     BLOB    NOT NULL,
    bodies     BLOB    NOT NULL,
    PRIMARY KEY (log, first)
) STRICT;

-- Tiles of level 1 and above; level 0 is in the batches.
CREATE TABLE tlog_tile (
    log    INTEGER NOT NULL,
    level  INTEGER NOT NULL CHECK (level BETWEEN 1 AND 7),
    idx    INTEGER NOT NULL CHECK (idx >= 0),
    hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (log, level, idx)
) STRICT;

-- Leaf hash or identity to leaf index. kind: 0 = leaf hash that is also the identity, 1 = leaf hash only,
-- 2 = identity only. Unique identities make deduplication strict even if a writer forgot to look.
CREATE TABLE tlog_key (
    log        INTEGER NOT NULL,
    key        BLOB    NOT NULL CHECK (length(key) = 32),
    kind       INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    leaf_index INTEGER NOT NULL,
    PRIMARY KEY (log, key, kind)
) STRICT, WITHOUT ROWID;
