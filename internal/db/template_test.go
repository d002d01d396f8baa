package db_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

// Databases from a template have its schema, the initial rows and their own rows, even if
// many are opened at the same time.
func TestTemplate(t *testing.T) {
	template := new(db.Template)
	first := func(ctx context.Context, exec db.Exec) error {
		return exec(ctx, "INSERT INTO word (name, value) VALUES ('first', '')")
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			d, err := db.Open(t.Context(), db.Config{Migrations: dbtest.Migrations, Template: template, Created: first})
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			mustPut(t, d, name)
			if got := strings.Join(names(t, d), " "); got != name+" first" {
				t.Errorf("the rows are %s", got)
			}
		})
	}
	wg.Wait()
	d, err := db.Open(t.Context(), db.Config{Migrations: dbtest.Migrations, Template: template})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := names(t, d); len(got) != 0 {
		t.Errorf("the template has the rows %v", got)
	}
	var versions int
	if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM schema_version").Scan(&versions); err != nil || versions != 1 {
		t.Errorf("%d versions of the schema (%v), want 1", versions, err)
	}
}

// A database whose initial rows fail does not open, and the next one does.
func TestTemplateWithoutItsBeginning(t *testing.T) {
	template, failure := new(db.Template), errors.New("failed on purpose")
	for _, want := range []error{failure, nil} {
		d, err := db.Open(t.Context(), db.Config{
			Migrations: dbtest.Migrations, Template: template, Created: func(context.Context, db.Exec) error { return want },
		})
		if !errors.Is(err, want) {
			t.Errorf("opening: %v, want %v", err, want)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

// A template only applies to databases in memory: a file with one is unchanged.
func TestTemplateOfAFile(t *testing.T) {
	dir, template := t.TempDir(), new(db.Template)
	for range 2 {
		d, err := db.Open(t.Context(), db.Config{Dir: dir, Migrations: dbtest.Migrations, Template: template})
		if err != nil {
			t.Fatal(err)
		}
		if len(names(t, d)) == 0 {
			mustPut(t, d, "a")
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(names(t, open(t, dir)), " "); got != "a" {
		t.Errorf("the rows are %s", got)
	}
}
