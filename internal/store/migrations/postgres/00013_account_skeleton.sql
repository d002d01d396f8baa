-- The e-mail address that an admin set or confirmed. Members may have set the
-- addresses that are there already, so only those of admins count.
ALTER TABLE account ADD COLUMN confirmed_email TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE account SET confirmed_email = email WHERE admin;

-- What the names of an account look like, so that no other one looks the same. SQL
-- cannot compute it: a process that opens the database fills in the accounts with
-- an earlier version than its own, 0 in particular.
CREATE TABLE account_skeleton (
    skeleton   TEXT COLLATE "C" NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (skeleton, account_id)
);

CREATE INDEX account_skeleton_account ON account_skeleton (account_id);

ALTER TABLE account ADD COLUMN skeleton_version BIGINT NOT NULL DEFAULT 0;
CREATE INDEX account_skeleton_version ON account (skeleton_version, id);

-- A server of the release before, which still runs, changes names only.
CREATE FUNCTION account_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.skeleton_version := 0;
    RETURN NEW;
END $$;

CREATE TRIGGER account_renamed BEFORE UPDATE ON account FOR EACH ROW
WHEN (NEW.username_key IS DISTINCT FROM OLD.username_key OR NEW.email_key IS DISTINCT FROM OLD.email_key)
EXECUTE FUNCTION account_renamed();
