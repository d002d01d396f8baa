-- See sqlite/00015_device_keys.sql.
CREATE TABLE signing_key (
    id         TEXT COLLATE "C" PRIMARY KEY,
    public_key BYTEA  NOT NULL,
    sealed_key BYTEA  NOT NULL,
    signs_from BIGINT NOT NULL
);

CREATE TABLE device_key (
    token_id    BIGINT PRIMARY KEY REFERENCES token (id) ON DELETE CASCADE,
    kid         TEXT COLLATE "C" NOT NULL UNIQUE,
    jwk         BYTEA  NOT NULL,
    thumbprint  BYTEA  NOT NULL UNIQUE,
    replaces_id BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE used_nonce (
    nonce      TEXT COLLATE "C" PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX used_nonce_expiry ON used_nonce (expires_at);

ALTER TABLE pin ADD COLUMN jwk TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX token_expiry ON token (expires_at) WHERE expires_at <> 0;
