-- Where the logs are: no row, unless they were moved from here, or are being moved to here.
CREATE TABLE tlog_fence (
    one   integer PRIMARY KEY CHECK (one = 1),
    -- 'moved': the logs are at the peer, and nothing is ever committed here. 'filling': they come from the peer, and
    -- nobody serves them from here yet.
    state text NOT NULL CHECK (state IN ('moved', 'filling')),
    peer  text NOT NULL
);

-- Two live copies of a log would fork it. Also for a release that does not know the table, and for a role that may not
-- read it: the function has its owner's rights. It is called when the row's lock is held, and looks at what is committed
-- by then.
CREATE FUNCTION tlog_log_is_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM tlog_fence WHERE state = 'moved') THEN
        RAISE EXCEPTION 'the logs were moved to another database';
    END IF;
    RETURN NEW;
END
$$;

-- Whoever makes tables has the schema that they are made in first on the path.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION tlog_log_is_moved() SET search_path = %I, pg_temp', current_schema());
END
$$;

CREATE TRIGGER tlog_log_moved BEFORE UPDATE OR INSERT ON tlog_log
    FOR EACH ROW EXECUTE FUNCTION tlog_log_is_moved();
