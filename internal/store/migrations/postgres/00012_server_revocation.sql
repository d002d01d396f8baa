-- How many tokens that an access token was given for a server have been revoked:
-- the next one is another. Server tokens are derived, and a revoked one must not
-- come back.
CREATE TABLE server_revocation (
    parent_id BIGINT NOT NULL REFERENCES token (id) ON DELETE CASCADE,
    source_id BIGINT NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    count     BIGINT NOT NULL,
    PRIMARY KEY (parent_id, source_id)
);
