-- What browsers were asked and have not answered yet, where several nodes may get
-- the answer.
CREATE TABLE challenge (
    key        BYTEA PRIMARY KEY,  -- SHA-256 of the kind and the browser's secret
    value      BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX challenge_expiry ON challenge (expires_at);
