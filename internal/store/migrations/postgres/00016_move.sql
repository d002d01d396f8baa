-- expand
-- See sqlite/00016_move.sql.
CREATE TABLE move (
    part  TEXT COLLATE "C" PRIMARY KEY,
    id    TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    done  BOOLEAN NOT NULL,
    at    BIGINT  NOT NULL
);
