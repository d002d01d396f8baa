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
