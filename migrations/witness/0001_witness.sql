-- The memory of a witness: an SQLite file of its own. Append-only: later changes are new files.

-- Whose memory this is. A witness's key signs nothing about its name, so key and name belong together for ever.
CREATE TABLE witness_owner (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    vkey TEXT    NOT NULL
) STRICT;

-- One row a log: the newest checkpoint that this witness cosigned.
CREATE TABLE witness_log (
    origin      TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of the origin, the name that readers ask by.
    origin_hash BLOB    NOT NULL UNIQUE CHECK (length(origin_hash) = 32),
    size        INTEGER NOT NULL CHECK (size >= 0),
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    -- Seconds since the Unix epoch, as in the cosignature.
    time        INTEGER NOT NULL CHECK (time > 0),
    -- Text, the log's line, our line.
    note        TEXT    NOT NULL
) STRICT;

-- The last line of defense: whatever the program does, a log here never shrinks, forks or goes.
CREATE TRIGGER witness_log_only_forward BEFORE UPDATE ON witness_log
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN
    SELECT RAISE(ABORT, 'a witness never goes back');
END;

CREATE TRIGGER witness_log_kept BEFORE DELETE ON witness_log
BEGIN
    SELECT RAISE(ABORT, 'a witness never forgets');
END;
