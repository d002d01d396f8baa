//go:build unix

package db_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/plexauth"
)

// A write is in a deadlock with another write's locks of the same commit: it would be in
// the same deadlock in every further run before that commit.
func TestPostgresDeadlockInACommitOfTwo(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := openURL(t, address)
	mustPut(t, d, "a")
	mustPut(t, d, "b")
	other, watcher := raw(t, address), raw(t, address)
	do := func(statement string) {
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	do("SET deadlock_timeout = '60s'; BEGIN")
	do("UPDATE word SET value = 'other' WHERE name = 'b'")
	runs, pid := 0, other.PgConn().PID()
	waits := func() {
		eventually(t, "the other program waits", func() (waits bool) {
			err := watcher.QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted)", pid).Scan(&waits)
			return err == nil && waits
		})
	}
	var wg sync.WaitGroup
	var ofFirst string
	second := func(ctx context.Context, tx *db.Tx) error {
		runs++
		var transaction string
		if err := tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&transaction); err != nil {
			return err
		}
		if transaction == ofFirst {
			waits() // it wakes up at the end of the first write's savepoint, and waits for the commit
		}
		if err := tx.Exec(ctx, "SET LOCAL deadlock_timeout = '10ms'"); err != nil {
			return err
		}
		return tx.Exec(ctx, "UPDATE word SET value = 'ours' WHERE name = 'b'")
	}
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&ofFirst); err != nil {
			return err
		}
		if err := tx.Exec(ctx, "UPDATE word SET value = 'ours' WHERE name = 'a'"); err != nil {
			return err
		}
		wg.Go(func() {
			do("UPDATE word SET value = 'other' WHERE name = 'a'")
			do("COMMIT")
		})
		waits()
		wg.Go(func() {
			if err := d.Write(t.Context(), second); err != nil {
				t.Errorf("the write that met the deadlock: %v", err)
			}
		})
		time.Sleep(50 * time.Millisecond) // it queues for the same commit
		return nil
	})
	wg.Wait()
	if err != nil || runs > 2 {
		t.Errorf("the first write returned %v, and the second ran %d times, want twice", err, runs)
	}
}

// PostgreSQL aborts a commit that writes staged changes: the writes run again.
func TestPostgresDeadlockInAFlush(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	d := openURL(t, pgtest.Database(t))
	flushes := 0
	stage := db.NewStage(d, func(ctx context.Context, tx *db.Tx, _ []int) error {
		if flushes++; flushes == 1 {
			return tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$")
		}
		return nil
	})
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		stage.Add(tx, 1)
		return put("a", "x")(ctx, tx)
	})
	if err != nil || flushes != 2 || strings.Join(names(t, d), " ") != "a" {
		t.Errorf("the write returned %v after %d flushes, and the rows are %v", err, flushes, names(t, d))
	}
}

// A read that a deadlock ended is an error that the caller can act on.
func TestPostgresReadThatIsEnded(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := openURL(t, address)
	pgtest.Exec(t, address, `CREATE FUNCTION ended() RETURNS int LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$`)
	var n int
	if err := d.QueryRow(t.Context(), "SELECT ended()").Scan(&n); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a read that a deadlock ended: %v, want ErrUnavailable", err)
	}
}

// A migration of a table that a backup reads waits for the backup. Requests that read the
// table do not wait behind it.
func TestPostgresMigrationBesideABackup(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	old := openURL(t, address)
	mustPut(t, old, "a")
	backup := raw(t, address)
	if _, err := backup.Exec(t.Context(), "BEGIN; SELECT * FROM word"); err != nil {
		t.Fatal(err)
	}
	steps := maps.Clone(dbtest.Migrations)
	for _, engine := range []string{"sqlite", "postgres"} {
		steps[engine+"/00002_note.sql"] = &fstest.MapFile{Data: []byte("-- expand\nALTER TABLE word ADD COLUMN note TEXT NOT NULL DEFAULT ''")}
	}
	log := new(lockedText)
	opened := make(chan error, 1)
	go func() {
		d, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(address), Migrations: steps, Logger: log.logger()})
		if err == nil {
			err = d.Close()
		}
		opened <- err
	}()
	eventually(t, "the migration waits", func() bool { return strings.Contains(log.String(), "waits for another program") })
	for range 5 {
		var n int
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := old.QueryRow(ctx, "SELECT COUNT(*) FROM word").Scan(&n); err != nil {
			t.Errorf("a request next to a waiting migration: %v", err)
		}
		cancel()
	}
	select {
	case err := <-opened:
		t.Errorf("the migration did not wait for the backup: %v", err)
	default:
	}
	if _, err := backup.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("the migration after the backup: %v", err)
	}
}

// While the database rejects connections, most requests fail without an attempt: a database
// that is starting should not have to reject them.
func TestPostgresConnectsWithPauses(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	proxy, address := pgtest.NewProxy(t, pgtest.Database(t))
	d := openURL(t, address)
	mustPut(t, d, "a")
	proxy.Cut()
	before, began := proxy.Connections(), time.Now()
	var n int
	for range 500 {
		if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM word").Scan(&n); !errors.Is(err, db.ErrUnavailable) {
			t.Fatalf("reading: %v, want ErrUnavailable", err)
		}
	}
	// The pauses reach a second, with a half of it at random, and there are four connections
	// of which each has its own.
	tries, most := proxy.Connections()-before, 50+int(10*time.Since(began).Seconds())
	if tries > most {
		t.Errorf("500 requests connected %d times, want at most %d", tries, most)
	}
	proxy.Mend()
	eventually(t, "a read succeeds", func() bool {
		return d.QueryRow(t.Context(), "SELECT COUNT(*) FROM word").Scan(&n) == nil
	})
}

// A connection of the feed that lives for a moment only, again and again, is replaced
// with pauses.
func TestPostgresFeedThatIsLostAgain(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := openURL(t, address)
	// The end of the feed can be read, but not the feed.
	pgtest.Exec(t, address, `ALTER TABLE change RENAME TO broken;
		CREATE VIEW change AS SELECT id, 1 / CASE WHEN id > 0 THEN 0 ELSE 1 END AS topic, key FROM broken;
		INSERT INTO broken (id, topic, key) SELECT COALESCE(MAX(id), 0) + 1, 'word', '' FROM broken`)
	eventually(t, "the feed is lost", func() bool { return d.Losses() > 1 })
	before, began := d.Losses(), time.Now()
	time.Sleep(300 * time.Millisecond)
	if lost, most := d.Losses()-before, 6+uint64(10*time.Since(began).Seconds()); lost > most {
		t.Errorf("the feed was lost %d times in %v, want at most %d", lost, time.Since(began), most)
	}
}

// lockedText is a log that a test reads while it is written.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lockedText) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
