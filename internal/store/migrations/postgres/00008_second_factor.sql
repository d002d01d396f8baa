-- How many codes of a second factor were wrong in a row, by device. The lock
-- grows with them, so it is stored: a restart does not shorten it.
CREATE TABLE code_try (
    account_id   BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device       TEXT COLLATE "C" NOT NULL,  -- '': all that have never signed in
    wrong        BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    PRIMARY KEY (account_id, device)
);

-- That somebody guessed at an account's codes, until its owner has read it.
CREATE TABLE code_notice (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    wrong      BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL
);

-- A second factor that a browser is setting up: its seed is shown there, and is
-- not in force yet.
CREATE TABLE enrolment (
    session_id BIGINT PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    seed       BYTEA NOT NULL,               -- sealed
    created_at BIGINT NOT NULL
);

-- A link with which an account's owner sets up a second factor without a code of
-- the present one.
CREATE TABLE enrolment_link (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash       BYTEA NOT NULL UNIQUE,        -- SHA-256 of the link's secret
    expires_at BIGINT NOT NULL
);
