// Package dbtest is the conformance suite of the database engine: what every
// engine must do for package db to keep its promises.
//
// It owns a schema of its own with one table. What the project's own tables
// promise is in package storetest.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Migrations is the schema that open must use.
var Migrations = fstest.MapFS{
	"sqlite/00001_init.sql": {Data: []byte(`
		CREATE TABLE change (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, key BLOB NOT NULL) STRICT;
		CREATE TABLE word (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`)},
	"postgres/00001_init.sql": {Data: []byte(`
		CREATE TABLE change (id BIGINT PRIMARY KEY, topic TEXT COLLATE "C" NOT NULL, key BYTEA NOT NULL);
		CREATE TABLE word (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);`)},
}

// Run runs the suite. Each call of newPlace prepares an empty place for one
// database and returns how to open it. Two handles that are open at the same time stand
// for two processes. The suite closes every handle.
func Run(t *testing.T, newPlace func(t *testing.T) func(cfg db.Config) (*db.DB, error)) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *place)
	}{
		{"A write is read back", testWrite},
		{"A failed write leaves nothing", testFailedWrite},
		{"Writes that wait together share a commit", testSharedCommits},
		{"A write does not start after its context ended", testContext},
		{"A caller that leaves gets its result", testCallerLeaves},
		{"A closed database rejects writes", testClosed},
		{"Unique keys conflict", testConflict},
		{"A snapshot does not see later writes", testSnapshot},
		{"Touched keys are announced before Write returns", testTouch},
		{"Another process hears what was touched", testFeed},
		{"Two processes that write hear each other", testTwoWriters},
		{"A process that missed too much drops everything", testGap},
		{"Staged values are flushed once for each commit", testStage},
		{"A failed flush fails the writes", testFailedFlush},
		{"A cache drops what a change makes untrue", testCache},
		{"A value that was loaded during a change is not cached", testCacheRace},
		{"Many processes migrate at once", testMigrateAtOnce},
		{"A new database begins with its first rows, or not at all", testCreated},
		{"A newer schema is rejected", testNewer},
		{"A schema that was only expanded is used", testExpanded},
		{"Ping reads and writes", testPing},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &place{newPlace(t)}) })
	}
}

// place is where one database is.
type place struct {
	with func(db.Config) (*db.DB, error)
}

func (p *place) open(t *testing.T, cfg db.Config) *db.DB {
	t.Helper()
	cfg.Migrations = Migrations
	d, err := p.with(cfg)
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

// words is the topic of the suite's table.
const words db.Topic = "word"

var errOnPurpose = errors.New("failed on purpose")

// put is a write of one row.
func put(name, value string) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		tx.Touch(words, name)
		return tx.Exec(ctx, "INSERT INTO word (name, value) VALUES ($1, $2)", name, value)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get reads one row, or "" if it does not exist.
func get(t *testing.T, q db.Querier, name string) (value string) {
	t.Helper()
	err := db.Wrap("reading", q.QueryRow(t.Context(), "SELECT value FROM word WHERE name = $1", name).Scan(&value))
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		t.Fatal(err)
	}
	return value
}

func testWrite(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	must(t, d.Write(t.Context(), put("a", "1")))
	if got := get(t, d, "a"); got != "1" {
		t.Errorf("read %q, want 1", got)
	}
	if get(t, d, "b") != "" {
		t.Error("read a row that nobody wrote")
	}
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.ExecOne(ctx, "UPDATE word SET value = '2' WHERE name = 'b'")
	})
	if !errors.Is(err, db.ErrNotFound) {
		t.Errorf("updating no row: %v, want ErrNotFound", err)
	}
}

func testFailedWrite(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(put("a", "1")(ctx, tx), errOnPurpose)
	})
	if !errors.Is(err, errOnPurpose) {
		t.Errorf("the write returned %v, want its own error", err)
	}
	if get(t, d, "a") != "" {
		t.Error("a failed write left its row")
	}
}

// batch runs writes that all wait for the same commit, in order.
func batch(t *testing.T, d *db.DB, writes ...func(context.Context, *db.Tx) error) []error {
	t.Helper()
	release, entered, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- d.Write(t.Context(), func(context.Context, *db.Tx) error { close(entered); <-release; return nil })
	}()
	<-entered
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	for i, write := range writes {
		ready := make(chan struct{})
		wg.Go(func() { close(ready); errs[i] = d.Write(t.Context(), write) })
		<-ready
		time.Sleep(10 * time.Millisecond) // they queue in this order
	}
	close(release)
	wg.Wait()
	must(t, <-held)
	return errs
}

func testSharedCommits(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	before := d.Commits()
	errs := batch(t, d, put("a", "1"), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(put("b", "1")(ctx, tx), errOnPurpose)
	}, put("c", "1"))
	if errs[0] != nil || !errors.Is(errs[1], errOnPurpose) || errs[2] != nil {
		t.Errorf("the writes returned %v", errs)
	}
	if get(t, d, "a") == "" || get(t, d, "b") != "" || get(t, d, "c") == "" {
		t.Error("the failed write took another with it, or left its row")
	}
	if n := d.Commits() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

func testContext(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Write(ctx, put("a", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("writing with an ended context: %v", err)
	}
	if rows, err := d.Query(ctx, "SELECT name FROM word"); !errors.Is(err, context.Canceled) {
		if err == nil {
			_ = rows.Close()
		}
		t.Errorf("reading with an ended context: %v", err)
	}
	must(t, d.Write(t.Context(), put("b", "1")))
	if get(t, d, "a") != "" {
		t.Error("the write was made after all")
	}
}

func testCallerLeaves(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Write(ctx, func(inside context.Context, tx *db.Tx) error {
		cancel()
		return put("a", "1")(inside, tx)
	})
	if err != nil || get(t, d, "a") != "1" {
		t.Errorf("the write returned %v and left %q: the result and the row must agree", err, get(t, d, "a"))
	}
}

func testClosed(t *testing.T, p *place) {
	d, err := p.with(db.Config{Migrations: Migrations})
	must(t, err)
	must(t, d.Close())
	if err := d.Write(t.Context(), put("a", "1")); !errors.Is(err, db.ErrClosed) {
		t.Errorf("writing: %v, want ErrClosed", err)
	}
}

func testConflict(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	must(t, d.Write(t.Context(), put("a", "1")))
	if err := db.Wrap("adding", d.Write(t.Context(), put("a", "2"))); !errors.Is(err, db.ErrConflict) {
		t.Errorf("a second row of the same key: %v, want ErrConflict", err)
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		other := p.open(t, db.Config{})
		wg.Go(func() {
			if err := db.Wrap("adding", other.Write(t.Context(), put("b", "1"))); err == nil {
				made.Add(1)
			} else if !errors.Is(err, db.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d processes added the same row", made.Load())
	}
}

func testSnapshot(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	must(t, d.Write(t.Context(), put("a", "1")))
	must(t, d.Snapshot(t.Context(), func(_ context.Context, q db.Querier) error {
		before := get(t, q, "a")
		must(t, d.Write(t.Context(), put("b", "1")))
		if before != "1" || get(t, q, "b") != "" {
			t.Error("the snapshot sees a later write")
		}
		return nil
	}))
	if get(t, d, "b") != "1" {
		t.Error("the write is lost")
	}
}

// heard collects what is announced.
type heard struct {
	mu   sync.Mutex
	keys []string
	all  int
}

func listen(d *db.DB) *heard {
	h := &heard{}
	d.Watch(func(changes []db.Change, all bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range changes {
			h.keys = append(h.keys, string(c.Topic)+" "+c.Key)
		}
		if all {
			h.all++
		}
	})
	return h
}

func (h *heard) so() ([]string, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.keys), h.all
}

// within waits up to a second, the bound for changes of other processes.
func within(condition func() bool) bool {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

func testTouch(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	h := listen(d)
	must(t, d.Write(t.Context(), put("a", "1")))
	_ = d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(put("b", "1")(ctx, tx), errOnPurpose)
	})
	if keys, all := h.so(); !slices.Equal(keys, []string{"word a"}) || all != 0 {
		t.Errorf("announced %v, everything %d times", keys, all)
	}
}

func testFeed(t *testing.T, p *place) {
	first, second := p.open(t, db.Config{}), p.open(t, db.Config{})
	h := listen(second)
	odd := "\x00\xff hash'"
	must(t, first.Write(t.Context(), put("a", "1")))
	must(t, first.Write(t.Context(), func(_ context.Context, tx *db.Tx) error { tx.Touch(words, odd); return nil }))
	want := []string{"word a", "word " + odd}
	if !within(func() bool { keys, _ := h.so(); return slices.Equal(keys, want) }) {
		keys, all := h.so()
		t.Errorf("heard %q within a second, everything %d times; want %q", keys, all, want)
	}
	if _, all := h.so(); all != 0 {
		t.Error("the feed did not say what was touched")
	}
}

func testTwoWriters(t *testing.T, p *place) {
	dbs := []*db.DB{p.open(t, db.Config{}), p.open(t, db.Config{})}
	ears := []*heard{listen(dbs[0]), listen(dbs[1])}
	const n = 50
	var wg sync.WaitGroup
	for who, d := range dbs {
		wg.Go(func() {
			for i := range n {
				if err := d.Write(t.Context(), put(fmt.Sprint(who, ".", i), "1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for who, h := range ears {
		complete := func() bool {
			keys, all := h.so()
			slices.Sort(keys)
			return all == 0 && len(slices.Compact(keys)) == 2*n
		}
		if !within(complete) {
			keys, all := h.so()
			t.Errorf("process %d heard %d keys, everything %d times; want each of %d keys", who, len(keys), all, 2*n)
		}
	}
}

func testGap(t *testing.T, p *place) {
	first, second := p.open(t, db.Config{}), p.open(t, db.Config{})
	h := listen(second)
	must(t, first.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "INSERT INTO change (id, topic, key) VALUES (20000, 'word', $1)", []byte("late"))
	}))
	if !within(func() bool { _, all := h.so(); return all == 1 }) {
		t.Error("the gap was not noticed")
	}
	must(t, first.Write(t.Context(), put("a", "1")))
	if !within(func() bool { keys, _ := h.so(); return slices.Equal(keys, []string{"word a"}) }) {
		t.Error("the feed did not go on after the gap")
	}
}

func testStage(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	var flushed [][]string
	stage := db.NewStage(d, func(ctx context.Context, tx *db.Tx, values []string) error {
		flushed = append(flushed, values)
		return put(fmt.Sprint("flush ", len(flushed)), "1")(ctx, tx)
	})
	add := func(value string, err error) func(context.Context, *db.Tx) error {
		return func(_ context.Context, tx *db.Tx) error { stage.Add(tx, value); return err }
	}
	batch(t, d, add("a", nil), add("b", errOnPurpose), add("c", nil))
	if len(flushed) != 1 || !slices.Equal(flushed[0], []string{"a", "c"}) {
		t.Errorf("flushed %v, want a and c together", flushed)
	}
	if get(t, d, "flush 1") == "" {
		t.Error("what the flush wrote is lost")
	}
}

func testFailedFlush(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	h := listen(d)
	stage := db.NewStage(d, func(context.Context, *db.Tx, []int) error { return errOnPurpose })
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		stage.Add(tx, 1)
		return put("a", "1")(ctx, tx)
	})
	if !errors.Is(err, errOnPurpose) || get(t, d, "a") != "" {
		t.Errorf("the write returned %v and left %q", err, get(t, d, "a"))
	}
	if _, all := h.so(); all != 1 {
		t.Error("caches are trusted after a commit failed")
	}
	must(t, d.Write(t.Context(), put("b", "1")))
}

// cached returns a cache of the table that holds two rows.
func cached(d *db.DB) *db.Cache[string, string] {
	return db.NewCache[string, string](d, 2, func(c db.Change) (string, db.Scope) {
		switch {
		case c.Topic != words:
			return "", db.Nothing
		case c.Key == "":
			return "", db.Everything
		}
		return c.Key, db.Entry
	})
}

func testCache(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	cache := cached(d)
	read := func(name string) string {
		v, err := cache.Get(name, func() (string, error) { return get(t, d, name) + "!", nil })
		must(t, err)
		return v
	}
	must(t, d.Write(t.Context(), put("a", "1")))
	set := func(name, value string, touched ...string) {
		must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, key := range touched {
				tx.Touch(words, key)
			}
			return tx.Exec(ctx, "UPDATE word SET value = $2 WHERE name = $1", name, value)
		}))
	}
	if read("a") != "1!" || read("b") != "!" {
		t.Error("the cache does not load")
	}
	set("a", "2", "other")
	if read("a") != "1!" {
		t.Error("an entry that was not touched was dropped")
	}
	set("a", "3", "a")
	if read("a") != "3!" {
		t.Error("an entry that was touched is still there")
	}
	set("a", "4", "")
	if read("a") != "4!" {
		t.Error("an entry is still there after everything was touched")
	}
	if _, err := cache.Get("c", func() (string, error) { return "", errOnPurpose }); !errors.Is(err, errOnPurpose) {
		t.Errorf("a failed load returned %v", err)
	}
	read("b")
	read("c") // the third entry of a cache that holds two
	if read("c") != "!" {
		t.Error("a full cache does not take a new entry")
	}
}

func testCacheRace(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	cache := cached(d)
	must(t, d.Write(t.Context(), put("a", "1")))
	_, err := cache.Get("a", func() (string, error) {
		old := get(t, d, "a")
		must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			tx.Touch(words, "a")
			return tx.Exec(ctx, "UPDATE word SET value = '2' WHERE name = 'a'")
		}))
		return old, nil
	})
	must(t, err)
	got, err := cache.Get("a", func() (string, error) { return get(t, d, "a"), nil })
	if err != nil || got != "2" {
		t.Errorf("the cache holds %q, %v: a value from before the change", got, err)
	}
}

func testMigrateAtOnce(t *testing.T, p *place) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d, err := p.with(db.Config{Migrations: Migrations})
			if err == nil {
				err = d.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testNewer(t *testing.T, p *place) {
	d := p.open(t, db.Config{})
	must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "INSERT INTO schema_version (version) VALUES (1000)")
	}))
	if _, err := p.with(db.Config{Migrations: Migrations}); !errors.Is(err, db.ErrNewer) {
		t.Errorf("opening it: %v, want ErrNewer", err)
	}
}

// after returns the schema of a later release, with a further step.
func after(steps fstest.MapFS, name, text string) fstest.MapFS {
	later := maps.Clone(steps)
	for _, engine := range []string{"sqlite", "postgres"} {
		later[engine+"/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return later
}

func testCreated(t *testing.T, p *place) {
	calls := 0
	begin := func(err error) func(context.Context, db.Exec) error {
		return func(ctx context.Context, exec db.Exec) error {
			calls++
			return errors.Join(exec(ctx, "INSERT INTO word (name, value) VALUES ($1, $2)", "first", fmt.Sprint(calls)), err)
		}
	}
	if d, err := p.with(db.Config{Migrations: Migrations, Created: begin(errOnPurpose)}); !errors.Is(err, errOnPurpose) {
		t.Fatalf("a beginning that fails: %v, %v", d, err)
	}
	if got := get(t, p.open(t, db.Config{Created: begin(nil)}), "first"); got != "2" {
		t.Errorf("the next one begins with %q", got)
	}
	again := after(Migrations, "00002_note.sql", "-- expand\nALTER TABLE word ADD COLUMN note TEXT NOT NULL DEFAULT ''")
	d, err := p.with(db.Config{Migrations: again, Created: begin(errOnPurpose)})
	must(t, err)
	defer d.Close()
	if got := get(t, d, "first"); got != "2" || calls != 2 {
		t.Errorf("after another step, it begins %d times, and has %q", calls, got)
	}
}

func testExpanded(t *testing.T, p *place) {
	old := p.open(t, db.Config{})
	expanded := after(Migrations, "00002_note.sql", "-- expand\nALTER TABLE word ADD COLUMN note TEXT NOT NULL DEFAULT ''")
	contracted := after(expanded, "00003_less.sql", "ALTER TABLE word DROP COLUMN note")
	openWith := func(migrations fstest.MapFS) *db.DB {
		t.Helper()
		d, err := p.with(db.Config{Migrations: migrations})
		must(t, err)
		return d
	}
	newer := openWith(expanded)
	must(t, newer.Write(t.Context(), put("newer", "1")))
	must(t, old.Write(t.Context(), put("running", "1")))
	started := p.open(t, db.Config{})
	h := listen(started)
	must(t, newer.Write(t.Context(), put("heard", "1")))
	must(t, started.Write(t.Context(), put("started", "1")))
	if !within(func() bool { keys, _ := h.so(); return slices.Contains(keys, "word heard") }) {
		t.Error("the older process does not hear the newer one")
	}
	if get(t, newer, "running") != "1" || get(t, newer, "started") != "1" || get(t, started, "newer") != "1" {
		t.Error("the two do not read each other's rows")
	}
	must(t, newer.Close())
	must(t, openWith(contracted).Close())
	for what, migrations := range map[string]fstest.MapFS{"two steps before": Migrations, "one step before": expanded} {
		if d, err := p.with(db.Config{Migrations: migrations}); !errors.Is(err, db.ErrNewer) {
			t.Errorf("%s a step that does more than expand: %v, want ErrNewer", what, err)
			if err == nil {
				must(t, d.Close())
			}
		}
	}
}

func testPing(t *testing.T, p *place) {
	must(t, p.open(t, db.Config{}).Ping(t.Context()))
}
