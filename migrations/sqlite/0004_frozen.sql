-- A frozen log never grows again, and it says so in its last checkpoint.
ALTER TABLE tlog_log ADD COLUMN frozen INTEGER NOT NULL DEFAULT 0 CHECK (frozen IN (0, 1));

-- Frozen is forever, also for a release that does not know the column.
CREATE TRIGGER tlog_log_frozen BEFORE UPDATE ON tlog_log WHEN OLD.frozen = 1
BEGIN
    SELECT RAISE(ABORT, 'this log is frozen');
END;
