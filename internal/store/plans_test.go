package store_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

// statements collects the statements that the suite runs.
type statements struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (s *statements) add(texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		s.texts[text] = true
	}
}

// allowed are the steps of plans that read a table or index from its start, or sort
// rows, each with the reason why that is not more work in a large table. A statement
// has the text in it, and a step begins with the step.
var allowed = []struct{ text, step, reason string }{
	{"SELECT EXISTS (SELECT 1 FROM account)", "SCAN account", "it stops at the first row"},
	{"WHERE admin AND NOT disabled ORDER BY id LIMIT 1", "SCAN account USING INDEX account_admin", "admins are few"},
	{"id <> $1 AND admin AND NOT disabled", "SCAN account USING INDEX account_admin", "admins are few"},
	{"AS few", "SCAN account USING INDEX account_admin", "it stops at paging.Counted"},
	{"AS few", "SCAN account USING INDEX account_disabled", "it stops at paging.Counted"},
	{"AS few", "SCAN token USING COVERING INDEX token_server", "it stops at paging.Counted"},
	{"AS few", "SCAN token", "it stops at paging.Counted, and access tokens are everywhere in the table"},
	{"SELECT id, address FROM pin", "USE TEMP B-TREE FOR ORDER BY", "PINs that wait are 5,200 at most"},
	{"FROM tally", "USE TEMP B-TREE FOR GROUP BY", "it counts the events of a day"},
	{"INSERT INTO event_count", "USE TEMP B-TREE FOR GROUP BY", "it counts the events of a quarter of an hour"},
	{"FROM transient_key", "SCAN transient_key", "each node has a few keys"},
	{"FROM signing_key", "SCAN signing_key", "there are a few keys, and old ones go"},
	{"FROM signing_key", "USE TEMP B-TREE FOR ORDER BY", "there are a few keys, and old ones go"},
	{"FROM token WHERE device_id = $1 AND kind = $2", "USE TEMP B-TREE FOR ORDER BY", "a device has ten tokens of a kind at most"},
	{"SELECT id FROM lineage", "USE TEMP B-TREE FOR ORDER BY", "a token has few ancestors"},
	{"hash FROM audit ORDER BY id", "SCAN audit", "verifying the log reads all of it"},
	{"FROM device WHERE account_id = $1", "USE TEMP B-TREE FOR ORDER BY", "an account has 500 devices at most"},
	{"FROM outbox ORDER BY due_at, id LIMIT 1", "SCAN outbox USING COVERING INDEX outbox_due", "it stops at the first row"},
	{"FROM outbox WHERE (task", "SCAN outbox", "1,200 rows wait at most"},
	{"FROM webhook WHERE account_id = $1", "USE TEMP B-TREE FOR ORDER BY", "an account has ten webhooks at most"},
	{"CROSS JOIN share h", "USE TEMP B-TREE FOR ORDER BY", "it sorts 1,000 rows at most"},
	{"AS everyones", "USE TEMP B-TREE FOR ORDER BY", "it sorts four times as many rows as it returns"},
}

// derived are the names of tables that statements make themselves.
var derived = []string{"CONSTANT", "few", "gone", "lineage", "every", "found", "everyones", "owned", "admins", "shared", "n"}

// No statement reads a whole table that grows, nor sorts more rows than it returns:
// a listing that came back without an index would be as slow as its table is long.
func checkPlans(t *testing.T, texts map[string]bool) {
	d, err := db.Open(t.Context(), db.Config{Migrations: store.Migrations()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	used := make([]bool, len(allowed))
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
			continue
		}
		checkBounds(t, text)
		plan := explain(t, d, text)
		for _, step := range plan {
			name, scans := strings.CutPrefix(step, "SCAN ")
			name, _, _ = strings.Cut(name, " ")
			if !strings.HasPrefix(step, "USE TEMP B-TREE") && (!scans || slices.Contains(derived, name)) {
				continue
			}
			i := slices.IndexFunc(allowed, func(a struct{ text, step, reason string }) bool {
				return strings.HasPrefix(step, a.step) && strings.Contains(text, a.text)
			})
			if i < 0 {
				t.Errorf("%s\n\n%s", text, strings.Join(plan, "\n"))
				break
			}
			used[i] = true
		}
	}
	for i, a := range allowed {
		if !used[i] {
			t.Errorf("no statement with %q has the step %q any more: remove it from the list", a.text, a.step)
		}
	}
}

// bound is a comparison of a column with a parameter.
var bound = regexp.MustCompile(`([\w.]+|LOWER\([\w.]+\)) ([<>])=? \$\d`)

// No SELECT has two bounds on the same side of a column. The database searches by one of
// them, and compares every row beyond it with the other. Which one depends on its
// statistics, and is not in the plan.
func checkBounds(t *testing.T, text string) {
	for query := range strings.SplitSeq(text, "SELECT") {
		seen := map[string]bool{}
		for _, found := range bound.FindAllStringSubmatch(query, -1) {
			side := found[1] + " " + found[2]
			if seen[side] {
				t.Errorf("%s\n\nbounds %s twice", text, side)
			}
			seen[side] = true
		}
	}
}

// explain returns the steps of a plan.
func explain(t *testing.T, d *db.DB, text string) (steps []string) {
	t.Helper()
	args := 0
	for regexp.MustCompile(`\$` + regexp.QuoteMeta(strconv.Itoa(args+1)) + `\b`).MatchString(text) {
		args++
	}
	rows, err := d.Query(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, args)...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	return steps
}
