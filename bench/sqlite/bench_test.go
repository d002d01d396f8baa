package sqlite_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/all"
)

const (
	rows      = 200_000 // tokens in the table
	groupSize = 16      // inserts that share a commit
)

// template is the content of the database file that every benchmark starts from.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "token.db")
	if err := driver.Create(context.Background(), all.Drivers[0], path, rows); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// hashes are those of the tokens in the table, computed once to keep SHA-256 out of the timings.
var hashes = sync.OnceValue(func() [][]byte {
	hashes := make([][]byte, rows)
	for i := range hashes {
		hashes[i] = driver.Sample(i).Hash
	}
	return hashes
})

// newDatabase returns the path of a fresh copy of the template.
func newDatabase(b *testing.B) string {
	b.Helper()
	content, err := template()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "token.db")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		b.Fatal(err)
	}
	// Otherwise the first timed commit may have to wait for this file, too.
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return path
}

// uncancelled is a context that drivers do not need to watch.
func uncancelled(b *testing.B) context.Context {
	return context.WithoutCancel(b.Context())
}

// openReader opens a fresh database with its connections warmed up.
func openReader(b *testing.B, d driver.Driver, conns int) driver.Reader {
	b.Helper()
	r, err := d.OpenReader(uncancelled(b), newDatabase(b), conns)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

// openWriter opens a fresh database for writing.
func openWriter(b *testing.B, d driver.Driver) driver.Writer {
	b.Helper()
	w, err := d.OpenWriter(uncancelled(b), newDatabase(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	return w
}

// each runs a benchmark for every driver, in an order that changes from run to run: in a fixed
// order, the same driver would always wait for the writes of the previous one.
func each(b *testing.B, bench func(b *testing.B, d driver.Driver)) {
	for _, i := range rand.Perm(len(all.Drivers)) {
		d := all.Drivers[i]
		b.Run(d.Name, func(b *testing.B) {
			b.ReportAllocs()
			bench(b, d)
		})
	}
}

// lookupAll looks up one token after another while next says so.
func lookupAll(ctx context.Context, b *testing.B, r driver.Reader, first int, next func() bool) {
	hashes := hashes()
	for i := first; next(); i++ {
		if _, err := r.Lookup(ctx, hashes[i%rows]); err != nil {
			b.Error(err)
			return
		}
	}
}

// BenchmarkLookup runs one query at a time on one connection.
func BenchmarkLookup(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		r := openReader(b, d, 1)
		lookupAll(uncancelled(b), b, r, 0, b.Loop)
	})
}

// BenchmarkLookupCancellable is BenchmarkLookup with a context like that of an HTTP request, which
// a driver must watch while it works.
func BenchmarkLookupCancellable(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		r := openReader(b, d, 1)
		lookupAll(b.Context(), b, r, 0, b.Loop)
	})
}

// BenchmarkLookupParallel runs queries from one goroutine and connection for each processor.
func BenchmarkLookupParallel(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		procs := runtime.GOMAXPROCS(0)
		r := openReader(b, d, procs)
		hashes() // not timed
		var started atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			first := int(started.Add(1)) * rows / procs
			lookupAll(uncancelled(b), b, r, first, pb.Next)
		})
	})
}

// BenchmarkInsert commits every insert separately.
func BenchmarkInsert(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		w := openWriter(b, d)
		ctx := uncancelled(b)
		for i := rows; b.Loop(); i++ {
			if err := w.Insert(ctx, driver.Sample(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInsertGroup commits every sixteenth insert; the times are those of one insert.
func BenchmarkInsertGroup(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		w := openWriter(b, d)
		ctx := uncancelled(b)
		var group []driver.Token
		for i := rows; b.Loop(); i++ {
			group = append(group, driver.Sample(i))
			if len(group) < groupSize {
				continue
			}
			if err := driver.InsertGroup(ctx, w, group); err != nil {
				b.Fatal(err)
			}
			group = group[:0]
		}
	})
}

// BenchmarkOpen opens an existing database and reads one token. Closing it again is not timed.
func BenchmarkOpen(b *testing.B) {
	each(b, func(b *testing.B, d driver.Driver) {
		path, ctx, hash := newDatabase(b), uncancelled(b), driver.Sample(0).Hash
		for b.Loop() {
			r, err := d.OpenReader(ctx, path, 1)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Lookup(ctx, hash); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}
