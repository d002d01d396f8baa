-- expand
-- See sqlite/00028_ends.sql.
-- A link of an admin that was also to go to the account's e-mail address. It ends with
-- the address.
ALTER TABLE reset_link ADD COLUMN sent BOOLEAN NOT NULL DEFAULT FALSE;
-- Who made the link may not change admins: it does not work for an account that is one.
ALTER TABLE reset_link ADD COLUMN members_only BOOLEAN NOT NULL DEFAULT FALSE;
-- The network that a device last signed in from; '' for one from before.
ALTER TABLE device ADD COLUMN network TEXT COLLATE "C" NOT NULL DEFAULT '';
-- The key of the admin API that made a link; NULL: none did. The link ends when the key is
-- revoked.
ALTER TABLE reset_link ADD COLUMN key_id BIGINT REFERENCES admin_key (id) ON DELETE CASCADE;
ALTER TABLE join_link ADD COLUMN key_id BIGINT REFERENCES admin_key (id) ON DELETE CASCADE;
CREATE INDEX reset_link_key ON reset_link (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX join_link_key ON join_link (key_id) WHERE key_id IS NOT NULL;
-- The admin who made a link for a second factor; NULL: the command line. The link ends
-- when they are an admin no longer.
ALTER TABLE enrolment_link ADD COLUMN maker_id BIGINT REFERENCES account (id) ON DELETE CASCADE;
CREATE INDEX enrolment_link_maker ON enrolment_link (maker_id) WHERE maker_id IS NOT NULL;
