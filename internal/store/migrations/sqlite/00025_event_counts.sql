-- expand
-- How many events of each kind the audit log has, by quarter of an hour: of all quarters
-- up to the last one here. Charts would have to read the log otherwise.
CREATE TABLE event_count (
    quarter INTEGER NOT NULL,               -- when it began
    event   TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, event)
) STRICT, WITHOUT ROWID;
