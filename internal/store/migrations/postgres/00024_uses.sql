-- expand
-- See sqlite/00024_uses.sql. Pages keep room for the new version of a row: one whose
-- indexed columns stay as they are is then written without its indexes.
CREATE INDEX token_by_device ON token (device_id);
DROP INDEX token_device;
DROP INDEX device_seen;
ALTER TABLE token SET (fillfactor = 80);
ALTER TABLE device SET (fillfactor = 80);
