-- expand
-- When a token was last used, and its device last seen, is written more often than
-- anything else: no index has it. A device has few tokens, and an account few devices,
-- which its unique index finds.
CREATE INDEX token_by_device ON token (device_id);
DROP INDEX token_device;
DROP INDEX device_seen;
