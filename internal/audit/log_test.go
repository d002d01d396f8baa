package audit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
)

// Attack: a flood of failed attempts fills the disk. Beyond a limit, they are only counted
// and the log says so. Successful attempts are recorded as usual.
func TestFloodOfFailures(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	w := newFixture(t, core.Config{Now: func() time.Time { return now }})
	start := now
	for range 1000 {
		w.fail("wrong password")
	}
	lines := w.lines()
	if len(lines) != 300 || !strings.Contains(lines[299], "only counted") {
		t.Fatalf("%d rows, the last of which is %q", len(lines), lines[len(lines)-1])
	}
	mia := w.add("mia")
	w.must(w.Audit.RecordFailure(t.Context(), nobody, audit.Event{
		Kind: audit.SignInRefused, AccountID: mia.ID, Detail: "wrong password",
	}))
	if lines := w.lines(); len(lines) != 302 || lines[301] != "sign-in.refused|mia||||wrong password" {
		t.Errorf("attack: invented logins hide attempts on a real one: %q", lines[len(lines)-1])
	}
	now = now.Add(15 * time.Minute)
	w.fail("wrong password")
	if n := len(w.lines()); n != 303 {
		t.Errorf("%d rows afterwards, want 303", n)
	}
	counts, err := w.Audit.Counts(t.Context(), start)
	w.must(err)
	if diff := cmp.Diff([]audit.Count{
		{Quarter: start, What: "account.added", N: 1}, {Quarter: start, What: "sign-in.refused", N: 1001},
		{Quarter: now, What: "sign-in.refused", N: 1},
	}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	tallies, err := w.Audit.Tallies(t.Context(), start)
	if err != nil || len(tallies) != 1 || tallies[0].N != 700 {
		t.Errorf("tallies are %v, %v", tallies, err)
	}
}

// Counts are the same whether or not the quarters of an hour were counted before, by one
// node or by two, and after rows were counted that are no longer requested.
func TestCountedEvents(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	now := start
	w := newFixture(t, core.Config{Now: func() time.Time { return now }})
	var want []audit.Count
	for i := range 6 {
		now = start.Add(time.Duration(i) * 10 * time.Minute)
		w.fail("wrong password")
		quarter := now.Truncate(audit.Quarter)
		if n := len(want); n > 0 && want[n-1].Quarter.Equal(quarter) {
			want[n-1].N++
		} else {
			want = append(want, audit.Count{Quarter: quarter, What: "sign-in.refused", N: 1})
		}
		for range 2 {
			w.must(w.Audit.CountEvents(t.Context()))
			counts, err := w.Audit.Counts(t.Context(), start)
			w.must(err)
			if diff := cmp.Diff(want, counts); diff != "" {
				t.Errorf("after %d minutes (-want +got):\n%s", 10*i, diff)
			}
		}
	}
	var counted int
	w.must(w.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM event_count").Scan(&counted))
	if counted != 2 {
		t.Errorf("at 05:50, %d quarters are counted, want those that ended by 05:30", counted)
	}
	// Quarters that are no longer charted are not counted, for example after a year without
	// a server.
	now = start.Add(365 * 24 * time.Hour)
	w.must(w.Audit.CountEvents(t.Context()))
	w.must(w.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM event_count").Scan(&counted))
	if counted != 2 {
		t.Errorf("a year later, %d quarters are counted", counted)
	}
}

// Attack: an attacker tries wrong passwords on their own accounts, so that their attempts
// on others are not recorded. Attempts are counted by account, and limited in total. The
// first attempt on each account has a row for very long.
func TestFloodOnOneAccountHidesNoOther(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	w := newFixture(t, core.Config{Now: func() time.Time { return now }})
	of := func(account int64, n int) {
		t.Helper()
		for range n {
			w.must(w.Audit.RecordFailure(t.Context(), nobody, audit.Event{
				Kind: audit.SignInRefused, AccountID: account, Account: fmt.Sprint("account ", account), Detail: "wrong password",
			}))
		}
	}
	rows := func(what string, want int, last string) {
		t.Helper()
		lines := w.lines()
		if len(lines) != want || !strings.HasSuffix(lines[len(lines)-1], last) {
			t.Errorf("%s: %d rows, want %d, the last of which is %q, want %q", what, len(lines), want, lines[len(lines)-1], last)
		}
	}
	const until = "; until the quarter of an hour ends, "
	of(1, 310)
	rows("one's own account", 30, "|account 1||||wrong password"+until+"more like it about this account are only counted")
	of(2, 1)
	rows("the admin's", 31, "|account 2||||wrong password")
	w.must(w.Audit.RecordFailure(t.Context(), nobody, audit.Event{
		Kind: audit.SignInUnfinished, AccountID: 1, Account: "account 1",
	}))
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
	rows("unknown ones", 3301, "||||wrong password"+until+"more like it are only counted")
	now = now.Add(15 * time.Minute)
	of(1, 1)
	rows("the next quarter", 3302, "|account 1||||wrong password")
	counts, err := w.Audit.Counts(t.Context(), now.Add(-15*time.Minute))
	all := int64(310 + 1 + 48*31 + 29 + 2 + 6000 + 310)
	if err != nil || len(counts) != 3 || counts[0].N != all {
		t.Errorf("counts are %v, %v, want %d at first", counts, err, all)
	}
}

func TestTally(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 14, 59, 0, time.UTC)
	w := newFixture(t, core.Config{Now: func() time.Time { return now }})
	start := now.Add(-14*time.Minute - 59*time.Second)
	for _, n := range []int64{3, 4} {
		w.must(w.Audit.Tally(t.Context(), audit.TokenChecks, n))
	}
	now = now.Add(time.Second)
	w.must(w.Audit.Tally(t.Context(), audit.TokenChecks, 5))
	got, err := w.Audit.Tallies(t.Context(), start.Add(time.Minute))
	w.must(err)
	if diff := cmp.Diff([]audit.Count{
		{Quarter: start, What: "token.checks", N: 7}, {Quarter: now, What: "token.checks", N: 5},
	}, got); diff != "" {
		t.Errorf("tallies (-want +got):\n%s", diff)
	}
	if counts, err := w.Audit.Counts(t.Context(), start); err != nil || len(counts) != 0 {
		t.Errorf("token checks count as rows of the log: %v, %v", counts, err)
	}
}

// The log keeps the rows of the retention time, in the same chain.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, core.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Audit.Retain(ctx, 25*time.Minute) })
		w.must(w.Audit.Tally(t.Context(), audit.TokenChecks, 1))
		for minute := range 40 {
			w.fail(fmt.Sprint("minute ", minute))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		// The last round was at minute 40: rows from before minute 15 are removed.
		if list := w.entries(); len(list) != 25 || list[0].Detail != "minute 15" {
			t.Errorf("%d rows are there, the first of which is %+v", len(list), list[0])
		}
		if row, problem := w.broken(); row != 0 {
			t.Errorf("row %d %s", row, problem)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if rows, err := w.Audit.Verify(t.Context()); rows != 0 || err != nil {
			t.Errorf("%d rows are there, %v, want none", rows, err)
		}
		if tallies, err := w.Audit.Tallies(t.Context(), time.Time{}); len(tallies) != 0 || err != nil {
			t.Errorf("the counted rows are still there: %v, %v", tallies, err)
		}
		w.fail("the first after it was empty")
		if rows, err := w.Audit.Verify(t.Context()); rows != 1 || err != nil {
			t.Errorf("%d rows, %v, want one", rows, err)
		}
		cancel()
		wg.Wait()
		w.must(w.Close())
	})
}

// More rows than one batch are pruned together. Without a retention period, none are.
func TestPruningInBatches(t *testing.T) {
	w := newFixture(t, core.Config{})
	w.add("mia")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 320 {
				if err := w.record(audit.Event{Kind: audit.AccountChanged}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.Audit.Retain(t.Context(), 0)
	if rows, err := w.Audit.Verify(t.Context()); rows != 2561 || err != nil {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if n, err := w.Audit.Prune(t.Context(), time.Now().Add(time.Hour)); n != 2561 || err != nil {
		t.Errorf("pruned %d rows, %v, want 2561", n, err)
	}
}

// Rows can be searched by account, event, text, time and position, in both directions.
func TestQuery(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	w := newFixture(t, core.Config{Now: func() time.Time { return now }})
	mia := w.add("mia") // 1
	w.add("noa")        // 2
	now = now.Add(time.Hour)
	by := audit.Actor{Device: "100% Player_1", Address: "192.0.2.7"}
	_, err := w.signIn(by, w.prove(mia), "tv") // 3
	w.must(err)
	w.fail("no such account")                              // 4
	w.must(w.Accounts.Remove(t.Context(), nobody, mia.ID)) // 5
	for _, test := range []struct {
		name  string
		query audit.Query
		want  string
	}{
		{"all", audit.Query{}, "[5 4 3 2 1]"},
		{"account", audit.Query{Account: mia.ID}, "[5 3 1]"},
		{"an account that is gone, by name", audit.Query{Username: "mia"}, "[5 3 1]"},
		{"event", audit.Query{Events: []audit.Kind{audit.SignIn}}, "[3]"},
		{"account and event", audit.Query{Account: mia.ID, Events: []audit.Kind{audit.AccountAdded}}, "[1]"},
		{"events", audit.Query{Events: []audit.Kind{audit.SignIn, audit.SignInRefused}}, "[4 3]"},
		{"events of an account", audit.Query{
			Account: mia.ID, Events: []audit.Kind{audit.SignIn, audit.SignInRefused}, Limit: 5,
		}, "[3]"},
		{"text, another case", audit.Query{Text: "NO SUCH"}, "[4]"},
		{"text of a device", audit.Query{Text: "0% player_"}, "[3]"},
		{"text of an address", audit.Query{Text: "192.0.2.7"}, "[3]"},
		{"text that would be a pattern", audit.Query{Text: "%a%"}, "[]"},
		{"text that would be one letter", audit.Query{Text: "m_a"}, "[]"},
		{"since", audit.Query{Since: now}, "[5 4 3]"},
		{"before", audit.Query{Before: 3}, "[2 1]"},
		{"after", audit.Query{After: 3}, "[5 4]"},
		{"limit", audit.Query{Limit: 2}, "[5 4]"},
		{"oldest first", audit.Query{Limit: 2, OldestFirst: true}, "[1 2]"},
		{"everything", audit.Query{
			Account: mia.ID, Username: "mia", Events: []audit.Kind{audit.SignIn}, Text: "player", Since: now, Before: 4,
			After: 2, Limit: 1,
		}, "[3]"},
	} {
		list, err := w.Audit.List(t.Context(), test.query)
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
}

// Texts from programs are shortened, and cannot move a cursor.
func TestTextIsClean(t *testing.T) {
	w := newFixture(t, core.Config{})
	by := audit.Actor{Device: "\x1b[2J\xff" + strings.Repeat("é", 300)}
	w.must(w.Audit.RecordFailure(t.Context(), by, audit.Event{Kind: audit.SignInRefused}))
	list := w.entries()
	if len(list) != 1 {
		t.Fatal(list)
	}
	if d := list[0].Device; len(d) > 160 || !strings.HasPrefix(d, "?[2J?éé") || !strings.HasSuffix(d, "é…") {
		t.Errorf("the device is %q", d)
	}
	if row, problem := w.broken(); row != 0 {
		t.Errorf("row %d %s", row, problem)
	}
}

// An event of a transaction that fails is not recorded, and leaves no gap.
func TestFailedTransactionLeavesNoRow(t *testing.T) {
	w := newFixture(t, core.Config{})
	w.add("mia")
	err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := w.Audit.Record(ctx, tx, nobody, audit.Event{Kind: audit.AccountAdded}); err != nil {
			return err
		}
		return context.Canceled
	})
	if err == nil {
		t.Fatal("the write succeeded")
	}
	w.add("noa")
	if rows, err := w.Audit.Verify(t.Context()); rows != 2 || err != nil {
		t.Errorf("%d rows, %v, want 2", rows, err)
	}
}

// A search reads one part of a long log at a time, and returns where to continue. It finds
// everything once, in either direction.
func TestSearchInParts(t *testing.T) {
	w := newFixture(t, core.Config{})
	const rows = audit.Searched + 500
	w.must(w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for i := range rows {
			e := audit.Event{Kind: audit.SignIn, Account: "gone", Detail: "hay"}
			if i%7000 == 10 {
				e.Account, e.Detail = "mia", "a needle"
			}
			if err := w.Audit.Record(ctx, tx, nobody, e); err != nil {
				return err
			}
		}
		return nil
	}))
	for name, test := range map[string]struct {
		query        audit.Query
		found, parts int
	}{
		"a text":                         {audit.Query{Text: "needle"}, 2, 2},
		"a text, one at a time":          {audit.Query{Text: "needle", Limit: 1}, 2, 3},
		"a text that is nowhere":         {audit.Query{Text: "zzz"}, 0, 2},
		"a name":                         {audit.Query{Username: "mia"}, 2, 2},
		"a name that nobody had":         {audit.Query{Username: "noa"}, 0, 2},
		"a name and a text, since later": {audit.Query{Username: "mia", Text: "needle", Since: time.Now().Add(time.Hour)}, 0, 1},
		"a text, oldest first":           {audit.Query{Text: "needle", OldestFirst: true}, 2, 2},
		"all of it":                      {audit.Query{Limit: rows + 10}, rows, 1},
	} {
		q, seen, parts := test.query, make(map[int64]bool), 0
		for more := true; more && parts < 20; parts++ {
			f, err := w.Audit.Search(t.Context(), q)
			w.must(err)
			next := f.Rest
			for _, e := range f.Entries {
				seen[e.ID] = true
			}
			if n := len(f.Entries); q.Limit > 0 && n == q.Limit {
				next = f.Entries[n-1].ID
			}
			more = next != 0
			if q.OldestFirst {
				q.After = next
			} else {
				q.Before = next
			}
		}
		if len(seen) != test.found || parts != test.parts {
			t.Errorf("%s: %d rows in %d parts, want %d in %d", name, len(seen), parts, test.found, test.parts)
		}
	}
}
