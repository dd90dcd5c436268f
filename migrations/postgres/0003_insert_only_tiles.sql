-- Tiles grew by replacing their row, which asked for UPDATE. Now each of their hashes is a row of its own, written once,
-- so that a role which serves logs needs no more than INSERT and SELECT on entries and tiles
-- (deploy/postgres/least-privilege.sql).
ALTER TABLE tlog_tile RENAME TO tlog_tile_before;
ALTER TABLE tlog_tile_before RENAME CONSTRAINT tlog_tile_pkey TO tlog_tile_before_pkey;

-- The hashes of tiles of level 1 and above, each the root of a full tile one level below; level 0 is in the batches.
CREATE TABLE tlog_tile (
    log   integer  NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    -- Position of the hash within its level: 256 times the index of the tile, plus the place in it.
    idx   bigint   NOT NULL CHECK (idx >= 0),
    hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (log, level, idx)
);

INSERT INTO tlog_tile (log, level, idx, hash)
SELECT t.log, t.level, t.idx * 256 + p.place, substring(t.hashes FROM p.place * 32 + 1 FOR 32)
FROM tlog_tile_before AS t, LATERAL generate_series(0, octet_length(t.hashes) / 32 - 1) AS p (place);

DROP TABLE tlog_tile_before;
