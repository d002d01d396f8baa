//go:build clients

package clients_test

import (
	_ "embed"
	"fmt"
	"os"
	"strings"
	"testing"
)

// documentPath is the document with the table, and prose has its other text. rangesPath has
// the result of TestEveryVersion, for the same document.
const (
	documentPath = "../../docs/clients.md"
	rangesPath   = "ranges.md"
)

//go:embed document.md
var prose string

// The cells of the table.
const (
	works  = "yes"
	fails  = "FAILED"
	absent = "–"
)

// cell is the table's entry for one client and one operation.
func (c client) cell(passed map[string]bool, operation string) string {
	switch {
	case passed[operation]:
		return works
	case c.cannot[operation] != "":
		return absent
	}
	return fails
}

// summary is the table for a terminal: one line for each client, and one letter for each operation.
func summary(clients []client, passed []map[string]bool) string {
	var b strings.Builder
	b.WriteString("\n")
	for i, operation := range operations {
		fmt.Fprintf(&b, "%28s%s%s\n", "", strings.Repeat("| ", i), operation)
	}
	for i, c := range clients {
		if passed[i] == nil {
			continue
		}
		fmt.Fprintf(&b, "%-28s", c.title()+" "+c.version)
		for _, operation := range operations {
			mark := map[string]string{works: "+", absent: "-", fails: "!"}[c.cell(passed[i], operation)]
			b.WriteString(mark + " ")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n+ works, - the client has no such operation, ! failed\n")
	return b.String()
}

// document returns the text of docs/clients.md.
func document(t *testing.T, clients []client, passed []map[string]bool) string {
	t.Helper()
	return strings.NewReplacer("TABLE\n", table(clients, passed), "RANGES\n", readRanges(t)).Replace(prose)
}

// readRanges returns the result of the last run of TestEveryVersion with -update.
func readRanges(t *testing.T) string {
	t.Helper()
	written, err := os.ReadFile(rangesPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(written)
}

// table has a row for each operation and a column for each client. The last column
// has the clients that are left out, and why.
func table(clients []client, passed []map[string]bool) string {
	var b strings.Builder
	b.WriteString("| operation |")
	for _, c := range clients {
		fmt.Fprintf(&b, " %s&nbsp;%s |", c.title(), c.version)
	}
	b.WriteString(" left out |\n|---|")
	b.WriteString(strings.Repeat(":-:|", len(clients)))
	b.WriteString("---|\n")
	for _, operation := range operations {
		fmt.Fprintf(&b, "| %s |", operation)
		for i, c := range clients {
			fmt.Fprintf(&b, " %s |", c.cell(passed[i], operation))
		}
		fmt.Fprintf(&b, " %s |\n", leftOut(clients, operation))
	}
	return b.String()
}

// leftOut returns one line with the clients that lack an operation, and why.
func leftOut(clients []client, operation string) string {
	var order []string
	names := make(map[string][]string)
	for _, c := range clients {
		reason := c.cannot[operation]
		if reason == "" {
			continue
		}
		if names[reason] == nil {
			order = append(order, reason)
		}
		names[reason] = append(names[reason], c.title()+" "+c.version)
	}
	for i, reason := range order {
		order[i] = strings.Join(names[reason], ", ") + ": " + reason
	}
	return strings.Join(order, "; ")
}

// compareDocument fails if the document does not have the table of this run, or updates it with -update.
func compareDocument(t *testing.T, want string) {
	t.Helper()
	if *update {
		if t.Failed() {
			t.Errorf("%s is not updated, because something failed", documentPath)
			return
		}
		if err := os.WriteFile(documentPath, []byte(want), 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Error(err)
		return
	}
	if string(got) != want {
		t.Errorf("%s is not what this run found; run the test with -update", documentPath)
	}
}
