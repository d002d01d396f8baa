-- How many codes of a second factor were wrong in a row, by device. The lock
-- grows with them, so it is stored: a restart does not shorten it.
CREATE TABLE code_try (
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device       TEXT    NOT NULL,          -- '': all that have never signed in
    wrong        INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    PRIMARY KEY (account_id, device)
) STRICT, WITHOUT ROWID;

-- That somebody guessed at an account's codes, until its owner has read it.
CREATE TABLE code_notice (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    wrong      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL
) STRICT;

-- A second factor that a browser is setting up: its seed is shown there, and is
-- not in force yet.
CREATE TABLE enrolment (
    session_id INTEGER PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    seed       BLOB    NOT NULL,            -- sealed
    created_at INTEGER NOT NULL
) STRICT;

-- A link with which an account's owner sets up a second factor without a code of
-- the present one.
CREATE TABLE enrolment_link (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash       BLOB    NOT NULL UNIQUE,     -- SHA-256 of the link's secret
    expires_at INTEGER NOT NULL
) STRICT;
