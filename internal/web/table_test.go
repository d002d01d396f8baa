package web_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/web"
)

var update = flag.Bool("update", false, "rewrite testdata/pages.txt from the features")

// The features list their own pages. testdata/pages.txt is the whole table in one place, so
// that a reviewer sees who may open a new page.
func TestTable(t *testing.T) {
	const file = "testdata/pages.txt"
	var table strings.Builder
	for _, row := range web.Rows() {
		fmt.Fprintf(&table, "%-4s  %-48s  %s\n", row.Method, row.Path, visitors(row))
	}
	if *update {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if table.String() != string(want) {
		t.Errorf("%s differs from the features' pages; after a review: go test ./internal/web -update", file)
	}
}

// visitors returns who may open a page.
func visitors(row web.Row) string {
	switch {
	case row.Admin:
		return "admins"
	case row.SignedIn:
		return "signed in"
	case row.HalfSignedIn:
		return "second factor missing"
	}
	return "anyone"
}
