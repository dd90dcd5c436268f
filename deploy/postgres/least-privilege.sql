-- A role for processes that serve logs. With it the database itself refuses to change or remove what is logged.
--
-- Run it as the owner of the tables, in the database of the logs, after `sigstead up --database` made the tables once as
-- that owner (and again after an upgrade that brings a new table). Then serve as this role:
--
--   psql "postgres://owner@db/sigstead" -f least-privilege.sql
--   sigstead up --database "postgres://sigstead_log@db/sigstead"
--
-- Give it a password or a certificate as your pg_hba.conf asks for: ALTER ROLE sigstead_log PASSWORD '…'.
DO $$ BEGIN
    CREATE ROLE sigstead_log LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Which migrations are done: a process that may not make tables checks that none is missing.
GRANT SELECT ON _sqlx_migrations TO sigstead_log;
-- Entries, checkpoints and tiles are written once.
GRANT SELECT, INSERT ON tlog_batch, tlog_tile TO sigstead_log;
-- The head row of each log is compared and swapped.
GRANT SELECT, INSERT, UPDATE ON tlog_log TO sigstead_log;
-- Whether the logs were moved: nobody serves from a database that says so.
GRANT SELECT ON tlog_fence TO sigstead_log;
-- Runs of keys are merged; they are made from the entries and can be made again.
GRANT SELECT, INSERT, DELETE ON tlog_run, tlog_run_page TO sigstead_log;
-- The TUF repository: files are written once, a timestamp with a new version is a new row.
GRANT SELECT, INSERT ON tuf_file, tuf_timestamp TO sigstead_log;
