-- expand
-- An invitation: a link by which somebody makes an account of their own, once. It goes
-- when it is used or revoked, and with the admin who made it.
CREATE TABLE join_link (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB    NOT NULL UNIQUE,                                 -- SHA-256 of the link's secret
    maker_id   INTEGER REFERENCES account (id) ON DELETE CASCADE,       -- NULL: the command line
    name       TEXT    NOT NULL DEFAULT '',                             -- suggested; '' when there is none
    email      TEXT    NOT NULL DEFAULT '',                             -- of the new account; '' when there is none
    admin      INTEGER NOT NULL DEFAULT 0,                              -- the new account is an admin
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX join_link_maker ON join_link (maker_id) WHERE maker_id IS NOT NULL;
CREATE INDEX join_link_expiry ON join_link (expires_at);

-- The servers that an invitation shares with the new account.
CREATE TABLE join_link_server (
    link_id   INTEGER NOT NULL REFERENCES join_link (id) ON DELETE CASCADE,
    source_id     INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    PRIMARY KEY (link_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX join_link_server_source ON join_link_server (source_id);

-- A link by which an account's owner, who has lost the password or the second factor,
-- comes back. An account has one at most.
CREATE TABLE reset_link (
    account_id    INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash          BLOB    NOT NULL UNIQUE,                              -- SHA-256 of the link's secret
    maker_id      INTEGER REFERENCES account (id) ON DELETE CASCADE,    -- NULL: the command line, or the owner by e-mail
    password      INTEGER NOT NULL,                                     -- it sets a new password
    second_factor INTEGER NOT NULL,                                     -- it removes the second factor
    revision      INTEGER NOT NULL,                                     -- of the account; the link is void at any other
    expires_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX reset_link_maker ON reset_link (maker_id) WHERE maker_id IS NOT NULL;
