-- Listings are read in pages: each order in which rows are listed has an index.
CREATE INDEX device_seen ON device (account_id, last_seen_at, id);
CREATE INDEX session_used ON session (account_id, last_used_at, id);
DROP INDEX session_account; -- the one above begins with the same column
CREATE INDEX source_name ON source (kind, name, id);
-- What is looked for among many, and is rare.
CREATE INDEX account_disabled ON account (id) WHERE disabled;
CREATE INDEX account_sealed ON account (id) WHERE totp_seed IS NOT NULL;
CREATE INDEX source_everyone ON source (kind, id) WHERE everyone;
-- Sessions that have expired are removed at each sign-in.
CREATE INDEX session_expiry ON session (expires_at);
-- Admins are counted, too, and not only those who can sign in.
DROP INDEX account_admin;
CREATE INDEX account_admin ON account (id) WHERE admin;
-- Server tokens (kind 2) are counted, and may be few among many.
CREATE INDEX token_server ON token (id) WHERE kind = 2;
-- The audit log is searched by event.
CREATE INDEX audit_event ON audit (event, id);
-- Removing an account removes its PINs.
CREATE INDEX pin_account ON pin (account_id) WHERE account_id IS NOT NULL;
-- Removing a source removes what was revoked of it.
CREATE INDEX server_revocation_source ON server_revocation (source_id);
