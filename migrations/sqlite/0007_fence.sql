-- Where the logs are: no row, unless they were moved from here, or are being moved to here.
CREATE TABLE tlog_fence (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    -- 'moved': the logs are at the peer, and nothing is ever committed here. 'filling': they come from the peer, and
    -- nobody serves them from here yet.
    state TEXT NOT NULL CHECK (state IN ('moved', 'filling')),
    peer  TEXT NOT NULL
) STRICT;

-- Two live copies of a log would fork it. Also for a release that does not know the table.
CREATE TRIGGER tlog_log_moved_update BEFORE UPDATE ON tlog_log
WHEN EXISTS (SELECT 1 FROM tlog_fence WHERE state = 'moved')
BEGIN
    SELECT RAISE(ABORT, 'the logs were moved to another database');
END;

CREATE TRIGGER tlog_log_moved_insert BEFORE INSERT ON tlog_log
WHEN EXISTS (SELECT 1 FROM tlog_fence WHERE state = 'moved')
BEGIN
    SELECT RAISE(ABORT, 'the logs were moved to another database');
END;
