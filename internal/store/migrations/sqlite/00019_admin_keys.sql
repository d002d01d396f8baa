-- expand
-- Keys of the admin API. Only the hash of a key's secret is stored. A key ends with
-- the account that made it.
CREATE TABLE admin_key (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,     -- SHA-256 of the secret
    name         TEXT    NOT NULL UNIQUE,
    scopes       TEXT    NOT NULL,            -- with spaces between them
    account_id   INTEGER REFERENCES account (id) ON DELETE CASCADE, -- who made it; NULL: the command line
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL DEFAULT 0,  -- to the minute; 0: never
    expires_at   INTEGER NOT NULL DEFAULT 0   -- 0: never
) STRICT;

CREATE INDEX admin_key_account ON admin_key (account_id) WHERE account_id IS NOT NULL;
