-- expand
-- See sqlite/00017_homes.sql.
ALTER TABLE account ADD COLUMN owner_id BIGINT REFERENCES account (id) ON DELETE CASCADE;
CREATE INDEX account_owner ON account (owner_id) WHERE owner_id IS NOT NULL;

CREATE TABLE home_user (
    account_id   BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    owner_id     BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role         BIGINT NOT NULL,
    pin_hash     TEXT COLLATE "C" NOT NULL DEFAULT '',
    wrong        BIGINT NOT NULL DEFAULT 0,
    locked_until BIGINT NOT NULL DEFAULT 0,
    restriction  TEXT COLLATE "C" NOT NULL DEFAULT '',
    joined_at    BIGINT NOT NULL
);

CREATE INDEX home_user_owner ON home_user (owner_id, role, account_id);
