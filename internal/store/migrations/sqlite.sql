-- The schema after migration 28, as they make it: "go test ./internal/store -run Script -update" writes it.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL,
    username_key  TEXT    NOT NULL UNIQUE,   -- folded for comparing
    email         TEXT    NOT NULL,          -- '' when there is none
    email_key     TEXT    UNIQUE,            -- folded; NULL when there is none
    title         TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,          -- PHC string; '' when there is none
    admin         INTEGER NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0,
    totp_seed     BLOB,                      -- sealed; NULL without a second factor
    totp_step     INTEGER NOT NULL DEFAULT 0, -- last time step used, so that no code works twice
    created_at    INTEGER NOT NULL
, revision INTEGER NOT NULL DEFAULT 0, confirmed_email TEXT NOT NULL DEFAULT '', skeleton_version INTEGER NOT NULL DEFAULT 0, owner_id INTEGER REFERENCES account (id) ON DELETE CASCADE, password_off INTEGER NOT NULL DEFAULT 0, passkey_required INTEGER NOT NULL DEFAULT 0, admin_since INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE backup_code (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    PRIMARY KEY (account_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id        INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_identifier TEXT    NOT NULL,
    product           TEXT    NOT NULL,
    version           TEXT    NOT NULL,
    platform          TEXT    NOT NULL,
    platform_version  TEXT    NOT NULL,
    device            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    vendor            TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    last_seen_at      INTEGER NOT NULL, sign_ins INTEGER NOT NULL DEFAULT 1, network TEXT NOT NULL DEFAULT '',
    UNIQUE (account_id, client_identifier)
) STRICT;

CREATE TABLE source (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT    NOT NULL CHECK (kind IN ('server', 'provider')),
    identifier      TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    product         TEXT    NOT NULL,
    product_version TEXT    NOT NULL,
    owner_id        INTEGER REFERENCES account (id) ON DELETE SET NULL, -- NULL: every admin
    everyone        INTEGER NOT NULL DEFAULT 0,  -- shared with every account
    created_at      INTEGER NOT NULL, platform         TEXT NOT NULL DEFAULT '', platform_version TEXT NOT NULL DEFAULT '', device           TEXT NOT NULL DEFAULT '',
    UNIQUE (kind, identifier)
) STRICT;

CREATE INDEX source_owner ON source (owner_id);

CREATE TABLE connection (
    source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    uri       TEXT    NOT NULL,
    local     INTEGER NOT NULL,
    relay     INTEGER NOT NULL,
    PRIMARY KEY (source_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE share (
    source_id  INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL, id INTEGER, chosen INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX share_account ON share (account_id);

CREATE TABLE token (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,   -- SHA-256 of the token
    kind         INTEGER NOT NULL,
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device_id    INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    parent_id    INTEGER REFERENCES token (id) ON DELETE CASCADE,
    source_id    INTEGER REFERENCES source (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX token_account ON token (account_id);

CREATE TABLE pin (
    id                INTEGER PRIMARY KEY,    -- random, below 2^31
    code              TEXT    NOT NULL UNIQUE, -- as it is typed, in upper case if short
    strong            INTEGER NOT NULL,
    nonce             BLOB    NOT NULL,        -- what its token is derived from
    client_identifier TEXT    NOT NULL,
    product           TEXT    NOT NULL,
    version           TEXT    NOT NULL,
    platform          TEXT    NOT NULL,
    platform_version  TEXT    NOT NULL,
    device            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    vendor            TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    account_id        INTEGER REFERENCES account (id) ON DELETE CASCADE, -- NULL until it is linked
    token_hash        BLOB,                    -- of the token it led to; NULL until it is linked
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL
, forward TEXT NOT NULL DEFAULT '', jwk TEXT NOT NULL DEFAULT '') STRICT;

CREATE INDEX pin_expiry ON pin (expires_at);

CREATE INDEX pin_open ON pin (strong) WHERE account_id IS NULL;

CREATE TABLE session (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,   -- SHA-256 of the cookie
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    complete     INTEGER NOT NULL,          -- 0: the second factor is still to come
    user_agent   TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
, revision INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE passkey (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    credential_id BLOB    NOT NULL UNIQUE,
    credential    BLOB    NOT NULL,         -- the public key and what else verifying takes, as JSON
    name          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX passkey_account ON passkey (account_id);

CREATE TABLE origin (
    origin     TEXT    PRIMARY KEY,         -- scheme://host[:port]
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,            -- such as sign-in.refused
    account_id INTEGER NOT NULL,            -- whom it is about; 0: nobody known
    account    TEXT    NOT NULL,
    actor      TEXT    NOT NULL,            -- who did it, if it was another
    device     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    hash       BLOB    NOT NULL             -- SHA-256 over the hash before and all of the above
) STRICT;

CREATE INDEX audit_account ON audit (account_id, id);

CREATE INDEX audit_at ON audit (at);

CREATE TABLE tally (
    quarter INTEGER NOT NULL,               -- when it began
    what    TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_parent ON token (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX token_source ON token (source_id) WHERE source_id IS NOT NULL;

CREATE TABLE change (
    id    INTEGER PRIMARY KEY,
    topic TEXT    NOT NULL,                 -- such as account
    key   BLOB    NOT NULL                  -- which of its topic
) STRICT;

CREATE TABLE code_try (
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device       TEXT    NOT NULL,          -- '': all that have never signed in
    wrong        INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    PRIMARY KEY (account_id, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE code_notice (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    wrong      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolment (
    session_id INTEGER PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    seed       BLOB    NOT NULL,            -- sealed
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolment_link (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash       BLOB    NOT NULL UNIQUE,     -- SHA-256 of the link's secret
    expires_at INTEGER NOT NULL
, maker_id INTEGER REFERENCES account (id) ON DELETE CASCADE) STRICT;

CREATE TABLE transient_key (
    id         INTEGER PRIMARY KEY,  -- how the nonces of its tokens begin
    key        BLOB NOT NULL,     -- sealed
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE failure (
    key   BLOB PRIMARY KEY,      -- keyed SHA-256 of what is counted by
    until INTEGER NOT NULL          -- until when its failures count
) STRICT, WITHOUT ROWID;

CREATE INDEX failure_until ON failure (until);

CREATE TABLE challenge (
    key        BLOB PRIMARY KEY,  -- SHA-256 of the kind and the browser's secret
    value      BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX challenge_expiry ON challenge (expires_at);

CREATE TABLE server_revocation (
    parent_id INTEGER NOT NULL REFERENCES token (id) ON DELETE CASCADE,
    source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    count     INTEGER NOT NULL,
    PRIMARY KEY (parent_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_skeleton (
    skeleton   TEXT    NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (skeleton, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_skeleton_account ON account_skeleton (account_id);

CREATE INDEX account_skeleton_version ON account (skeleton_version, id);

CREATE TRIGGER account_renamed AFTER UPDATE OF username_key, email_key ON account
WHEN NEW.username_key IS NOT OLD.username_key OR NEW.email_key IS NOT OLD.email_key
BEGIN
    UPDATE account SET skeleton_version = 0 WHERE id = NEW.id;
END;

CREATE INDEX session_used ON session (account_id, last_used_at, id);

CREATE INDEX source_name ON source (kind, name, id);

CREATE INDEX account_disabled ON account (id) WHERE disabled;

CREATE INDEX account_sealed ON account (id) WHERE totp_seed IS NOT NULL;

CREATE INDEX source_everyone ON source (kind, id) WHERE everyone;

CREATE INDEX session_expiry ON session (expires_at);

CREATE INDEX account_admin ON account (id) WHERE admin;

CREATE INDEX token_server ON token (id) WHERE kind = 2;

CREATE INDEX audit_event ON audit (event, id);

CREATE INDEX pin_account ON pin (account_id) WHERE account_id IS NOT NULL;

CREATE INDEX server_revocation_source ON server_revocation (source_id);

CREATE TABLE signing_key (
    id         TEXT    PRIMARY KEY,  -- the thumbprint of the public key
    public_key BLOB    NOT NULL,     -- Ed25519
    sealed_key BLOB    NOT NULL,     -- the private key
    signs_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_key (
    token_id    INTEGER PRIMARY KEY REFERENCES token (id) ON DELETE CASCADE,
    kid         TEXT    NOT NULL UNIQUE,      -- as the device named it
    jwk         BLOB    NOT NULL,             -- the public key (RFC 7517)
    thumbprint  BLOB    NOT NULL UNIQUE,      -- of the public key (RFC 7638)
    replaces_id INTEGER NOT NULL DEFAULT 0    -- the token or key that ends at the first JWT; 0: none
, client_identifier TEXT NOT NULL DEFAULT '') STRICT;

CREATE TABLE used_nonce (
    nonce      TEXT    PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_nonce_expiry ON used_nonce (expires_at);

CREATE INDEX token_expiry ON token (expires_at) WHERE expires_at <> 0;

CREATE TABLE move (
    part  TEXT    PRIMARY KEY,  -- 'from' or 'to': which side of the move this database is
    id    TEXT    NOT NULL,     -- of the move: both sides have it
    place TEXT    NOT NULL,     -- the other side, without secrets
    done  INTEGER NOT NULL,
    at    INTEGER NOT NULL      -- when it began, or was done
) STRICT, WITHOUT ROWID;

CREATE INDEX account_owner ON account (owner_id) WHERE owner_id IS NOT NULL;

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

CREATE UNIQUE INDEX share_id ON share (id);

CREATE TABLE share_section (
    share_id   INTEGER NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    section_id INTEGER NOT NULL REFERENCES section (id) ON DELETE CASCADE,
    PRIMARY KEY (share_id, section_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX share_section_section ON share_section (section_id);

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

CREATE TABLE friend (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    friend_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, friend_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX friend_friend ON friend (friend_id);

CREATE TABLE admin_key (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB    NOT NULL UNIQUE,     -- SHA-256 of the secret
    name         TEXT    NOT NULL UNIQUE,
    scopes       TEXT    NOT NULL,            -- with spaces between them
    account_id   INTEGER REFERENCES account (id) ON DELETE CASCADE, -- who made it; NULL: the command line
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL DEFAULT 0,  -- to the minute; 0: never
    expires_at   INTEGER NOT NULL DEFAULT 0   -- 0: never
) STRICT;

CREATE INDEX admin_key_account ON admin_key (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE webhook (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    url        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, url)
) STRICT;

CREATE TABLE webhook_delivery (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    webhook_id INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    payload    BLOB    NOT NULL,
    tries      INTEGER NOT NULL, -- that failed
    due_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at, id);

CREATE INDEX webhook_delivery_account ON webhook_delivery (account_id);

CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook_id);

CREATE TABLE webhook_secret (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL
) STRICT;

CREATE TABLE opt_out (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    source     TEXT    NOT NULL,
    choice     TEXT    NOT NULL, -- opt_in, opt_out or opt_out_managed; yes or no to other questions
    PRIMARY KEY (account_id, source)
) STRICT;

CREATE TABLE join_link (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB    NOT NULL UNIQUE,                                 -- SHA-256 of the link's secret
    maker_id   INTEGER REFERENCES account (id) ON DELETE CASCADE,       -- NULL: the command line
    name       TEXT    NOT NULL DEFAULT '',                             -- suggested; '' when there is none
    email      TEXT    NOT NULL DEFAULT '',                             -- of the new account; '' when there is none
    admin      INTEGER NOT NULL DEFAULT 0,                              -- the new account is an admin
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
, key_id INTEGER REFERENCES admin_key (id) ON DELETE CASCADE) STRICT;

CREATE INDEX join_link_maker ON join_link (maker_id) WHERE maker_id IS NOT NULL;

CREATE INDEX join_link_expiry ON join_link (expires_at);

CREATE TABLE join_link_server (
    link_id   INTEGER NOT NULL REFERENCES join_link (id) ON DELETE CASCADE,
    source_id     INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    PRIMARY KEY (link_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX join_link_server_source ON join_link_server (source_id);

CREATE TABLE reset_link (
    account_id    INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash          BLOB    NOT NULL UNIQUE,                              -- SHA-256 of the link's secret
    maker_id      INTEGER REFERENCES account (id) ON DELETE CASCADE,    -- NULL: the command line, or the owner by e-mail
    password      INTEGER NOT NULL,                                     -- it sets a new password
    second_factor INTEGER NOT NULL,                                     -- it removes the second factor
    revision      INTEGER NOT NULL,                                     -- of the account; the link is void at any other
    expires_at    INTEGER NOT NULL
, sent INTEGER NOT NULL DEFAULT 0, members_only INTEGER NOT NULL DEFAULT 0, key_id INTEGER REFERENCES admin_key (id) ON DELETE CASCADE) STRICT;

CREATE INDEX reset_link_maker ON reset_link (maker_id) WHERE maker_id IS NOT NULL;

CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    task    TEXT    NOT NULL DEFAULT '', -- what is still to be found out; '': the e-mail is written
    sealed  BLOB    NOT NULL,            -- the e-mail or what the task is about, with the key file
    tries   INTEGER NOT NULL,            -- that failed
    due_at  INTEGER NOT NULL,
    ends_at INTEGER NOT NULL             -- it is of no use later
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at, id);

CREATE INDEX outbox_end ON outbox (ends_at);

CREATE TABLE mailed_reset_link (
    hash       BLOB    NOT NULL PRIMARY KEY,                           -- SHA-256 of the link's secret
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,                                       -- of the account; the link is void at any other
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX mailed_reset_link_account ON mailed_reset_link (account_id, expires_at);

CREATE INDEX device_name ON device (LOWER(name), id);

CREATE INDEX device_product ON device (LOWER(product), id);

CREATE INDEX token_by_device ON token (device_id);

CREATE TABLE event_count (
    quarter INTEGER NOT NULL,               -- when it began
    event   TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (quarter, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,            -- who did it; '' when it was the account itself, or somebody with a link
    by_link    INTEGER NOT NULL,            -- somebody with a link did it
    device     TEXT    NOT NULL,            -- what the device or browser calls itself
    address    TEXT    NOT NULL,            -- of the network
    tries      INTEGER NOT NULL,            -- how many failed; 0 for other kinds
    seen       INTEGER NOT NULL DEFAULT 0,
    email      TEXT    NOT NULL DEFAULT ''  -- where it is still to be sent; '' for nowhere
) STRICT;

CREATE INDEX notice_account ON notice (account_id, id);

CREATE INDEX notice_kind ON notice (account_id, kind, id);

CREATE INDEX notice_email ON notice (at) WHERE email <> '';

CREATE TABLE notice_setting (
    account_id   INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    quiet        INTEGER NOT NULL DEFAULT 0,  -- no e-mails about new devices
    language     TEXT    NOT NULL DEFAULT '', -- of the pages, when the account last signed in to them
    next_mail_at INTEGER NOT NULL DEFAULT 0   -- before that, no e-mail is sent
) STRICT;

CREATE INDEX reset_link_key ON reset_link (key_id) WHERE key_id IS NOT NULL;

CREATE INDEX join_link_key ON join_link (key_id) WHERE key_id IS NOT NULL;

CREATE INDEX enrolment_link_maker ON enrolment_link (maker_id) WHERE maker_id IS NOT NULL;
