//go:build unix

package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestPostgres(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	dbtest.Run(t, func(t *testing.T) func(db.Config) (*db.DB, error) {
		address := plexauth.Secret(pgtest.Database(t))
		return func(cfg db.Config) (*db.DB, error) {
			cfg.URL = address
			return db.Open(t.Context(), cfg)
		}
	})
}

// openURL opens a database by its URL.
func openURL(t testing.TB, address string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(address), Migrations: dbtest.Migrations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// raw opens a connection that is not usher's.
func raw(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// eventually fails the test unless a condition holds within a minute: on a loaded machine,
// something that takes seconds elsewhere took twenty.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A database is killed and restarted. Everything acknowledged is still there, requests in
// the meantime fail with an error that callers recognize, and the same handle works again
// afterwards.
func TestPostgresIsRestarted(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server, err := pgtest.Start("fsync=on")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	d := openURL(t, server.Database(t))
	mustPut(t, d, "before")
	var everything atomic.Int64
	d.Watch(func(_ []db.Change, all bool) {
		if all {
			everything.Add(1)
		}
	})

	server.Kill()
	for range 3 {
		err := d.Write(t.Context(), put("during", "x"))
		if !errors.Is(err, db.ErrUnavailable) || fault.KindOf(err) != fault.Unavailable || fault.WaitOf(err) <= 0 {
			t.Errorf("writing: %v, want ErrUnavailable with a time to wait", err)
		}
		var n int
		if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM word").Scan(&n); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("reading: %v, want ErrUnavailable", err)
		}
	}
	if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
	if err := server.Launch(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a write succeeds", func() bool { return d.Write(t.Context(), put("after", "x")) == nil })
	eventually(t, "Ping succeeds", func() bool { return d.Ping(t.Context()) == nil })
	if got := strings.Join(names(t, d), " "); got != "after before" {
		t.Errorf("the rows are %q", got)
	}
	// Cached values may be from another database than the one that answers now.
	eventually(t, "caches are dropped", func() bool { return everything.Load() > 0 })
	heard := make(chan string, 10)
	d.Watch(func(changes []db.Change, _ bool) {
		for _, c := range changes {
			heard <- c.Key
		}
	})
	eventually(t, "the feed goes on", func() bool {
		if err := d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error { tx.Touch("word", "k"); return nil }); err != nil {
			t.Fatal(err)
		}
		return <-heard == "k"
	})
}

// A dead host that does not answer is skipped: at the start, later, and by a request that
// waits for less time than one attempt to connect takes.
func TestPostgresHostThatIsSilent(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	address := pgtest.Database(t)
	openURL(t, address) // creates the tables
	first, behindFirst := pgtest.NewProxy(t, address)
	second, behindSecond := pgtest.NewProxy(t, address)
	u, err := url.Parse(behindFirst)
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(behindSecond)
	if err != nil {
		t.Fatal(err)
	}
	u.Host += "," + other.Host
	u.RawQuery += "&connect_timeout=3"
	ask := func(d *db.DB) error {
		return d.Ask(t.Context(), func(ctx context.Context) error {
			var n int
			return d.QueryRow(ctx, "SELECT COUNT(*) FROM word").Scan(&n)
		})
	}
	works := func(when string, d *db.DB) {
		t.Helper()
		eventually(t, when+", the database is asked", func() bool { return ask(d) == nil && d.Trusts() })
	}
	first.Freeze()
	d := openURL(t, u.String())
	if err := ask(d); err != nil {
		t.Errorf("with a first host that is silent: %v", err)
	}
	first.Mend()
	second.Cut()
	works("with a second host that refuses", d)
	second.Mend()
	first.Freeze()
	works("with the host silent that it was connected to", d)

	second.Freeze()
	u.RawQuery = strings.Replace(u.RawQuery, "connect_timeout=3", "connect_timeout=1", 1)
	_, err = db.Open(t.Context(), db.Config{URL: plexauth.Secret(u.String()), Migrations: dbtest.Migrations})
	if !errors.Is(err, db.ErrUnavailable) || fault.WaitOf(err) <= 0 {
		t.Errorf("with no host that answers: %v, want ErrUnavailable with a time to wait", err)
	}
	first.Mend()
	second.Mend()
}

// asGuarded returns the address of a database for the role that needs a password.
func asGuarded(t *testing.T, address, password string) string {
	t.Helper()
	pgtest.Exec(t, address, "DO $$ BEGIN CREATE ROLE guarded; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
	pgtest.Exec(t, address, "ALTER ROLE guarded LOGIN SUPERUSER PASSWORD '"+password+"'")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(pgtest.Guarded, password)
	return u.String()
}

// A database that temporarily rejects connections is unavailable for that time, whatever
// the reason. The error at the start contains the reason.
func TestPostgresRefusesForAWhile(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	admin := raw(t, address)
	do := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	guarded := asGuarded(t, address, "first")
	d := openURL(t, guarded)
	for name, change := range map[string][2]string{
		"another password": {"ALTER ROLE guarded PASSWORD 'second'", "ALTER ROLE guarded PASSWORD 'first'"},
		"no logins":        {"ALTER ROLE guarded NOLOGIN", "ALTER ROLE guarded LOGIN"},
		"no connections":   {"ALTER ROLE guarded NOSUPERUSER CONNECTION LIMIT 0", "ALTER ROLE guarded SUPERUSER CONNECTION LIMIT -1"},
	} {
		do(change[0])
		do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'")
		eventually(t, name+": a write is refused for now", func() bool {
			err := d.Write(t.Context(), put(name, "x"))
			if err != nil && (!errors.Is(err, db.ErrUnavailable) || fault.KindOf(err) != fault.Unavailable || fault.WaitOf(err) <= 0) {
				t.Fatalf("%s: %v, want ErrUnavailable with a time to wait", name, err)
			}
			return err != nil
		})
		err := d.Ask(t.Context(), func(ctx context.Context) error {
			var n int
			return d.QueryRow(ctx, "SELECT COUNT(*) FROM word").Scan(&n)
		})
		if !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: reading: %v, want ErrUnavailable", name, err)
		}
		if _, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(guarded), Migrations: dbtest.Migrations}); err == nil ||
			name == "another password" && (!errors.Is(err, db.ErrRefused) || strings.Contains(err.Error(), "try again")) {
			t.Errorf("%s: opening: %v", name, err)
		}
		do(change[1])
		eventually(t, name+": it is let in again", func() bool { return d.Write(t.Context(), put(name+" again", "x")) == nil })
	}
}

// Each sslmode has the meaning that it has in libpq. A database that closes a TLS
// connection causes no error when the process stops later.
func TestPostgresTLS(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	openURL(t, server.URL("postgres")) // creates the tables
	address := func(host, mode, root string) string {
		u := fmt.Sprintf("postgres://usher@%s:%d/postgres?sslmode=%s", host, server.Port, mode)
		if root != "" {
			u += "&sslrootcert=" + url.QueryEscape(root)
		}
		return u
	}
	open := func(address string) (*db.DB, error) {
		return db.Open(t.Context(), db.Config{URL: plexauth.Secret(address), Migrations: dbtest.Migrations})
	}
	encrypted := func(d *db.DB) (is bool) {
		t.Helper()
		if err := d.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&is); err != nil {
			t.Error(err)
		}
		return is
	}
	if _, err := open(address("127.0.0.1", "require", "")); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a server without TLS, which is required: %v", err)
	}
	root := server.ServeTLS(t)
	other := root + ".other"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server offers TLS", func() bool {
		d, err := open(address("127.0.0.1", "require", ""))
		if err == nil {
			err = d.Close()
		}
		return err == nil
	})
	for _, test := range []struct {
		host, mode, root string
		good, encrypted  bool
	}{
		{"127.0.0.1", "disable", "", true, false},
		{"127.0.0.1", "prefer", "", true, true},
		{"127.0.0.1", "require", "", true, true},
		{"127.0.0.1", "verify-ca", root, true, true},
		{"127.0.0.1", "verify-full", root, false, false}, // it is another name
		{"localhost", "verify-full", root, true, true},
		{"localhost", "verify-full", "", false, false}, // the authority is unknown
		{"localhost", "verify-ca", other, false, false},
		{"localhost", "nonsense", root, false, false},
	} {
		d, err := open(address(test.host, test.mode, test.root))
		if (err == nil) != test.good {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil {
			continue
		}
		if got := encrypted(d); got != test.encrypted {
			t.Errorf("%+v: with TLS: %v", test, got)
		}
		pgtest.Exec(t, server.URL("postgres"), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'usher%'")
		if err := d.Close(); err != nil {
			t.Errorf("%+v: closing: %v", test, err)
		}
	}
}

// The connection is lost during a commit, which the database completes. The caller learns
// that the outcome is unknown, and no cached value is used.
func TestPostgresCommitWithoutAnAnswer(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	d := openURL(t, behind)
	pgtest.Exec(t, address, `CREATE FUNCTION committing() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER committing AFTER INSERT ON word DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION committing()`)
	holder := raw(t, address)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	var everything atomic.Int64
	d.Watch(func(_ []db.Change, all bool) {
		if all {
			everything.Add(1)
		}
	})
	result := make(chan error, 1)
	go func() { result <- d.Write(t.Context(), put("a", "x")) }()
	eventually(t, "the commit is under way", func() (waits bool) {
		err := holder.QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted)").Scan(&waits)
		return err == nil && waits
	})
	proxy.Cut()
	if err := <-result; !errors.Is(err, db.ErrUnavailable) || fault.WaitOf(err) <= 0 {
		t.Errorf("the write: %v, want ErrUnavailable with a time to wait", err)
	}
	if everything.Load() == 0 {
		t.Error("a cached value is used, although it may have changed")
	}
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil {
		t.Fatal(err)
	}
	proxy.Mend()
	eventually(t, "the commit is complete", func() bool {
		var n int
		return d.QueryRow(t.Context(), "SELECT COUNT(*) FROM word").Scan(&n) == nil && n == 1
	})
	if err := db.Wrap("trying again", d.Write(t.Context(), put("a", "x"))); err != nil && !errors.Is(err, db.ErrConflict) && !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the same write again: %v, want ErrConflict", err)
	}
}

// A process that stops during its turn loses the turn, and others continue.
func TestPostgresTurnEnds(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	stopped, other := openURL(t, address), openURL(t, address)
	mustPut(t, other, "warm")
	entered, result := make(chan struct{}), make(chan error)
	resume := make(chan struct{})
	go func() {
		result <- stopped.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if err := put("stopped", "x")(ctx, tx); err != nil {
				return err
			}
			close(entered)
			<-resume
			return nil
		})
	}()
	<-entered
	began := time.Now()
	if err := other.Write(t.Context(), put("other", "x")); err != nil {
		t.Errorf("the other process, after %v: %v", time.Since(began), err)
	}
	close(resume)
	if err := <-result; !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the one that stopped: %v, want ErrUnavailable", err)
	}
	if got := strings.Join(names(t, other), " "); got != "other warm" {
		t.Errorf("the rows are %q: a write that failed left its row", got)
	}
	mustPut(t, stopped, "again")
}

// A write is in a deadlock with another program's transaction. PostgreSQL aborts one of the
// two, and the write runs again.
func TestPostgresDeadlock(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := openURL(t, address)
	mustPut(t, d, "a")
	mustPut(t, d, "b")
	other := raw(t, address)
	do := func(statement string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	do("SET deadlock_timeout = '20s'; BEGIN")
	do("UPDATE word SET value = 'other' WHERE name = 'b'")
	runs, done := 0, make(chan struct{})
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		runs++
		if err := tx.Exec(ctx, "UPDATE word SET value = 'ours' WHERE name = 'a'"); err != nil {
			return err
		}
		if runs == 1 {
			go func() {
				defer close(done)
				do("UPDATE word SET value = 'other' WHERE name = 'a'")
				do("COMMIT")
			}()
			time.Sleep(200 * time.Millisecond) // it waits for us
		}
		return tx.Exec(ctx, "UPDATE word SET value = 'ours' WHERE name = 'b'")
	})
	<-done
	if err != nil || runs < 2 {
		t.Errorf("the write ran %d times and returned %v, want at least twice and no error", runs, err)
	}
	var values string
	if err := d.QueryRow(t.Context(), "SELECT string_agg(value, ' ') FROM word").Scan(&values); err != nil || values != "ours ours" {
		t.Errorf("the values are %q, %v", values, err)
	}
}

// There are pauses between the runs of a write that PostgreSQL aborted, each longer than
// the previous one. Without a pause, the write takes its locks again before the waiting
// transaction has woken up, and both are in the same deadlock again.
func TestPostgresDeadlockPauses(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	d := openURL(t, pgtest.Database(t))
	fail := func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$")
	}
	var runs []time.Time
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		runs = append(runs, time.Now())
		return fail(ctx, tx)
	})
	if !errors.Is(err, db.ErrUnavailable) || len(runs) != 5 {
		t.Fatalf("the write ran %d times and returned %v, want 5 times and ErrUnavailable", len(runs), err)
	}
	least := 25 * time.Millisecond
	for i := range len(runs) - 1 {
		if pause := runs[i+1].Sub(runs[i]); pause < least {
			t.Errorf("pause %d is %v, want at least %v", i+1, pause, least)
		}
		least *= 2
	}

	ctx, cancel := context.WithCancel(t.Context())
	ran := 0
	err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ran++
		cancel()
		return fail(ctx, tx)
	})
	if !errors.Is(err, context.Canceled) || ran != 1 {
		t.Errorf("the write whose caller disconnected ran %d times and returned %v, want once and context.Canceled", ran, err)
	}
}

// Options that say nothing are enough to replace a database.
func TestPostgresReplaceWithoutOptions(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	from, to := open(t, t.TempDir()), openURL(t, pgtest.Database(t))
	mustPut(t, from, "new")
	mustPut(t, to, "old")
	if _, err := to.Replace(t.Context(), from, db.MoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, to); len(got) != 1 || got[0] != "new" {
		t.Errorf("the rows are %v", got)
	}
}

// The error of a statement is ignored: PostgreSQL would end the transaction without an
// error, and the write would be acknowledged but lost.
func TestPostgresNothingIsLostSilently(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	d := openURL(t, pgtest.Database(t))
	wrong := func(ctx context.Context, tx *db.Tx) error { _ = tx.Exec(ctx, "UPDATE nothing SET x = 1"); return nil }
	stage := db.NewStage(d, func(ctx context.Context, tx *db.Tx, _ []int) error { return wrong(ctx, tx) })
	if err := d.Write(t.Context(), wrong); err == nil {
		t.Error("a write that ignored an error was acknowledged")
	}
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		stage.Add(tx, 1)
		return put("a", "x")(ctx, tx)
	})
	if err == nil {
		t.Error("a write whose flush ignored an error was acknowledged")
	}
	mustPut(t, d, "b")
	if got := strings.Join(names(t, d), " "); got != "b" {
		t.Errorf("the rows are %q", got)
	}
}

// Close closes every connection, however early it is called.
func TestPostgresCloseLeavesNoConnection(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	for range 20 {
		d, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(address), Migrations: dbtest.Migrations})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// PostgreSQL only copies a database without connections.
	pgtest.Copy(t, address)
}

// stringer is a text that prints as another, as secrets do.
type stringer string

func (stringer) String() string { return "…" }

// A text that PostgreSQL cannot store does not fail a request, and a text that prints
// differently is stored unchanged.
func TestPostgresArguments(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	d := openURL(t, pgtest.Database(t))
	for name, want := range map[any]string{
		"nul\x00": "nul\uFFFD", "half \xc3": "half \uFFFD", stringer("secret"): "secret", "é‘😀": "é‘😀",
	} {
		var got string
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.QueryRow(ctx, "INSERT INTO word (name, value) VALUES ($1, 'x') RETURNING name", name).Scan(&got)
		})
		if err != nil || got != want {
			t.Errorf("%q is stored as %q, %v; want %q", name, got, err, want)
		}
	}
}

// Attack: reading a log or a screen for the password of the database.
func TestPostgresPasswordIsNotShown(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	base, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "s3cret"
	for _, address := range []string{
		"postgres://usher:" + secret + "@" + base.Host + "/nothing",
		"postgres://usher:" + secret + "@127.0.0.1:1/usher",
		"postgres://usher:" + secret + "@" + base.Host + "/test?sslmode=" + secret,
		"postgres://usher:" + secret + "%25@127.0.0.1:1/test?sslmode=x",
		"postgres://usher:" + secret + "%zz@" + base.Host + "/test",
		"postgres://usher:x#" + secret + "@" + base.Host + "/test",
		"postgres://usher:x/" + secret + "@" + base.Host + "/test",
		"postgres://usher:" + secret + "@host.invalid/test?connect_timeout=2",
		"postgres://127.0.0.1:1/usher?password=" + secret,
		"postgresql://usher@127.0.0.1:1/usher?sslpassword=" + secret,
		"host=127.0.0.1 port=1 password=" + secret,
		"host=127.0.0.1 port=x password='" + secret + "'",
		"usher:" + secret + "@" + base.Host + "/test",
		"mysql://usher:" + secret + "@" + base.Host + "/test",
	} {
		var log strings.Builder
		cfg := db.Config{
			URL: plexauth.Secret(address), Migrations: dbtest.Migrations, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		d, err := db.Open(t.Context(), cfg)
		if err == nil {
			_ = d.Close()
			t.Errorf("%s was opened", address)
			continue
		}
		if text := fmt.Sprintf("%v %+v %#v %s", err, err, cfg, log.String()); strings.Contains(text, secret) {
			t.Errorf("%s: the password is in %q", address, text)
		}
	}
}

func TestPostgresOpenErrors(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	cfg := db.Config{URL: plexauth.Secret(address), Migrations: dbtest.Migrations, MustExist: true}
	if _, err := db.Open(t.Context(), cfg); !errors.Is(err, db.ErrNoDatabase) {
		t.Errorf("opening an empty database that must exist: %v, want ErrNoDatabase", err)
	}
	openURL(t, address)
	if d, err := db.Open(t.Context(), cfg); err != nil {
		t.Errorf("opening one that exists: %v", err)
	} else if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := raw(t, address).Exec(t.Context(), "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Path = "/latin"
	cfg.URL, cfg.MustExist = plexauth.Secret(parsed.String()), false
	if _, err := db.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("opening one that cannot store UTF-8: %v", err)
	}
}

// A database was replaced by an older one: its feed lacks changes that were already read.
func TestPostgresFeedGoesBack(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := openURL(t, address)
	touch := func() {
		t.Helper()
		if err := d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error { tx.Touch("word", "a"); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	touch()
	touch()
	all := make(chan bool, 10)
	d.Watch(func(_ []db.Change, everything bool) { all <- everything })
	if _, err := raw(t, address).Exec(t.Context(), "DELETE FROM change WHERE id > 1"); err != nil {
		t.Fatal(err)
	}
	select {
	case everything := <-all:
		if !everything {
			t.Error("the feed announced a change that was not made")
		}
	case <-time.After(time.Second):
		t.Error("nothing was announced within a second")
	}
}
