-- A frozen log never grows again, and it says so in its last checkpoint.
ALTER TABLE tlog_log ADD COLUMN frozen boolean NOT NULL DEFAULT false;

-- Frozen is forever, also for a release that does not know the column.
CREATE FUNCTION tlog_log_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this log is frozen';
END
$$;

CREATE TRIGGER tlog_log_frozen BEFORE UPDATE ON tlog_log
    FOR EACH ROW WHEN (OLD.frozen) EXECUTE FUNCTION tlog_log_is_frozen();
