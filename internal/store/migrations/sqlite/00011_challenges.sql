-- What browsers were asked and have not answered yet, where several nodes may get
-- the answer.
CREATE TABLE challenge (
    key        BLOB PRIMARY KEY,  -- SHA-256 of the kind and the browser's secret
    value      BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX challenge_expiry ON challenge (expires_at);
