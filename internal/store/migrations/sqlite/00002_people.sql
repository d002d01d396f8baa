-- What it takes to sign people in, beside programs.

-- A sign-in that a device without a keyboard waits for. Who made it is told by
-- the same columns as a device's.
CREATE TABLE pin (
    id                INTEGER PRIMARY KEY,    -- random, below 2^31
    code              TEXT    NOT NULL UNIQUE, -- as it is typed, in upper case if short
    strong            INTEGER NOT NULL,
    nonce             BLOB    NOT NULL,        -- what its token is derived from
    client_identifier TEXT    NOT NULL,
    product           TEXT    NOT NULL,
    version           TEXT    NOT NULL,
    platform          TEXT    NOT NULL,
    platform_version  TEXT    NOT NULL,
    device            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    vendor            TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    account_id        INTEGER REFERENCES account (id) ON DELETE CASCADE, -- NULL until it is linked
    token_hash        BLOB,                    -- of the token it led to; NULL until it is linked
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL
) STRICT;

CREATE INDEX pin_expiry ON pin (expires_at);
CREATE INDEX pin_open ON pin (strong) WHERE account_id IS NULL; -- they are counted

-- A browser that is signed in. It is no token: it works on the pages only.
CREATE TABLE session (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,   -- SHA-256 of the cookie
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    complete     INTEGER NOT NULL,          -- 0: the second factor is still to come
    user_agent   TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX session_account ON session (account_id);

CREATE TABLE passkey (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    credential_id BLOB    NOT NULL UNIQUE,
    credential    BLOB    NOT NULL,         -- the public key and what else verifying takes, as JSON
    name          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX passkey_account ON passkey (account_id);

-- Where people may be sent back to after they signed in, without being asked.
CREATE TABLE origin (
    origin     TEXT    PRIMARY KEY,         -- scheme://host[:port]
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened. Rows are never changed; each carries the hash of the one
-- before, and its id is one more. The names are as they were then: what they
-- named may be gone.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,            -- such as sign-in.refused
    account_id INTEGER NOT NULL,            -- whom it is about; 0: nobody known
    account    TEXT    NOT NULL,
    actor      TEXT    NOT NULL,            -- who did it, if it was another
    device     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    hash       BLOB    NOT NULL             -- SHA-256 over the hash before and all of the above
) STRICT;

CREATE INDEX audit_account ON audit (account_id, id);
CREATE INDEX audit_at ON audit (at);

-- How often something happened that is too frequent for a row each, by quarter
-- of an hour.
CREATE TABLE tally (
    quarter INTEGER NOT NULL,               -- when it began
    what    TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, what)
) STRICT, WITHOUT ROWID;

-- Most tokens have neither a parent nor a source: an index without them is one
-- page less to write at each sign-in.
DROP INDEX token_parent;
DROP INDEX token_source;
CREATE INDEX token_parent ON token (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX token_source ON token (source_id) WHERE source_id IS NOT NULL;
