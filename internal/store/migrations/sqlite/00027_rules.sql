-- expand
-- How an account signs in, as an admin has set it.
ALTER TABLE account ADD COLUMN password_off INTEGER NOT NULL DEFAULT 0;     -- the password signs nobody in
ALTER TABLE account ADD COLUMN passkey_required INTEGER NOT NULL DEFAULT 0; -- nobody signs in without a passkey
ALTER TABLE account ADD COLUMN admin_since INTEGER NOT NULL DEFAULT 0;      -- 0 for members, and for admins of before
