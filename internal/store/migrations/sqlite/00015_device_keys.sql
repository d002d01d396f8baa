-- The keys that this server signs JWTs with.
CREATE TABLE signing_key (
    id         TEXT    PRIMARY KEY,  -- the thumbprint of the public key
    public_key BLOB    NOT NULL,     -- Ed25519
    sealed_key BLOB    NOT NULL,     -- the private key
    signs_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The public key of a device, which it receives JWTs for. Its token row, of kind
-- 4, is what is revoked, and what the JWTs end with; its hash is random, and no
-- token has it.
CREATE TABLE device_key (
    token_id    INTEGER PRIMARY KEY REFERENCES token (id) ON DELETE CASCADE,
    kid         TEXT    NOT NULL UNIQUE,      -- as the device named it
    jwk         BLOB    NOT NULL,             -- the public key (RFC 7517)
    thumbprint  BLOB    NOT NULL UNIQUE,      -- of the public key (RFC 7638)
    replaces_id INTEGER NOT NULL DEFAULT 0    -- the token or key that ends at the first JWT; 0: none
) STRICT;

-- Nonces that were used, until they expire.
CREATE TABLE used_nonce (
    nonce      TEXT    PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_nonce_expiry ON used_nonce (expires_at);

-- The public key of the device that waits; empty if it has none.
ALTER TABLE pin ADD COLUMN jwk TEXT NOT NULL DEFAULT '';

-- Tokens with an expiry are few.
CREATE INDEX token_expiry ON token (expires_at) WHERE expires_at <> 0;
