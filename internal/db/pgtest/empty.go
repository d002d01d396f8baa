//go:build unix

package pgtest

// Emptied returns a statement that removes all rows, except those of tables whose names
// match a regular expression, and resets all sequences. That takes a tenth of the time of
// another copy of an empty database.
func Emptied(kept string) string {
	return `DO $$
		DECLARE name regclass;
		BEGIN
			PERFORM set_config('session_replication_role', 'replica', true); -- in any order
			FOR name IN SELECT oid FROM pg_class
				WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '` + kept + `'
				AND pg_relation_size(oid) > 0 LOOP
				EXECUTE 'DELETE FROM ' || name;
			END LOOP;
			PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
		END $$`
}
