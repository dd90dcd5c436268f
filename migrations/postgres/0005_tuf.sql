-- The TUF repository of an instance, for several processes. Rows are only ever inserted.

-- Everything that never changes: N.root.json, N.snapshot.json, N.targets.json, targets/<sha256>.<name>.
CREATE TABLE tuf_file (
    name text PRIMARY KEY,
    -- The version of a root.
    root bigint UNIQUE,
    content bytea NOT NULL
);

-- timestamp.json: the newest row is in force. The key keeps a version from being published twice.
CREATE TABLE tuf_timestamp (
    version bigint PRIMARY KEY,
    content bytea NOT NULL
);
