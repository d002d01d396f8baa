-- expand
-- A link of an admin that was also to go to the account's e-mail address. It ends with
-- the address.
ALTER TABLE reset_link ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
-- Who made the link may not change admins: it does not work for an account that is one.
ALTER TABLE reset_link ADD COLUMN members_only INTEGER NOT NULL DEFAULT 0;
-- The network that a device last signed in from; '' for one from before.
ALTER TABLE device ADD COLUMN network TEXT NOT NULL DEFAULT '';
-- Which accounts a program has signed in to.
CREATE INDEX device_client ON device (client_identifier, account_id);
