-- Admins are few among many accounts, and are looked for at the start of many
-- requests.
CREATE INDEX account_admin ON account (id) WHERE admin AND NOT disabled;
