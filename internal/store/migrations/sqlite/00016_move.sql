-- expand
-- That the database moves, or has moved, to another place, or is being filled from
-- one. Only "usher migrate" opens a database with a row here.
CREATE TABLE move (
    part  TEXT    PRIMARY KEY,  -- 'from' or 'to': which side of the move this database is
    id    TEXT    NOT NULL,     -- of the move: both sides have it
    place TEXT    NOT NULL,     -- the other side, without secrets
    done  INTEGER NOT NULL,
    at    INTEGER NOT NULL      -- when it began, or was done
) STRICT, WITHOUT ROWID;
