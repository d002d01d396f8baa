package api_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs/protocol.md has every path and every status and code of the tables.
func TestProtocolIsDocumented(t *testing.T) {
	text := document(t, "protocol.md")
	for _, row := range api.Rows() {
		named := regexp.MustCompile("`([A-Z]+ )?" + regexp.QuoteMeta(row.Path) + "[?`]")
		if !named.MatchString(text) {
			t.Errorf("%s is not in docs/protocol.md", row.Path)
		}
	}
	for _, r := range api.Responses() {
		if row := fmt.Sprintf("| %d | %d |", r[0], r[1]); !strings.Contains(text, row) {
			t.Errorf("%s is not in docs/protocol.md", row)
		}
	}
}

// docs/reference.md has every event of the audit log and its meaning.
func TestEventsAreDocumented(t *testing.T) {
	text := document(t, "reference.md")
	events := audit.Meanings()
	if len(events) < 20 {
		t.Fatalf("only %d events", len(events))
	}
	for _, e := range events {
		if row := fmt.Sprintf("| `%s` | %s |\n", e.Kind, e.Means); !strings.Contains(text, row) {
			t.Errorf("%s is not in docs/reference.md", row)
		}
	}
}
