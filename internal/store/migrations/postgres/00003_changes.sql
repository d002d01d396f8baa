-- What each commit changed, for the caches of other processes. IDs count up by
-- one in the order of the commits. Only the newest rows are stored.
CREATE TABLE change (
    id    BIGINT PRIMARY KEY,
    topic TEXT COLLATE "C" NOT NULL,  -- such as account
    key   BYTEA NOT NULL  -- which of its topic
);
