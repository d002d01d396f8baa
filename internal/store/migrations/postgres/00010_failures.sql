-- Failed attempts on accounts, where several nodes count them together.
CREATE TABLE failure (
    key   BYTEA PRIMARY KEY,      -- keyed SHA-256 of what is counted by
    until BIGINT NOT NULL          -- until when its failures count
);

CREATE INDEX failure_until ON failure (until);
