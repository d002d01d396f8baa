-- The e-mail address that an admin set or confirmed. Members may have set the
-- addresses that are there already, so only those of admins count.
ALTER TABLE account ADD COLUMN confirmed_email TEXT NOT NULL DEFAULT '';
UPDATE account SET confirmed_email = email WHERE admin;

-- What the names of an account look like, so that no other one looks the same. SQL
-- cannot compute it: a process that opens the database fills in the accounts with
-- an earlier version than its own, 0 in particular.
CREATE TABLE account_skeleton (
    skeleton   TEXT    NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (skeleton, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_skeleton_account ON account_skeleton (account_id);

ALTER TABLE account ADD COLUMN skeleton_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX account_skeleton_version ON account (skeleton_version, id);

-- A server of the release before, which still runs, changes names only.
CREATE TRIGGER account_renamed AFTER UPDATE OF username_key, email_key ON account
WHEN NEW.username_key IS NOT OLD.username_key OR NEW.email_key IS NOT OLD.email_key
BEGIN
    UPDATE account SET skeleton_version = 0 WHERE id = NEW.id;
END;
