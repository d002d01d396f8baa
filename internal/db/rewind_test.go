package db_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

// Rewind undoes what came after Mark, as often as wanted, and tells who watches.
func TestRewind(t *testing.T) {
	d, err := db.Open(t.Context(), db.Config{Migrations: dbtest.Migrations})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	mustPut(t, d, "a")
	if err := d.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	d.Watch(func(_ []db.Change, all bool) {
		if all {
			told++
		}
	})
	for i := range 3 {
		mustPut(t, d, "b")
		mustPut(t, d, "c")
		if err := d.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(names(t, d), " "); got != "a" || told != i+1 {
			t.Errorf("the rows are %s, and it was told %d times", got, told)
		}
	}
}

// A database in a file is never taken back.
func TestRewindOfAFile(t *testing.T) {
	d := open(t, t.TempDir())
	mustPut(t, d, "a")
	if err := d.Mark(t.Context()); err == nil {
		t.Error("a database in a file was marked")
	}
	if err := d.Rewind(t.Context()); err == nil {
		t.Error("a database in a file was rewound")
	}
	if got := names(t, d); len(got) != 1 {
		t.Errorf("the rows are %v", got)
	}
}
