package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of figures into the documents")

// measured is what bench/scale wrote.
type measured struct {
	Costs []struct {
		Engine, Kind                                 string
		Nodes                                        int
		Rate, Node, Database, Queries, Hits, Commits float64
	}
	Rows    []struct{ Name, Goal string }
	Figures map[string]map[string]map[string]float64 // by engine, number of accounts and row
}

// sizes returns the table of performance.md.
func (m measured) sizes() string {
	var b strings.Builder
	for _, row := range m.Rows {
		fmt.Fprintf(&b, "| %s |", row.Name)
		for _, engine := range []string{"SQLite", "PostgreSQL"} {
			for _, accounts := range []string{"1000", "1000000"} {
				fmt.Fprintf(&b, " %.1f |", m.Figures[engine][accounts][row.Name])
			}
		}
		fmt.Fprintf(&b, " %s |\n", row.Goal)
	}
	return b.String()
}

// nodes returns the table of scaling.md.
func (m measured) nodes() string {
	var b strings.Builder
	for _, c := range m.Costs {
		if c.Engine == "PostgreSQL" {
			fmt.Fprintf(&b, "| %s | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
				c.Kind, c.Nodes, c.Rate, c.Node, c.Database, c.Queries, c.Hits, c.Commits)
		}
	}
	return b.String()
}

// The tables of figures have what was measured last. Run it with -update after a
// measurement.
func TestMeasuredFigures(t *testing.T) {
	var m measured
	if err := json.Unmarshal([]byte(read(t, "bench/plan/measured.json")), &m); err != nil {
		t.Fatal(err)
	}
	for _, table := range []struct{ document, header, want string }{
		{"docs/performance.md", "| | SQLite, 1,000 accounts |", m.sizes()},
		{"docs/scaling.md", "| | nodes | requests/s |", m.nodes()},
	} {
		text := read(t, table.document)
		_, below, found := strings.Cut(text, "\n"+table.header)
		for range 2 { // the header and the line below it
			_, below, _ = strings.Cut(below, "\n")
		}
		rows, _, ends := strings.Cut(below, "\n\n")
		if !found || !ends || table.want == "" {
			t.Fatalf("%s has no table %q, or it was not measured", table.document, table.header)
		}
		if *update {
			text = strings.Replace(text, rows+"\n", table.want, 1)
			if err := os.WriteFile(filepath.Join(root, table.document), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(table.want, rows+"\n"); diff != "" {
			t.Errorf("%s (-bench/plan/measured.json +document):\n%s", table.document, diff)
		}
	}
}
