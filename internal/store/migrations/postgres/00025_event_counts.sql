-- expand
-- See sqlite/00025_event_counts.sql.
CREATE TABLE event_count (
    quarter BIGINT NOT NULL,
    event   TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    PRIMARY KEY (quarter, event)
);
