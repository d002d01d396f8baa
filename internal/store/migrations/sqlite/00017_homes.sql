-- expand
-- The account whose home manages this one, which is no login; NULL for an account of
-- its own. It goes with its owner.
ALTER TABLE account ADD COLUMN owner_id INTEGER REFERENCES account (id) ON DELETE CASCADE;
CREATE INDEX account_owner ON account (owner_id) WHERE owner_id IS NOT NULL;

-- Who is in which home. A home is named by its owner, who has a row, too.
CREATE TABLE home_user (
    account_id   INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    owner_id     INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role         INTEGER NOT NULL,            -- 1 owner, 2 admin, 3 member, 4 managed, 5 guest
    pin_hash     TEXT    NOT NULL DEFAULT '', -- PHC string; '' when there is none
    wrong        INTEGER NOT NULL DEFAULT 0,  -- PINs in a row
    locked_until INTEGER NOT NULL DEFAULT 0,  -- no PIN is tried before
    restriction  TEXT    NOT NULL DEFAULT '', -- such as little_kid; '' when there is none
    joined_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX home_user_owner ON home_user (owner_id, role, account_id);
