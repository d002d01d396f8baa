-- expand
-- The libraries of a server, as its owner names them. usher has no media: programs
-- show the names and share by number.
CREATE TABLE section (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never that of another one
    source_id  INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL, -- among those of the server, as the server has it
    title      TEXT    NOT NULL,
    title_key  TEXT    NOT NULL, -- in small letters
    kind       TEXT    NOT NULL, -- such as movie
    created_at INTEGER NOT NULL,
    UNIQUE (source_id, number),
    UNIQUE (source_id, title_key)
) STRICT;

-- The number of a share in the protocol. NULL: the previous release has added the
-- share, and nothing has asked for the number yet.
ALTER TABLE share ADD COLUMN id INTEGER;
-- 1: only what share_section says is shared.
ALTER TABLE share ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX share_id ON share (id);

CREATE TABLE share_section (
    share_id   INTEGER NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    section_id INTEGER NOT NULL REFERENCES section (id) ON DELETE CASCADE,
    PRIMARY KEY (share_id, section_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX share_section_section ON share_section (section_id);

-- What waits for the consent of who is invited: to a server, or to a friendship alone.
CREATE TABLE invitation (
    id          INTEGER PRIMARY KEY,  -- random, and none of a share
    inviter_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    account_id  INTEGER REFERENCES account (id) ON DELETE SET NULL, -- NULL: nobody has the name
    invited     TEXT    NOT NULL,     -- the name or e-mail address that was given
    invited_key TEXT    NOT NULL,     -- folded
    source_id   INTEGER REFERENCES source (id) ON DELETE CASCADE,   -- NULL: no server
    chosen      INTEGER NOT NULL DEFAULT 0, -- as in share
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX invitation_inviter ON invitation (inviter_id, id);
CREATE INDEX invitation_account ON invitation (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX invitation_source ON invitation (source_id) WHERE source_id IS NOT NULL;

CREATE TABLE invitation_section (
    invitation_id INTEGER NOT NULL REFERENCES invitation (id) ON DELETE CASCADE,
    section_id    INTEGER NOT NULL REFERENCES section (id) ON DELETE CASCADE,
    PRIMARY KEY (invitation_id, section_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_section_section ON invitation_section (section_id);

-- Friends: a row for each of the two.
CREATE TABLE friend (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    friend_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, friend_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX friend_friend ON friend (friend_id);
