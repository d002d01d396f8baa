-- What nodes seal transient tokens with, so that each verifies those of the
-- others. A node that lives moves its expiry on.
CREATE TABLE transient_key (
    id         INTEGER PRIMARY KEY,  -- how the nonces of its tokens begin
    key        BLOB NOT NULL,     -- sealed
    expires_at INTEGER NOT NULL
) STRICT;
