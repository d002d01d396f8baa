-- Failed attempts on accounts, where several nodes count them together.
CREATE TABLE failure (
    key   BLOB PRIMARY KEY,      -- keyed SHA-256 of what is counted by
    until INTEGER NOT NULL          -- until when its failures count
) STRICT, WITHOUT ROWID;

CREATE INDEX failure_until ON failure (until);
