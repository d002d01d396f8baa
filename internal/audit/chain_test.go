package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signin"
)

// chained returns a data folder whose log has had eight rows: 1 to 3 are pruned, and 4 to 8
// are left.
func chained(t testing.TB) (*fixture, string) {
	t.Helper()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	w := newFixture(t, core.Config{Dir: dir, Now: func() time.Time { return now }})
	by := audit.Actor{Name: "operator", Device: "Browser", Address: "192.0.2.1"}
	for i := range 8 {
		if i == 3 {
			now = now.Add(time.Hour)
		}
		w.addBy(by, fmt.Sprint("person", i+1))
	}
	if n, err := w.Audit.Prune(t.Context(), now); n != 3 || err != nil {
		t.Fatalf("pruned %d rows, %v, want 3", n, err)
	}
	if row, problem := w.broken(); row != 0 {
		t.Fatalf("row %d %s, before anybody tampered", row, problem)
	}
	return w, dir
}

// Attack: an attacker with access to the database file covers their traces. The log reports
// which row was changed, and how.
func TestTamperingIsFound(t *testing.T) {
	type attack struct {
		name, statement string
		want            int64
	}
	const columns = "at, event, account_id, account, actor, device, address, detail, hash FROM audit"
	tests := []attack{
		{"the end cut off", "DELETE FROM audit WHERE id > 6", 7},
		{"all rows deleted", "DELETE FROM audit", 4},
		{"a row added at the end", "INSERT INTO audit SELECT 9, " + columns + " WHERE id = 8", 9},
		{"a row added at the front", "INSERT INTO audit SELECT 3, " + columns + " WHERE id = 8", 3},
		{"the front cut off", "DELETE FROM audit WHERE id < 6", 4},
		{"two rows gone", "DELETE FROM audit WHERE id IN (5, 6)", 5},
		{"the log's end removed", "DELETE FROM setting WHERE name = 'audit head'", 4},
		{"the log's anchor removed", "DELETE FROM setting WHERE name = 'audit anchor'", 1},
		{"the log's end set to another hash", `UPDATE setting
			SET value = CAST(substr(value, 1, 8) || zeroblob(32) AS BLOB) WHERE name = 'audit head'`, 8},
	}
	for _, column := range []string{"event", "account", "actor", "device", "address", "detail"} {
		for row := int64(4); row <= 8; row++ {
			for how, expression := range map[string]string{
				"a letter more": column + " || 'x'", "a nul more": column + " || char(0)", "another text": "'other'",
			} {
				tests = append(tests, attack{
					column + ", " + how, fmt.Sprintf("UPDATE audit SET %s = %s WHERE id = %d", column, expression, row), row,
				})
			}
		}
	}
	for row := int64(4); row <= 8; row++ {
		for what, set := range map[string]string{
			"at": "at = at + 1", "account_id": "account_id = account_id + 1", "hash": "hash = zeroblob(32)",
			"a longer hash": "hash = CAST(hash || zeroblob(1) AS BLOB)",
			"texts moved":   "account = '', device = device || account",
		} {
			tests = append(tests, attack{what, fmt.Sprintf("UPDATE audit SET %s WHERE id = %d", set, row), row})
		}
		tests = append(tests, attack{"a row deleted", fmt.Sprintf("DELETE FROM audit WHERE id = %d", row), row},
			attack{"a row renumbered", fmt.Sprintf("UPDATE audit SET id = 100 WHERE id = %d", row), row})
	}
	w, dir := chained(t) // one for all: opening a database takes longer than everything else here
	execute(t, dir, "CREATE TABLE intact_audit AS SELECT * FROM audit", "CREATE TABLE intact_setting AS SELECT * FROM setting")
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, row %d", test.name, test.want), func(t *testing.T) {
			tamper(t, dir, test.statement)
			if row, problem := w.broken(); row != test.want {
				t.Errorf("%s: the log says row %d %s, want row %d", test.statement, row, problem, test.want)
			}
		})
		execute(t, dir, "DELETE FROM audit", "INSERT INTO audit SELECT * FROM intact_audit",
			"DELETE FROM setting", "INSERT INTO setting SELECT * FROM intact_setting")
		if row, problem := w.broken(); row != 0 {
			t.Fatalf("row %d %s, after %s was undone", row, problem, test.name)
		}
	}
}

// Attack: the hash of the changed row is computed again. The next row then does
// not follow from it; the last row is not the one that was written last.
func TestTamperingWithHashesIsFound(t *testing.T) {
	for row, want := range map[int64]int64{5: 6, 7: 8, 8: 8} {
		w, dir := chained(t)
		list, err := w.Audit.List(t.Context(), audit.Query{After: row - 2, Limit: 2, OldestFirst: true})
		if err != nil || len(list) != 2 || list[1].ID != row {
			t.Fatal(list, err)
		}
		list[1].Detail = "nothing happened"
		tamper(t, dir, fmt.Sprintf("UPDATE audit SET detail = 'nothing happened', hash = x'%x' WHERE id = %d",
			list[1].Sum(list[0].Hash), row))
		if got, problem := w.broken(); got != want {
			t.Errorf("row %d was changed: the log says row %d %s, want row %d", row, got, problem, want)
		}
	}
}

// Attack: rows are removed, and the ends of the log are adjusted. Accounts and tokens still
// exist that were added at times for which the log has no rows.
func TestMissingRowsAreFoundByTheRest(t *testing.T) {
	const forgetEnds = "DELETE FROM setting WHERE name IN ('audit head', 'audit anchor')"
	moveHead := func(row int) string {
		return fmt.Sprintf(`UPDATE setting SET value = (SELECT CAST(unhex(printf('%%016x', id)) || hash AS BLOB)
			FROM audit WHERE id = %d) WHERE name = 'audit head'`, row)
	}
	for name, test := range map[string]struct {
		statements []string
		want       int64
	}{
		"emptied":                              {[]string{"DELETE FROM audit"}, 1},
		"emptied, with its ends":               {[]string{"DELETE FROM audit", forgetEnds}, 1},
		"emptied, with an end of nothing":      {[]string{"DELETE FROM audit", "UPDATE setting SET value = zeroblob(40) WHERE name = 'audit head'"}, 1},
		"cut off":                              {[]string{"DELETE FROM audit WHERE id > 3"}, 4},
		"cut off, with the end moved":          {[]string{"DELETE FROM audit WHERE id > 3", moveHead(3)}, 4},
		"cut off before a token, and the end":  {[]string{"DELETE FROM audit WHERE id > 4", moveHead(4)}, 5},
		"the table replaced by an empty table": {[]string{"DROP TABLE audit", "CREATE TABLE audit AS SELECT * FROM device WHERE 0", "DROP TABLE audit", emptyAudit, forgetEnds}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w, dir := grown(t)
			execute(t, dir, test.statements...)
			if row, problem := w.broken(); row != test.want {
				t.Errorf("the log says row %d %s, want row %d", row, problem, test.want)
			}
		})
	}
	// The log continues after it was emptied: it begins later than the accounts.
	w, dir := grown(t)
	execute(t, dir, "DELETE FROM audit", forgetEnds)
	later := newFixture(t, core.Config{Dir: dir, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	later.add("late")
	if row, problem := w.broken(); row != 1 {
		t.Errorf("a restarted log: row %d %s, want row 1", row, problem)
	}
	// Rows that are missing for a valid reason are not reported.
	w, dir = grown(t)
	if _, err := w.Audit.Prune(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if rows, err := w.Audit.Verify(t.Context()); err != nil || rows != 0 {
		t.Errorf("all pruned: %d rows, %v", rows, err)
	}
	// The clock of grown can be ahead of the machine's.
	again := newFixture(t, core.Config{Dir: dir, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	again.add("late")
	if rows, err := w.Audit.Verify(t.Context()); err != nil || rows != 1 {
		t.Errorf("all pruned, and one more: %d rows, %v", rows, err)
	}
	if _, err := newFixture(t, core.Config{}).Audit.Verify(t.Context()); err != nil {
		t.Errorf("neither rows nor accounts: %v", err)
	}
}

const emptyAudit = `CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL,
	account_id INTEGER NOT NULL, account TEXT NOT NULL, actor TEXT NOT NULL, device TEXT NOT NULL,
	address TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL)`

// grown is a log of accounts and tokens, each a millisecond after the one before.
func grown(t *testing.T) (w *fixture, dir string) {
	t.Helper()
	dir = t.TempDir()
	at := time.Now().UTC()
	w = newFixture(t, core.Config{Dir: dir, Now: func() time.Time { at = at.Add(time.Millisecond); return at }})
	w.add("ada")
	mia := w.add("mia")
	for i := range 3 {
		if _, err := w.signIn(nobody, w.prove(mia), fmt.Sprint("device", i)); err != nil {
			t.Fatal(err)
		}
	}
	if rows, err := w.Audit.Verify(t.Context()); err != nil || rows != 5 {
		t.Fatal(rows, err)
	}
	return w, dir
}

// A log that was tampered with is not pruned: that would hide the changes.
func TestBrokenChainIsNotPruned(t *testing.T) {
	w, dir := chained(t)
	tamper(t, dir, "UPDATE audit SET detail = 'nothing' WHERE id = 6")
	_, err := w.Audit.Prune(t.Context(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if broken := (*audit.BrokenChainError)(nil); !errors.As(err, &broken) || broken.Row != 6 {
		t.Errorf("pruning returned %v, want that row 6 was changed", err)
	}
	if row, _ := w.broken(); row != 6 {
		t.Errorf("afterwards, the log says row %d, want 6", row)
	}
}

// Concurrent writes by several processes create one chain, and a sign-in still needs only
// one commit.
func TestChainOfConcurrentWrites(t *testing.T) {
	dir := t.TempDir()
	processes := []*fixture{newFixture(t, core.Config{Dir: dir}), newFixture(t, core.Config{Dir: dir})}
	first, second := processes[0], processes[1]
	mia := first.add("mia")
	proofs := make([]signin.Proof, 60)
	for i := range proofs {
		proofs[i] = processes[i%2].prove(mia)
	}
	before := first.DB.Commits() + second.DB.Commits()
	var wg sync.WaitGroup
	for i, proof := range proofs {
		wg.Go(func() {
			w := processes[i%2]
			if _, err := w.signIn(nobody, proof, fmt.Sprint("device", i)); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				if _, err := w.Audit.Verify(t.Context()); err != nil {
					t.Errorf("in the middle of it: %v", err)
				}
			}
		})
	}
	wg.Wait()
	n := len(proofs)
	if commits := first.DB.Commits() + second.DB.Commits() - before; commits > uint64(n) {
		t.Errorf("%d sign-ins took %d commits", n, commits)
	}
	rows, err := second.Audit.Verify(t.Context())
	if err != nil || rows != int64(n)+1 {
		t.Errorf("%d rows, %v, want %d", rows, err, n+1)
	}
}

// A write whose caller has disconnected makes no change and no row. A failed attempt is
// still recorded.
func TestCallerHangsUp(t *testing.T) {
	w := newFixture(t, core.Config{})
	mia := w.add("mia")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if err := w.Accounts.Disable(gone, nobody, mia.ID); err == nil {
			t.Fatal("a change was made although the caller had disconnected")
		}
	}
	err := w.Audit.RecordFailure(gone, nobody, audit.Event{Kind: audit.SignInRefused, AccountID: mia.ID})
	if err != nil {
		t.Errorf("attack: a guesser who hangs up is not recorded: %v", err)
	}
	if lines := w.lines(); len(lines) != 2 || !strings.HasPrefix(lines[1], "sign-in.refused|mia|") {
		t.Errorf("the log is %q", lines)
	}
}

// A backup is of one moment, whatever is written during the backup. Its audit log is
// complete, and matches the accounts of the backup.
func TestBackupWhileWriting(t *testing.T) {
	w := newFixture(t, core.Config{Dir: t.TempDir()})
	w.add("first")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				w.add(fmt.Sprint("mia", i))
			}
		}
	})
	for range 5 {
		dir := t.TempDir()
		w.must(w.DB.Backup(t.Context(), filepath.Join(dir, db.Name), nil))
		info, err := os.Stat(filepath.Join(dir, db.Name))
		w.must(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the backup has mode %v, want 0600", info.Mode())
		}
		backup := newFixture(t, core.Config{Dir: dir, MustExist: true})
		rows, err := backup.Audit.Verify(t.Context())
		w.must(err)
		var accounts int64
		for _, err := range paging.All(0, func(r paging.Request) (paging.List[account.Account], error) {
			return backup.Accounts.List(t.Context(), r)
		}) {
			w.must(err)
			accounts++
		}
		if accounts == 0 || rows != accounts {
			t.Errorf("the backup has %d rows of %d accounts", rows, accounts)
		}
	}
}
