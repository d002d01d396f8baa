-- Times are milliseconds since 1970 in UTC; 0 stands for "never".

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL,
    username_key  TEXT    NOT NULL UNIQUE,   -- folded for comparing
    email         TEXT    NOT NULL,          -- '' when there is none
    email_key     TEXT    UNIQUE,            -- folded; NULL when there is none
    title         TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,          -- PHC string; '' when there is none
    admin         INTEGER NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0,
    totp_seed     BLOB,                      -- sealed; NULL without a second factor
    totp_step     INTEGER NOT NULL DEFAULT 0, -- last time step used, so that no code works twice
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE backup_code (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    PRIMARY KEY (account_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id        INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
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
    created_at        INTEGER NOT NULL,
    last_seen_at      INTEGER NOT NULL,
    UNIQUE (account_id, client_identifier)
) STRICT;

-- A server or provider that accounts can reach.
CREATE TABLE source (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT    NOT NULL CHECK (kind IN ('server', 'provider')),
    identifier      TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    product         TEXT    NOT NULL,
    product_version TEXT    NOT NULL,
    owner_id        INTEGER REFERENCES account (id) ON DELETE SET NULL, -- NULL: every admin
    everyone        INTEGER NOT NULL DEFAULT 0,  -- shared with every account
    created_at      INTEGER NOT NULL,
    UNIQUE (kind, identifier)
) STRICT;

CREATE INDEX source_owner ON source (owner_id);

CREATE TABLE connection (
    source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    uri       TEXT    NOT NULL,
    local     INTEGER NOT NULL,
    relay     INTEGER NOT NULL,
    PRIMARY KEY (source_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE share (
    source_id  INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (source_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX share_account ON share (account_id);

-- kind: 1 access, 2 server. A server token has a parent, the access token that
-- listed the server, and ends with it.
CREATE TABLE token (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,   -- SHA-256 of the token
    kind         INTEGER NOT NULL,
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device_id    INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    parent_id    INTEGER REFERENCES token (id) ON DELETE CASCADE,
    source_id    INTEGER REFERENCES source (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX token_account ON token (account_id);
CREATE INDEX token_device ON token (device_id, last_used_at);
CREATE INDEX token_parent ON token (parent_id);
CREATE INDEX token_source ON token (source_id);
