-- What each commit changed, for the caches of other processes. IDs count up by
-- one in the order of the commits. Only the newest rows are stored.
CREATE TABLE change (
    id    INTEGER PRIMARY KEY,
    topic TEXT    NOT NULL,                 -- such as account
    key   BLOB    NOT NULL                  -- which of its topic
) STRICT;
