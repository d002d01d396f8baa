//go:build unix

package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/plexauth"
)

// owned returns the address of a new database for a role that owns it.
func owned(t *testing.T, role string) string {
	t.Helper()
	address := pgtest.Database(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	pgtest.Exec(t, address, `DO $$ BEGIN CREATE ROLE `+role+` LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	pgtest.Exec(t, address, "ALTER DATABASE "+path.Base(u.Path)+" OWNER TO "+role)
	return u.String()
}

// atDatabase returns an address with another database.
func atDatabase(t *testing.T, address, database string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// Whatever an administrator has set for the role, writes, reads, notes and snapshots work.
func TestPostgresSettingsOfTheRole(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := owned(t, "strange")
	admin := strings.Replace(address, "strange@", "usher@", 1)
	for _, setting := range []string{
		"default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on", "search_path = 'own'",
		"standard_conforming_strings = off", "backslash_quote = off", "TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'",
		"IntervalStyle = 'sql_standard'", "bytea_output = 'escape'", "client_encoding = 'LATIN1'", "extra_float_digits = -15",
		"idle_session_timeout = '30s'", "statement_timeout = '30s'", "lock_timeout = '30s'",
		"idle_in_transaction_session_timeout = '30s'", "synchronous_commit = off", "transform_null_equals = on",
		"enable_indexscan = off", "plan_cache_mode = 'force_generic_plan'", "array_nulls = off",
	} {
		pgtest.Exec(t, admin, "ALTER ROLE strange SET "+setting)
	}
	pgtest.Exec(t, address, "CREATE SCHEMA own")
	d := openURL(t, address)
	const name = `Zoë \'é‘😀`
	mustPut(t, d, name)
	if got := strings.Join(names(t, d), " "); got != name {
		t.Errorf("the name is %q, want %q", got, name)
	}
	check := func(q db.Querier, what string, settings map[string]string) {
		t.Helper()
		for name, want := range settings {
			var got string
			if err := q.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, %v, want %q", what, name, got, err, want)
			}
		}
	}
	check(d, "a read", map[string]string{
		"transaction_isolation": "read committed", "standard_conforming_strings": "on", "client_encoding": "UTF8",
		"idle_session_timeout": "0",
	})
	if err := d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
		check(tx, "a write", map[string]string{
			"transaction_isolation": "read committed", "synchronous_commit": "on", "idle_session_timeout": "0",
			"statement_timeout": "12s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "5s",
		})
		return nil
	}); err != nil {
		t.Error(err)
	}
	// A backup has no time limit.
	if err := d.Snapshot(t.Context(), func(_ context.Context, q db.Querier) error {
		check(q, "a snapshot", map[string]string{
			"transaction_isolation": "repeatable read", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
		})
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// The error says what to do if only an administrator can solve the problem.
func TestPostgresErrorsSayWhatToDo(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := owned(t, "newcomer")
	admin := pgtest.Database(t)
	others, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	others.User = url.User("newcomer")
	for _, test := range []struct{ name, set, address, undo, want string }{
		{"a database of another owner", "", others.String(), "", "ALTER DATABASE"},
		{"no schema", "ALTER ROLE newcomer SET search_path = 'nowhere'", address, "ALTER ROLE newcomer RESET search_path", "search_path"},
		{"reads only", "ALTER ROLE newcomer SET default_transaction_read_only = on", address, "ALTER ROLE newcomer RESET default_transaction_read_only", "default_transaction_read_only"},
		{"reads only, with the parameter", "ALTER ROLE newcomer SET default_transaction_read_only = on", address + "&target_session_attrs=read-write", "ALTER ROLE newcomer RESET default_transaction_read_only", "default_transaction_read_only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.set != "" {
				pgtest.Exec(t, admin, test.set)
				defer pgtest.Exec(t, admin, test.undo)
			}
			d, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(test.address), Migrations: dbtest.Migrations})
			if err == nil {
				_ = d.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want an error with %q", err, test.want)
			}
		})
	}
}

// The password is changed in the database, and then in its file: nodes that run need not
// be started again.
func TestPostgresPasswordIsChanged(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	u, err := url.Parse(asGuarded(t, address, "first"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pgpass")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("*:*:*:guarded:"+password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	u.User = url.User(pgtest.Guarded)
	d := openURL(t, u.String()+"&passfile="+url.QueryEscape(file))
	mustPut(t, d, "before")
	pgtest.Exec(t, address, "ALTER ROLE guarded PASSWORD 'second'")
	pgtest.Exec(t, address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'")
	eventually(t, "a write is refused", func() bool {
		return errors.Is(d.Write(t.Context(), put("meanwhile", "x")), db.ErrUnavailable)
	})
	write("second")
	eventually(t, "a write succeeds", func() bool { return d.Write(t.Context(), put("after", "x")) == nil })
	eventually(t, "the feed is followed", d.Trusts)
}

// If the database is renamed, dropped, or created again without tables while a node runs,
// requests fail as unavailable, and the process stays up. It works again when the database is back.
func TestPostgresIsReplaced(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	admin := atDatabase(t, address, "postgres")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	own := path.Base(u.Path)
	kept := own + "_kept"
	d := openURL(t, address)
	mustPut(t, d, "before")
	gone := func(what string) {
		t.Helper()
		eventually(t, what+": caches are not trusted", func() bool { return !d.Trusts() })
		var n int
		if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM word").Scan(&n); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: a read: %v, want ErrUnavailable", what, err)
		}
		if err := d.Write(t.Context(), put("meanwhile", "x")); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: a write: %v, want ErrUnavailable", what, err)
		}
		if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: Ping: %v, want ErrUnavailable", what, err)
		}
		if err := d.Works(t.Context()); err != nil {
			t.Errorf("%s: Works: %v: the process would be started again", what, err)
		}
	}
	end := func() {
		pgtest.Exec(t, admin, "ALTER DATABASE "+own+" ALLOW_CONNECTIONS false")
		pgtest.Exec(t, admin, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+own+"'")
	}
	end()
	gone("no connections")
	pgtest.Exec(t, admin, "ALTER DATABASE "+own+" RENAME TO "+kept)
	gone("renamed")
	pgtest.Exec(t, admin, "CREATE DATABASE "+own)
	gone("without tables")
	end()
	pgtest.Exec(t, admin, "DROP DATABASE "+own+" WITH (FORCE)")
	gone("dropped")
	pgtest.Exec(t, admin, "ALTER DATABASE "+kept+" RENAME TO "+own)
	pgtest.Exec(t, admin, "ALTER DATABASE "+own+" ALLOW_CONNECTIONS true")
	eventually(t, "a write succeeds", func() bool { return d.Write(t.Context(), put("after", "x")) == nil })
	eventually(t, "the feed is followed", d.Trusts)
	if got := fmt.Sprint(names(t, d)); got != "[after before]" {
		t.Errorf("the rows are %s", got)
	}
}
