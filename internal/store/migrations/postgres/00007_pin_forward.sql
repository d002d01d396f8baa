-- Where the browser goes after consent, with a proof without which nobody gets
-- the token. Empty: whoever started the PIN gets it.
ALTER TABLE pin ADD COLUMN forward TEXT COLLATE "C" NOT NULL DEFAULT '';
