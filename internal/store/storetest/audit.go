package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

var auditTests = []test{
	{"Audit/A row is read back whole", testEntry},
	{"Audit/IDs are unique", testEntryConflict},
	{"Audit/A query matches every condition", testQuery},
	{"Audit/Each goes on until an error", testEach},
	{"Audit/Delete takes the oldest rows", testDeleteEntries},
	{"Audit/The ends of the log move", testEnds},
	{"Tallies/Counts add up", testTallies},
	{"Tallies/Events are counted with what has no row", testEvents},
	{"Tallies/Events that were counted are not read again", testCountEvents},
	{"Tallies/Prune takes the oldest counts", testPruneTallies},
}

var settingTests = []test{
	{"Settings/Put replaces a setting", testPut},
	{"Settings/FindOrCreate creates once", testFindOrCreate},
	{"Settings/Many processes create the same setting", testFindOrCreateAtOnce},
	{"Settings/A setting that cannot be created is not stored", testFindOrCreateFails},
}

var (
	entries store.Audit
	tallies store.Tallies
)

// log writes rows of the audit log.
func (w *fixture) log(list ...audit.Entry) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return entries.Append(ctx, tx, list) })
}

func testEntry(t *testing.T, w *fixture) {
	wanted := []audit.Entry{
		{ID: 1, At: at(1), Event: audit.SignIn},
		{
			ID: 2, At: at(2), Event: audit.TokenRevoked, AccountID: 7, Account: "mia", Actor: "olga", Device: "Player\x7f",
			Address: "192.0.2.1", Detail: "‘é’", Hash: audit.Hash{1, 31: 2},
		},
	}
	w.log(wanted...)
	for _, q := range []db.Querier{w, w.other()} {
		list, err := entries.List(t.Context(), q, audit.Query{OldestFirst: true})
		must(t, err)
		same(t, "List", list, wanted)
		var each []audit.Entry
		must(t, entries.Each(t.Context(), q, func(e audit.Entry) error { each = append(each, e); return nil }))
		same(t, "Each", each, wanted)
	}
}

func testEntryConflict(t *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return db.Wrap("appending", entries.Append(ctx, tx, []audit.Entry{{ID: 1, At: at(1)}}))
	})
}

func testQuery(t *testing.T, w *fixture) {
	w.log(
		audit.Entry{ID: 1, At: at(1), Event: audit.AccountAdded, AccountID: 7, Account: "mia"},
		audit.Entry{ID: 2, At: at(1), Event: audit.AccountAdded, AccountID: 8, Account: "noa", Actor: "olga"},
		audit.Entry{ID: 3, At: at(2), Event: audit.SignIn, AccountID: 7, Account: "mia", Device: "100% Player_1"},
		audit.Entry{ID: 4, At: at(3), Event: audit.SignInRefused, Address: "192.0.2.7", Detail: `no \ account`},
	)
	for _, row := range []struct {
		name  string
		query audit.Query
		want  string
	}{
		{"all", audit.Query{}, "[4 3 2 1]"},
		{"oldest first", audit.Query{OldestFirst: true}, "[1 2 3 4]"},
		{"account", audit.Query{Account: 7}, "[3 1]"},
		{"username", audit.Query{Username: "mia"}, "[3 1]"},
		{"one event", audit.Query{Events: []audit.Kind{audit.AccountAdded}}, "[2 1]"},
		{"events", audit.Query{Events: []audit.Kind{audit.AccountAdded, audit.SignIn}}, "[3 2 1]"},
		{"text of an event", audit.Query{Text: "added"}, "[2 1]"},
		{"text of an account", audit.Query{Text: "MIA"}, "[3 1]"},
		{"text of an actor", audit.Query{Text: "olg"}, "[2]"},
		{"text of a device", audit.Query{Text: "0% player_"}, "[3]"},
		{"text of an address", audit.Query{Text: "2.7"}, "[4]"},
		{"text of a detail", audit.Query{Text: `\`}, "[4]"},
		{"text that would be a pattern", audit.Query{Text: "%a%"}, "[]"},
		{"text that would be one letter", audit.Query{Text: "m_a"}, "[]"},
		{"since", audit.Query{Since: at(2)}, "[4 3]"},
		{"before", audit.Query{Before: 3}, "[2 1]"},
		{"after", audit.Query{After: 3}, "[4]"},
		{"limit", audit.Query{Limit: 2}, "[4 3]"},
		{"limit, oldest first", audit.Query{Limit: 2, OldestFirst: true}, "[1 2]"},
		{"everything", audit.Query{
			Account: 7, Username: "mia", Events: []audit.Kind{audit.SignIn}, Text: "player", Since: at(2), Before: 4, After: 2,
			Limit: 1,
		}, "[3]"},
	} {
		list, err := entries.List(t.Context(), w, row.query)
		must(t, err)
		same(t, row.name, fmt.Sprint(entryIDs(list)), row.want)
	}
	for id := range int64(200) {
		w.log(audit.Entry{ID: id + 5, At: at(4)})
	}
	list, err := entries.List(t.Context(), w, audit.Query{})
	must(t, err)
	same(t, "how many rows the zero query reads", len(list), 100)
}

func entryIDs(list []audit.Entry) []int64 {
	ids := make([]int64, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return ids
}

func testEach(t *testing.T, w *fixture) {
	w.log(audit.Entry{ID: 3, At: at(1)}, audit.Entry{ID: 1, At: at(1)}, audit.Entry{ID: 2, At: at(1)})
	stop := errors.New("enough")
	var ids []int64
	err := entries.Each(t.Context(), w, func(e audit.Entry) error {
		if ids = append(ids, e.ID); e.ID == 2 {
			return stop
		}
		return nil
	})
	want(t, "Each", err, stop)
	same(t, "the rows", ids, []int64{1, 2})
}

func testDeleteEntries(t *testing.T, w *fixture) {
	for id := range int64(5) {
		w.log(audit.Entry{ID: id + 1, At: at(1)})
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return entries.Delete(ctx, tx, 3) })
	list, err := entries.List(t.Context(), w, audit.Query{})
	must(t, err)
	same(t, "what is left", entryIDs(list), []int64{5, 4})
}

func testEnds(t *testing.T, w *fixture) {
	for _, wanted := range []audit.Ends{
		{},
		{Head: audit.Link{ID: 1, Hash: audit.Hash{1}}},
		{Anchor: audit.Link{ID: 1, Hash: audit.Hash{1}}, Head: audit.Link{ID: 1<<40 + 1, Hash: audit.Hash{31: 9}}},
	} {
		if wanted != (audit.Ends{}) {
			w.do(func(ctx context.Context, tx *db.Tx) error { return entries.SetEnds(ctx, tx, wanted) })
		}
		for _, q := range []db.Querier{w, w.other()} {
			got, err := entries.Ends(t.Context(), q)
			must(t, err)
			same(t, "the ends", got, wanted)
		}
	}
}

// quarter is the beginning of a quarter of an hour.
func quarter(n int) time.Time { return time.Date(2026, 3, 4, 5, 15*n, 0, 0, time.UTC) }

// tally adds to counts.
func (w *fixture) tally(counts ...audit.Count) {
	w.t.Helper()
	for _, c := range counts {
		w.do(func(ctx context.Context, tx *db.Tx) error { return tallies.Add(ctx, tx, c) })
	}
}

func testTallies(t *testing.T, w *fixture) {
	w.tally(
		audit.Count{Quarter: quarter(1), What: "b", N: 5}, audit.Count{Quarter: quarter(0), What: "b", N: 3},
		audit.Count{Quarter: quarter(1), What: "a", N: 1}, audit.Count{Quarter: quarter(0), What: "b", N: 4},
	)
	all := []audit.Count{
		{Quarter: quarter(0), What: "b", N: 7}, {Quarter: quarter(1), What: "a", N: 1}, {Quarter: quarter(1), What: "b", N: 5},
	}
	for from, wanted := range map[int][]audit.Count{0: all, 1: all[1:], 2: nil} {
		for _, q := range []db.Querier{w, w.other()} {
			list, err := tallies.List(t.Context(), q, quarter(from))
			must(t, err)
			same(t, fmt.Sprint("from quarter ", from), list, wanted)
		}
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			d := []*db.DB{w.DB, w.other()}[i%2]
			err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				return tallies.Add(ctx, tx, audit.Count{Quarter: quarter(2), What: "at once", N: 2})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := tallies.List(t.Context(), w, quarter(2))
	must(t, err)
	same(t, "counted at once", list, []audit.Count{{Quarter: quarter(2), What: "at once", N: 40}})
}

func testEvents(t *testing.T, w *fixture) {
	w.log(
		audit.Entry{ID: 1, At: quarter(0), Event: audit.SignIn},
		audit.Entry{ID: 2, At: quarter(1).Add(-time.Millisecond), Event: audit.SignInRefused},
		audit.Entry{ID: 3, At: quarter(1), Event: audit.SignIn},
		audit.Entry{ID: 4, At: quarter(1), Event: audit.SignIn},
	)
	w.tally(
		audit.Count{Quarter: quarter(0), What: string(audit.SignInRefused), N: 9},
		audit.Count{Quarter: quarter(0), What: audit.TokenChecks, N: 1000},
	)
	all := []audit.Count{
		{Quarter: quarter(0), What: string(audit.SignIn), N: 1},
		{Quarter: quarter(0), What: string(audit.SignInRefused), N: 10},
		{Quarter: quarter(1), What: string(audit.SignIn), N: 2},
	}
	for from, wanted := range map[int][]audit.Count{0: all, 1: all[2:], 2: nil} {
		list, err := tallies.Events(t.Context(), w, quarter(from))
		must(t, err)
		same(t, fmt.Sprint("from quarter ", from), list, wanted)
	}
}

func testCountEvents(t *testing.T, w *fixture) {
	counted := func(wanted time.Time) {
		t.Helper()
		got, err := tallies.Counted(t.Context(), w)
		must(t, err)
		same(t, "up to when events are counted", got, wanted)
	}
	count := func(from, to int) {
		t.Helper()
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return tallies.CountEvents(ctx, tx, quarter(from), quarter(to))
		})
	}
	events := func(from int, wanted ...audit.Count) {
		t.Helper()
		list, err := tallies.Events(t.Context(), w, quarter(from))
		must(t, err)
		same(t, fmt.Sprint("from quarter ", from), list, wanted)
	}
	w.log(
		audit.Entry{ID: 1, At: quarter(0), Event: audit.SignIn},
		audit.Entry{ID: 2, At: quarter(1).Add(-time.Millisecond), Event: audit.SignIn},
		audit.Entry{ID: 3, At: quarter(0), Event: audit.SignOut},
		audit.Entry{ID: 4, At: quarter(1), Event: audit.SignIn},
		audit.Entry{ID: 5, At: quarter(4), Event: audit.SignIn},
	)
	w.tally(audit.Count{Quarter: quarter(0), What: string(audit.SignOut), N: 9})
	all := []audit.Count{
		{Quarter: quarter(0), What: string(audit.SignIn), N: 2}, {Quarter: quarter(0), What: string(audit.SignOut), N: 10},
		{Quarter: quarter(1), What: string(audit.SignIn), N: 1}, {Quarter: quarter(4), What: string(audit.SignIn), N: 1},
	}
	counted(time.Time{})
	events(0, all...)
	for _, step := range []struct{ from, to, end int }{{0, 1, 1}, {1, 4, 2}, {2, 4, 2}, {4, 5, 5}} {
		count(step.from, step.to)
		counted(quarter(step.end)) // quarters without events leave nothing
		events(0, all...)
		events(1, all[2:]...)
		events(5)
	}
	// Counted rows are not read again, even if they are pruned or written too late.
	w.log(audit.Entry{ID: 6, At: quarter(3), Event: audit.SignIn})
	w.do(func(ctx context.Context, tx *db.Tx) error { return entries.Delete(ctx, tx, 1) })
	events(0, all...)
	w.log(audit.Entry{ID: 7, At: quarter(6), Event: audit.SignIn})
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return db.Wrap("counting", tallies.CountEvents(ctx, tx, quarter(6), quarter(7)))
	})
}

func testPruneTallies(t *testing.T, w *fixture) {
	for i := range 3 {
		w.tally(audit.Count{Quarter: quarter(i), What: "a", N: 1})
		w.log(audit.Entry{ID: int64(1 + i), At: quarter(i), Event: audit.SignIn})
	}
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return tallies.CountEvents(ctx, tx, quarter(0), quarter(3))
	})
	w.do(func(ctx context.Context, tx *db.Tx) error { return tallies.Prune(ctx, tx, quarter(1)) })
	list, err := tallies.List(t.Context(), w, time.Time{})
	must(t, err)
	same(t, "what is left", list, []audit.Count{{Quarter: quarter(1), What: "a", N: 1}, {Quarter: quarter(2), What: "a", N: 1}})
	events, err := tallies.Events(t.Context(), w, quarter(0))
	must(t, err)
	same(t, "counts of events that are left", len(events), 4)
}

func testPut(t *testing.T, w *fixture) {
	s := store.Settings{DB: w.DB}
	_, err := s.Find(t.Context(), "name")
	want(t, "a setting that does not exist", err, db.ErrNotFound)
	for _, wanted := range []string{"first", "second", "\x00\xff"} {
		must(t, s.Put(t.Context(), "name", []byte(wanted)))
		for _, d := range []*db.DB{w.DB, w.other()} {
			value, err := store.Settings{DB: d}.Find(t.Context(), "name")
			must(t, err)
			same(t, "the setting", string(value), wanted)
		}
	}
}

func testFindOrCreate(t *testing.T, w *fixture) {
	created := 0
	for range 3 {
		value, err := store.Settings{DB: w.DB}.FindOrCreate(t.Context(), "name", func() ([]byte, error) {
			created++
			return fmt.Append(nil, "value ", created), nil
		})
		must(t, err)
		same(t, "the setting", string(value), "value 1")
	}
	same(t, "how often it was created", created, 1)
}

func testFindOrCreateAtOnce(t *testing.T, w *fixture) {
	values := make([]string, 20)
	var wg sync.WaitGroup
	for i := range values {
		s := store.Settings{DB: []*db.DB{w.DB, w.other()}[i%2]}
		wg.Go(func() {
			value, err := s.FindOrCreate(t.Context(), "name", func() ([]byte, error) { return fmt.Append(nil, i), nil })
			if err != nil {
				t.Error(err)
			}
			values[i] = string(value)
		})
	}
	wg.Wait()
	for _, value := range values {
		same(t, "the setting", value, values[0])
	}
}

func testFindOrCreateFails(t *testing.T, w *fixture) {
	failed := errors.New("failed on purpose")
	s := store.Settings{DB: w.DB}
	_, err := s.FindOrCreate(t.Context(), "name", func() ([]byte, error) { return nil, failed })
	want(t, "FindOrCreate", err, failed)
	_, err = s.Find(t.Context(), "name")
	want(t, "the setting afterwards", err, db.ErrNotFound)
}
