package mutation_test

import (
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

//go:embed accepted.txt
var acceptedText string

// readAccepted reads accepted.txt: names of mutants, each followed by an indented
// reason.
func readAccepted(t *testing.T, written string) map[string]string {
	t.Helper()
	accepted := make(map[string]string)
	name := ""
	for line := range strings.Lines(written) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			if _, twice := accepted[text]; twice {
				t.Errorf("accepted.txt lists this twice: %s", text)
			}
			name = text
			accepted[name] = ""
		default:
			accepted[name] = strings.TrimSpace(accepted[name] + " " + text)
		}
	}
	for name, reason := range accepted {
		if reason == "" {
			t.Errorf("accepted.txt gives no reason for: %s", name)
		}
	}
	return accepted
}

// Every accepted change is in a line that exists. Gremlins, which takes an hour, would
// find a line that was changed or removed.
func TestAcceptedLinesExist(t *testing.T) {
	lines := make(map[string][]string)
	for name := range readAccepted(t, acceptedText) {
		change, line, found := strings.Cut(strings.TrimSuffix(name, " (again)"), ": ")
		if !found {
			t.Errorf("accepted.txt has no line of code in: %s", name)
			continue
		}
		file, _, _ := strings.Cut(change, " ")
		if lines[file] == nil {
			text, err := os.ReadFile(filepath.Join("..", "..", file))
			if err != nil {
				t.Fatal(err)
			}
			for l := range strings.Lines(string(text)) {
				lines[file] = append(lines[file], strings.TrimSpace(l))
			}
		}
		if !slices.Contains(lines[file], line) {
			t.Errorf("accepted.txt has a line that %s does not have: %s", file, line)
		}
	}
	if len(lines) == 0 {
		t.Error("accepted.txt lists nothing")
	}
}
