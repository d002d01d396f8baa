package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

func TestSQLite(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) func(db.Config) (*db.DB, error) {
		dir := t.TempDir()
		return func(cfg db.Config) (*db.DB, error) {
			cfg.Dir = dir
			return db.Open(t.Context(), cfg)
		}
	})
}

// open opens a database in a folder.
func open(t testing.TB, dir string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: dir, Migrations: dbtest.Migrations})
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

func put(name, value string) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "INSERT INTO word (name, value) VALUES ($1, $2)", name, value)
	}
}

func mustPut(t testing.TB, d *db.DB, name string) {
	t.Helper()
	if err := d.Write(t.Context(), put(name, "x")); err != nil {
		t.Fatal(err)
	}
}

// names lists the rows.
func names(t testing.TB, d *db.DB) (list []string) {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT name FROM word ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	return list
}

// The disk fills up during a batch: SQLite rolls back the whole transaction. Every write of
// the batch fails, and none is applied in part.
func TestFullDisk(t *testing.T) {
	d := open(t, t.TempDir())
	fill := func(ctx context.Context, tx *db.Tx) error {
		var n int
		limit := func(pages int) error {
			return tx.QueryRow(ctx, fmt.Sprintf("PRAGMA max_page_count=%d", pages)).Scan(&n)
		}
		if err := tx.QueryRow(ctx, "PRAGMA page_count").Scan(&n); err != nil {
			return err
		}
		if err := limit(n); err != nil {
			return err
		}
		err := put("big", strings.Repeat("x", 1<<20))(ctx, tx)
		_ = limit(1 << 30)
		return err
	}
	var everything int
	d.Watch(func(_ []db.Change, all bool) {
		if all {
			everything++
		}
	})
	errs := batch(t, d, put("before", "x"), fill)
	for _, err := range errs {
		if !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
			t.Errorf("a write returned %v, want a full disk, and that it may be tried again", err)
		}
	}
	if everything != 1 {
		t.Error("caches are trusted after the transaction was lost")
	}
	errs = batch(t, d, put("fill again", "x"), fill, put("after", "x"))
	if errs[0] == nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("the writes returned %v, want the last alone to succeed", errs)
	}
	if got := names(t, d); strings.Join(got, " ") != "after" {
		t.Errorf("the rows are %v, want the last alone", got)
	}
}

// batch runs writes that all wait for the same commit, in order.
func batch(t *testing.T, d *db.DB, writes ...func(context.Context, *db.Tx) error) []error {
	t.Helper()
	release, entered := make(chan struct{}), make(chan struct{})
	go func() {
		_ = d.Write(t.Context(), func(context.Context, *db.Tx) error { close(entered); <-release; return nil })
	}()
	<-entered
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	for i, write := range writes {
		ready := make(chan struct{})
		wg.Go(func() { close(ready); errs[i] = d.Write(t.Context(), write) })
		<-ready
		time.Sleep(10 * time.Millisecond)
	}
	close(release)
	wg.Wait()
	return errs
}

func TestOpenErrors(t *testing.T) {
	cfg := db.Config{Migrations: dbtest.Migrations}
	t.Run("no folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Dir = filepath.Join(file, "data")
		if _, err := db.Open(t.Context(), cfg); err == nil {
			t.Error("a folder below a file was opened")
		}
	})
	t.Run("no database", func(t *testing.T) {
		dir := t.TempDir()
		cfg := db.Config{Migrations: dbtest.Migrations, MustExist: true}
		for _, cfg.Dir = range []string{dir, filepath.Join(dir, "data")} {
			if _, err := db.Open(t.Context(), cfg); !errors.Is(err, db.ErrNoDatabase) {
				t.Errorf("opening a folder without a database: %v, want ErrNoDatabase", err)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("it left %v, %v", entries, err)
		}
	})
	t.Run("not a database", func(t *testing.T) {
		cfg.Dir = t.TempDir()
		text := []byte("this is a text, and a long enough one to be read as a header")
		if err := os.WriteFile(filepath.Join(cfg.Dir, db.Name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Open(t.Context(), cfg); err == nil {
			t.Error("a text file was opened as a database")
		}
	})
}

// The name of a folder may contain characters with a meaning in URLs.
func TestOpenOddFolder(t *testing.T) {
	for _, name := range []string{"with space", "what?", "50%", "#1", "a&b=c"} {
		dir := filepath.Join(t.TempDir(), name)
		mustPut(t, open(t, dir), "a")
		if _, err := os.Stat(filepath.Join(dir, db.Name)); err != nil {
			t.Error(err)
		}
	}
}

// Only the owner can read the files.
func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	mustPut(t, open(t, dir), "a")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// A restored copy that everyone can read becomes private at the next start.
func TestFilesBecomePrivate(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, open(t, dir), "a") // it stays open, so the write-ahead log is there
	files := []string{db.Name, db.Name + "-wal", db.Name + "-shm"}
	for _, name := range files {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	for _, name := range files {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (error %v), want 0600", name, info.Mode(), err)
		}
	}
}

// Close leaves everything in one file: a copy of it is complete, and no log is
// played over a file that replaces it.
func TestCloseLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(t.Context(), db.Config{Dir: dir, Migrations: dbtest.Migrations})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, d, "a")
	names(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != db.Name {
		t.Errorf("closing leaves %v, %v, want %s alone", entries, err, db.Name)
	}
}

// A database in memory works like one in a folder, and no other process can read it.
func TestInMemory(t *testing.T) {
	d, other := open(t, ""), open(t, "")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { mustPut(t, d, fmt.Sprint(i)) })
	}
	wg.Wait()
	if n := len(names(t, d)); n != 50 {
		t.Errorf("it has %d rows, want 50", n)
	}
	if n := len(names(t, other)); n != 0 {
		t.Errorf("another database in memory has %d rows", n)
	}
}

// A backup that fails leaves no file, and never another file's content.
func TestBackupErrors(t *testing.T) {
	d, path := open(t, t.TempDir()), filepath.Join(t.TempDir(), "copy.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Backup(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a backup with an ended context: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a copy is left: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Backup(t.Context(), path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a backup over another file: %v, want fs.ErrExist", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the other file changed: %v", err)
	}
}

// The table of changes does not grow without bound.
func TestFeedIsShortened(t *testing.T) {
	d := open(t, "")
	for range 12 {
		err := d.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
			for i := range 1000 {
				tx.Touch("word", db.IDKey(int64(i)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var rows, last int
	if err := d.QueryRow(t.Context(), "SELECT COUNT(*), MAX(id) FROM change").Scan(&rows, &last); err != nil {
		t.Fatal(err)
	}
	if rows > 10_100 || last != 12_000 {
		t.Errorf("the table has %d rows up to %d, want at most 10100 up to 12000", rows, last)
	}
}
