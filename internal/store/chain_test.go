package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/store"
)

// refuse writes one row to the audit log that says nothing else.
func refuse(t testing.TB, s *store.Store, detail string) {
	t.Helper()
	if err := s.Note(t.Context(), store.Event{Kind: store.EventSignInRefused, Detail: detail}); err != nil {
		t.Fatal(err)
	}
}

// brokenAt returns the first row of which the log says that it is not as it
// was written; 0: all are.
func brokenAt(t testing.TB, s *store.Store) (row int64, problem string) {
	t.Helper()
	_, err := s.VerifyAudit(t.Context())
	if broken := (*store.BrokenChainError)(nil); errors.As(err, &broken) {
		return broken.Row, broken.Problem
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, ""
}

// tamper runs statements on the database file, as somebody does who can write
// to it.
func tamper(t testing.TB, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.Name)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		res, err := db.Exec(statement)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if n, _ := res.RowsAffected(); n == 0 {
			t.Fatalf("%s: nothing was changed", statement)
		}
	}
}

// chained makes a data folder with eight rows in its log, of which the first
// three are pruned: 4 to 8 are left.
func chained(t testing.TB) (*store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s, err := store.Open(t.Context(), store.Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx := store.WithActor(t.Context(), store.Actor{Name: "operator", Device: "Browser", Address: "192.0.2.1"})
	for i := range 8 {
		if i == 3 {
			now = now.Add(time.Hour)
		}
		if _, err := s.AddAccount(ctx, newAccount(fmt.Sprint("person", i+1), "")); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.PruneAudit(t.Context(), now); n != 3 || err != nil {
		t.Fatalf("pruned %d rows, %v, want 3", n, err)
	}
	if row, problem := brokenAt(t, s); row != 0 {
		t.Fatalf("row %d %s, before anybody tampered", row, problem)
	}
	return s, dir
}

// Attack: somebody with access to the database file covers their traces. What
// was done to which row is named.
func TestTamperingIsFound(t *testing.T) {
	type attack struct {
		name, statement string
		want            int64
	}
	tests := []attack{
		{"the end cut off", "DELETE FROM audit WHERE id > 6", 7},
		{"all rows deleted", "DELETE FROM audit", 4},
		{"a row added at the end", "INSERT INTO audit SELECT 9, at, event, account_id, account, actor, device, address, detail, hash FROM audit WHERE id = 8", 9},
		{"a row added at the front", "INSERT INTO audit SELECT 3, at, event, account_id, account, actor, device, address, detail, hash FROM audit WHERE id = 8", 3},
		{"the front cut off", "DELETE FROM audit WHERE id < 6", 4},
		{"two rows gone", "DELETE FROM audit WHERE id IN (5, 6)", 5},
		{"the log's end removed", "DELETE FROM setting WHERE name = 'audit head'", 4},
		{"the log's anchor removed", "DELETE FROM setting WHERE name = 'audit anchor'", 1},
		{"the log's end set to another hash", "UPDATE setting SET value = CAST(substr(value, 1, 8) || zeroblob(32) AS BLOB) WHERE name = 'audit head'", 8},
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
			"a longer hash": "hash = CAST(hash || zeroblob(1) AS BLOB)", "texts moved": "account = '', device = device || account",
		} {
			tests = append(tests, attack{what, fmt.Sprintf("UPDATE audit SET %s WHERE id = %d", set, row), row})
		}
		tests = append(tests, attack{"a row deleted", fmt.Sprintf("DELETE FROM audit WHERE id = %d", row), row},
			attack{"a row renumbered", fmt.Sprintf("UPDATE audit SET id = 100 WHERE id = %d", row), row})
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, row %d", test.name, test.want), func(t *testing.T) {
			s, dir := chained(t)
			tamper(t, dir, test.statement)
			if row, problem := brokenAt(t, s); row != test.want {
				t.Errorf("%s: the log says row %d %s, want row %d", test.statement, row, problem, test.want)
			}
		})
	}
}

// Attack: the hash of the changed row is recomputed. The next row then does not
// follow; the last row is not the one that was written last.
func TestTamperingWithHashesIsFound(t *testing.T) {
	for row, want := range map[int64]int64{5: 6, 7: 8, 8: 8} {
		s, dir := chained(t)
		list, err := s.AuditForward(t.Context(), store.AuditQuery{After: row - 2, Limit: 2})
		if err != nil || len(list) != 2 || list[1].ID != row {
			t.Fatal(list, err)
		}
		list[1].Detail = "nothing happened"
		tamper(t, dir, fmt.Sprintf("UPDATE audit SET detail = 'nothing happened', hash = x'%x' WHERE id = %d",
			store.AuditSum(list[1], list[0].Hash), row))
		if got, problem := brokenAt(t, s); got != want {
			t.Errorf("row %d was changed: the log says row %d %s, want row %d", row, got, problem, want)
		}
	}
}

// What was tampered with is not pruned: that would hide it.
func TestBrokenChainIsNotPruned(t *testing.T) {
	s, dir := chained(t)
	tamper(t, dir, "UPDATE audit SET detail = 'nothing' WHERE id = 6")
	_, err := s.PruneAudit(t.Context(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if broken := (*store.BrokenChainError)(nil); !errors.As(err, &broken) || broken.Row != 6 {
		t.Errorf("pruning gives %v, want that row 6 was changed", err)
	}
	if row, _ := brokenAt(t, s); row != 6 {
		t.Errorf("afterwards, the log says row %d, want 6", row)
	}
}

// Writes by several processes at once make one chain, and a sign-in is still
// no commit of its own.
func TestChainOfConcurrentWrites(t *testing.T) {
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	mia := addAccount(t, first, "mia", "")
	const n = 60
	before := first.Commits() + second.Commits()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s := []*store.Store{first, second}[i%2]
			if err := s.SignIn(t.Context(), newSignIn(mia, fmt.Sprint("device", i), fmt.Sprint("token", i))); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				if _, err := s.VerifyAudit(t.Context()); err != nil {
					t.Errorf("in the middle of it: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if commits := first.Commits() + second.Commits() - before; commits > n {
		t.Errorf("%d sign-ins took %d commits", n, commits)
	}
	rows, err := second.VerifyAudit(t.Context())
	if err != nil || rows != n+1 {
		t.Errorf("%d rows, %v, want %d", rows, err, n+1)
	}
}

// A sign-in and its row are one commit.
func TestSignInIsOneCommit(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	before := s.Commits()
	signIn(t, s, mia, "tv", "token")
	if n := s.Commits() - before; n != 1 {
		t.Errorf("it took %d commits, want 1", n)
	}
	if lines := told(t, s); !strings.HasPrefix(lines[len(lines)-1], "sign-in|mia|") {
		t.Errorf("the log ends with %q", lines[len(lines)-1])
	}
}

// A write whose caller has gone leaves neither a change nor a row; a refusal
// is told of all the same.
func TestCallerHangsUp(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if err := s.SetDisabled(gone, mia.ID, true); err == nil {
			t.Fatal("a change was made for nobody")
		}
	}
	if err := s.Note(gone, store.Event{Kind: store.EventSignInRefused, AccountID: mia.ID}); err != nil {
		t.Errorf("attack: who hangs up after a wrong password is not told of: %v", err)
	}
	if lines := told(t, s); len(lines) != 2 || !strings.HasPrefix(lines[1], "sign-in.refused|mia|") {
		t.Errorf("the log is %q", lines)
	}
}

// Attack: a flood of refusals fills the disk. Beyond a number they are only
// counted, the log says so, and what succeeds is told as ever.
func TestFloodOfRefusals(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), store.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	start := now
	for range 1000 {
		refuse(t, s, "wrong password")
	}
	lines := told(t, s)
	if len(lines) != 300 || !strings.Contains(lines[299], "only counted") {
		t.Fatalf("%d rows, the last of which is %q", len(lines), lines[len(lines)-1])
	}
	mia := addAccount(t, s, "mia", "")
	if err := s.Note(t.Context(), store.Event{Kind: store.EventSignInRefused, AccountID: mia.ID, Detail: "wrong password"}); err != nil {
		t.Fatal(err)
	}
	if lines := told(t, s); len(lines) != 302 || lines[301] != "sign-in.refused|mia||||wrong password" {
		t.Errorf("attack: made-up logins hide what is tried on a real one: %q", lines[len(lines)-1])
	}
	now = now.Add(15 * time.Minute)
	refuse(t, s, "wrong password")
	if n := len(told(t, s)); n != 303 {
		t.Errorf("%d rows afterwards, want 303", n)
	}
	counts, err := s.AuditCounts(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Count{
		{Quarter: start, What: "account.added", N: 1}, {Quarter: start, What: "sign-in.refused", N: 1001},
		{Quarter: now, What: "sign-in.refused", N: 1},
	}
	if fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("counts are %v, want %v", counts, want)
	}
	tallies, err := s.Tallies(t.Context(), start)
	if err != nil || len(tallies) != 1 || tallies[0].N != 700 {
		t.Errorf("tallies are %v, %v", tallies, err)
	}
}

// Attack: somebody tries wrong passwords on accounts of their own, so that what
// they try on others is not told. It is counted by account, and bounded in all:
// the first try on each account has a row for very long.
func TestFloodOnOneAccountHidesNoOther(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), store.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	of := func(account int64, n int) {
		t.Helper()
		for range n {
			e := store.Event{Kind: store.EventSignInRefused, AccountID: account, Account: fmt.Sprint("account ", account), Detail: "wrong password"}
			if err := s.Note(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows := func(what string, want int, last string) {
		t.Helper()
		lines := told(t, s)
		if len(lines) != want || !strings.HasSuffix(lines[len(lines)-1], last) {
			t.Errorf("%s: %d rows, want %d, the last of which is %q, want %q", what, len(lines), want, lines[len(lines)-1], last)
		}
	}
	const until = "; until the quarter of an hour ends, "
	of(1, 310)
	rows("one's own account", 30, "|account 1||||wrong password"+until+"more like it about this account are only counted")
	of(2, 1)
	rows("the admin's", 31, "|account 2||||wrong password")
	if err := s.Note(t.Context(), store.Event{Kind: store.EventSignInUnfinished, AccountID: 1, Account: "account 1"}); err != nil {
		t.Fatal(err)
	}
	rows("another event", 32, "sign-in.unfinished|account 1||||")
	for account := range int64(48) {
		of(100+account, 31)
	}
	of(200, 29)
	rows("fifty accounts", 1501, "|account 200||||wrong password"+until+"only the first about each other account has a row")
	of(200, 1)
	of(2, 1)
	rows("one more each", 1501, "has a row")
	for account := range int64(3000) {
		of(1000+account, 2)
	}
	rows("three thousand accounts", 3001, "|account 2499||||wrong password"+until+"more like it are only counted")
	of(0, 310)
	rows("none at all", 3301, "||||wrong password"+until+"more like it are only counted")
	now = now.Add(15 * time.Minute)
	of(1, 1)
	rows("the next quarter", 3302, "|account 1||||wrong password")
	counts, err := s.AuditCounts(t.Context(), now.Add(-15*time.Minute))
	all := int64(310 + 1 + 48*31 + 29 + 2 + 6000 + 310)
	if err != nil || len(counts) != 3 || counts[0].N != all {
		t.Errorf("counts are %v, %v, want %d at first", counts, err, all)
	}
}

func TestTally(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 14, 59, 0, time.UTC)
	s, err := store.Open(t.Context(), store.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	start := now.Add(-14*time.Minute - 59*time.Second)
	for _, n := range []int64{3, 4} {
		if err := s.Tally(t.Context(), store.TallyTokenChecks, n); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	if err := s.Tally(t.Context(), store.TallyTokenChecks, 5); err != nil {
		t.Fatal(err)
	}
	got, err := s.Tallies(t.Context(), start.Add(time.Minute))
	want := []store.Count{{Quarter: start, What: "token.checks", N: 7}, {Quarter: now, What: "token.checks", N: 5}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if counts, err := s.AuditCounts(t.Context(), start); err != nil || len(counts) != 0 {
		t.Errorf("token checks count as rows of the log: %v, %v", counts, err)
	}
}

// The log holds what happened within the time to keep, in the same chain.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), store.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.KeepAudit(ctx, 25*time.Minute) })
		if err := s.Tally(t.Context(), store.TallyTokenChecks, 1); err != nil {
			t.Error(err)
		}
		for minute := range 40 {
			refuse(t, s, fmt.Sprint("minute ", minute))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		list, err := s.AuditForward(t.Context(), store.AuditQuery{})
		// The last round was at minute 40: what is older than minute 15 is gone.
		if err != nil || len(list) != 25 || list[0].Detail != "minute 15" {
			t.Errorf("%d rows are kept, %v, the first of which is %+v", len(list), err, list[0])
		}
		if row, problem := brokenAt(t, s); row != 0 {
			t.Errorf("row %d %s", row, problem)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if rows, err := s.VerifyAudit(t.Context()); rows != 0 || err != nil {
			t.Errorf("%d rows are kept, %v, want none", rows, err)
		}
		if tallies, err := s.Tallies(t.Context(), time.Time{}); len(tallies) != 0 || err != nil {
			t.Errorf("what was counted is kept: %v, %v", tallies, err)
		}
		refuse(t, s, "the first after it was empty")
		if rows, err := s.VerifyAudit(t.Context()); rows != 1 || err != nil {
			t.Errorf("%d rows, %v, want one", rows, err)
		}
		cancel()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// More rows than one batch are pruned at once; without a time to keep, none.
func TestPruningInBatches(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mia := addAccount(t, s, "mia", "")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 320 {
				if err := s.SetPasswordHash(t.Context(), mia.ID, "another"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.KeepAudit(t.Context(), 0)
	if rows, err := s.VerifyAudit(t.Context()); rows != 2561 || err != nil {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if n, err := s.PruneAudit(t.Context(), time.Now().Add(time.Hour)); n != 2561 || err != nil {
		t.Errorf("pruned %d rows, %v, want 2561", n, err)
	}
}

// Rows are found by account, event, text, time and place, from both ends.
func TestAuditQuery(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), store.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mia := addAccount(t, s, "mia", "") // 1
	addAccount(t, s, "noa", "")        // 2
	now = now.Add(time.Hour)
	ctx := store.WithActor(t.Context(), store.Actor{Device: "100% Player_1", Address: "192.0.2.7"})
	if err := s.SignIn(ctx, newSignIn(mia, "tv", "one")); err != nil { // 3
		t.Fatal(err)
	}
	refuse(t, s, "no such account")                              // 4
	if err := s.RemoveAccount(t.Context(), mia.ID); err != nil { // 5
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		query store.AuditQuery
		want  string
	}{
		{"all", store.AuditQuery{}, "[5 4 3 2 1]"},
		{"account", store.AuditQuery{Account: mia.ID}, "[5 3 1]"},
		{"an account that is gone, by name", store.AuditQuery{Username: "mia"}, "[5 3 1]"},
		{"event", store.AuditQuery{Events: []store.EventKind{store.EventSignIn}}, "[3]"},
		{"account and event", store.AuditQuery{Account: mia.ID, Events: []store.EventKind{store.EventAccountAdded}}, "[1]"},
		{"events", store.AuditQuery{Events: []store.EventKind{store.EventSignIn, store.EventSignInRefused}}, "[4 3]"},
		{"events of an account", store.AuditQuery{
			Account: mia.ID, Events: []store.EventKind{store.EventSignIn, store.EventSignInRefused}, Limit: 5,
		}, "[3]"},
		{"text, another case", store.AuditQuery{Text: "NO SUCH"}, "[4]"},
		{"text of a device", store.AuditQuery{Text: "0% player_"}, "[3]"},
		{"text of an address", store.AuditQuery{Text: "192.0.2.7"}, "[3]"},
		{"text that would be a pattern", store.AuditQuery{Text: "%a%"}, "[]"},
		{"text that would be one letter", store.AuditQuery{Text: "m_a"}, "[]"},
		{"since", store.AuditQuery{Since: now}, "[5 4 3]"},
		{"before", store.AuditQuery{Before: 3}, "[2 1]"},
		{"after", store.AuditQuery{After: 3}, "[5 4]"},
		{"limit", store.AuditQuery{Limit: 2}, "[5 4]"},
		{"everything", store.AuditQuery{
			Account: mia.ID, Username: "mia", Events: []store.EventKind{store.EventSignIn}, Text: "player", Since: now, Before: 4, After: 2, Limit: 1,
		}, "[3]"},
	} {
		list, err := s.Audit(t.Context(), test.query)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		ids := make([]int64, len(list))
		for i, e := range list {
			ids[i] = e.ID
		}
		if got := fmt.Sprint(ids); got != test.want {
			t.Errorf("%s: rows %s, want %s", test.name, got, test.want)
		}
	}
	if list, err := s.AuditForward(t.Context(), store.AuditQuery{Limit: 2}); err != nil || len(list) != 2 || list[0].ID != 1 {
		t.Errorf("forward: %v, %v", list, err)
	}
}

// What a program says of itself is kept short and moves no cursor.
func TestAuditTextIsClean(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := store.WithActor(t.Context(), store.Actor{Device: "\x1b[2J\xff" + strings.Repeat("é", 300)})
	if err := s.Note(ctx, store.Event{Kind: store.EventSignInRefused}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Audit(t.Context(), store.AuditQuery{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if d := list[0].Device; len(d) > 160 || !strings.HasPrefix(d, "?[2J?éé") || !strings.HasSuffix(d, "é…") {
		t.Errorf("the device is %q", d)
	}
	if row, problem := brokenAt(t, s); row != 0 {
		t.Errorf("row %d %s", row, problem)
	}
}
