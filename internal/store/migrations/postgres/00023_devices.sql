-- expand
-- See sqlite/00023_devices.sql.
ALTER TABLE device_key ADD COLUMN client_identifier TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX device_name ON device (LOWER(name), id);
CREATE INDEX device_product ON device (LOWER(product), id);
