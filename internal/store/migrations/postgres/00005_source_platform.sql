-- What a server runs on, as clients are told. Empty: it is not known.
ALTER TABLE source ADD COLUMN platform         TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN platform_version TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN device           TEXT COLLATE "C" NOT NULL DEFAULT '';
