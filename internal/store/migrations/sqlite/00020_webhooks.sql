-- expand
-- The addresses that the events of an account are sent to.
CREATE TABLE webhook (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    url        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, url)
) STRICT;

-- What waits to be sent. A node that sends a request first moves due_at on, so that
-- no other node sends it meanwhile.
CREATE TABLE webhook_delivery (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    webhook_id INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    payload    BLOB    NOT NULL,
    tries      INTEGER NOT NULL, -- that failed
    due_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at, id);
CREATE INDEX webhook_delivery_account ON webhook_delivery (account_id);
CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook_id);

-- How many secrets an account has had to sign with. No row: the first is in use.
CREATE TABLE webhook_secret (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL
) STRICT;

-- What accounts have chosen about sources of online media, and what else programs ask.
CREATE TABLE opt_out (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    source     TEXT    NOT NULL,
    choice     TEXT    NOT NULL, -- opt_in, opt_out or opt_out_managed; yes or no to other questions
    PRIMARY KEY (account_id, source)
) STRICT;
