package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/all"
)

// settings are the values that must be the same for the measurements to be comparable. The page
// cache and the checkpoint have their defaults, so this also checks that the drivers agree on them.
var settings = map[string]string{
	"PRAGMA journal_mode":       "wal",
	"PRAGMA synchronous":        "2", // FULL
	"PRAGMA foreign_keys":       "1",
	"PRAGMA cache_size":         "-8000",
	"PRAGMA page_size":          "4096",
	"PRAGMA wal_autocheckpoint": "1000",
	"PRAGMA mmap_size":          "0",
}

func TestDrivers(t *testing.T) {
	for _, d := range all.Drivers {
		t.Run(d.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token.db")
			if err := driver.Create(t.Context(), d, path, 100); err != nil {
				t.Fatal(err)
			}
			w, err := d.OpenWriter(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			r, err := d.OpenReader(t.Context(), path, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()

			checkSettings(t, w)
			checkSettings(t, r)
			checkLookups(t, r, 100)

			// A group with a duplicate stores nothing, and the next group succeeds.
			bad := []driver.Token{driver.Sample(100), driver.Sample(5)}
			if err := driver.InsertGroup(t.Context(), w, bad); err == nil {
				t.Error("InsertGroup with a duplicate: got no error")
			}
			checkLookups(t, r, 100)
			good := []driver.Token{driver.Sample(100), driver.Sample(101)}
			if err := driver.InsertGroup(t.Context(), w, good); err != nil {
				t.Errorf("InsertGroup after a failed one: %v", err)
			}
			checkLookups(t, r, 102)
		})
	}
}

// valuer is the common method of readers and writers.
type valuer interface {
	Value(ctx context.Context, query string) (string, error)
}

// checkSettings asks a handle for the settings it works with.
func checkSettings(t *testing.T, v valuer) {
	t.Helper()
	for query, want := range settings {
		if got, err := v.Value(t.Context(), query); got != want || err != nil {
			t.Errorf("%s: got (%q, %v), want %q", query, got, err, want)
		}
	}
}

// checkLookups expects the first rows tokens of the data set, and not the next.
func checkLookups(t *testing.T, r driver.Reader, rows int) {
	t.Helper()
	for i := range rows {
		want := driver.Sample(i)
		if got, err := r.Lookup(t.Context(), want.Hash); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Lookup of token %d: got (%v, %v), want %v", i, got, err, want)
		}
	}
	_, err := r.Lookup(t.Context(), driver.Sample(rows).Hash)
	if !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("Lookup of a token that does not exist: got %v, want ErrNotFound", err)
	}
}
