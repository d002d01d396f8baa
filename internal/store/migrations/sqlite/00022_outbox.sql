-- expand
-- E-mails that wait to be sent. A node that sends one first moves due_at on, so that no
-- other node sends it meanwhile. It goes when it was sent, given up, or is too old.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    task    TEXT    NOT NULL DEFAULT '', -- what is still to be found out; '': the e-mail is written
    sealed  BLOB    NOT NULL,            -- the e-mail or what the task is about, with the key file
    tries   INTEGER NOT NULL,            -- that failed
    due_at  INTEGER NOT NULL,
    ends_at INTEGER NOT NULL             -- it is of no use later
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at, id);
CREATE INDEX outbox_end ON outbox (ends_at);
-- Links for a new password that somebody has asked for, by e-mail to the account. They are
-- apart from those of admins (reset_link): nobody who asks ends a link that an admin has
-- handed over. An account has a few.
CREATE TABLE mailed_reset_link (
    hash       BLOB    NOT NULL PRIMARY KEY,                           -- SHA-256 of the link's secret
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,                                       -- of the account; the link is void at any other
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX mailed_reset_link_account ON mailed_reset_link (account_id, expires_at);
