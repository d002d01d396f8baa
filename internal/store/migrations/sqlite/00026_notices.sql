-- expand
-- What the owner of an account is told. An account keeps a few of each kind.
CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,            -- who did it; '' when it was the account itself, or somebody with a link
    by_link    INTEGER NOT NULL,            -- somebody with a link did it
    device     TEXT    NOT NULL,            -- what the device or browser calls itself
    address    TEXT    NOT NULL,            -- of the network
    tries      INTEGER NOT NULL,            -- how many failed; 0 for other kinds
    seen       INTEGER NOT NULL DEFAULT 0,
    email      TEXT    NOT NULL DEFAULT ''  -- where it is still to be sent; '' for nowhere
) STRICT;

CREATE INDEX notice_account ON notice (account_id, id);
CREATE INDEX notice_kind ON notice (account_id, kind, id);
CREATE INDEX notice_email ON notice (at) WHERE email <> '';

-- How an account gets its notices by e-mail. No row: all, in English, at once.
CREATE TABLE notice_setting (
    account_id   INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    quiet        INTEGER NOT NULL DEFAULT 0,  -- no e-mails about new devices
    language     TEXT    NOT NULL DEFAULT '', -- of the pages, when the account last signed in to them
    next_mail_at INTEGER NOT NULL DEFAULT 0   -- before that, no e-mail is sent
) STRICT;

-- How often a device has signed in since this was counted: a new one has once.
ALTER TABLE device ADD COLUMN sign_ins INTEGER NOT NULL DEFAULT 1;
