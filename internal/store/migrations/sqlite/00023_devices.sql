-- expand
-- The client identifier that a device key was registered with, and that its proofs have,
-- once its device has become another one. Empty: it is the device's.
ALTER TABLE device_key ADD COLUMN client_identifier TEXT NOT NULL DEFAULT '';

-- Tokens are searched for by what their devices say of themselves.
CREATE INDEX device_name ON device (LOWER(name), id);
CREATE INDEX device_product ON device (LOWER(product), id);
