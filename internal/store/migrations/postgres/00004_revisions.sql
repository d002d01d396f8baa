-- The revision of an account counts the changes of its password and of its
-- second factor. A session that waits for the second factor is void once the
-- account is at another revision than when its password was checked.
ALTER TABLE account ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
