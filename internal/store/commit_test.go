package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// jobs runs writes that all wait for the same commit.
func jobs(t *testing.T, s *Store, fns ...func(context.Context, *tx) error) []error {
	t.Helper()
	hold := make(chan struct{})
	held := make(chan error, 1)
	entered := make(chan struct{})
	go func() {
		held <- s.write(t.Context(), func(context.Context, *tx) error { close(entered); <-hold; return nil })
	}()
	<-entered
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		ready := make(chan struct{})
		wg.Go(func() { close(ready); errs[i] = s.write(t.Context(), fn) })
		<-ready
		time.Sleep(10 * time.Millisecond) // they wait in this order
	}
	close(hold)
	wg.Wait()
	<-held
	return errs
}

// A disk that is full in the middle of a batch: what shared the commit with it
// is refused as a whole, and neither done nor told of in the audit log.
func TestFullDisk(t *testing.T) {
	s, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(name string) func(context.Context, *tx) error {
		return func(ctx context.Context, tx *tx) error {
			if err := tx.exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2)", name, []byte("x")); err != nil {
				return err
			}
			return tx.note(ctx, Event{Kind: EventOriginAllowed, Detail: name})
		}
	}
	fill := func(ctx context.Context, tx *tx) error {
		var n int
		limit := func(pages int) error {
			return tx.queryRow(ctx, fmt.Sprintf("PRAGMA max_page_count=%d", pages)).Scan(&n)
		}
		if err := tx.queryRow(ctx, "PRAGMA page_count").Scan(&n); err != nil {
			return err
		}
		if err := limit(n); err != nil {
			return err
		}
		err := tx.exec(ctx, "INSERT INTO setting (name, value) VALUES ('big', $1)", []byte(strings.Repeat("x", 1<<20)))
		_ = limit(1 << 30)
		return err
	}
	told := make(chan Change, 10)
	s.Watch(func(c Change) { told <- c })

	errs := jobs(t, s, put("before"), fill)
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "full") || errs[1] == nil {
		t.Errorf("the writes end with %v, want the disk to be full for both", errs)
	}
	if c := <-told; !c.All {
		t.Errorf("what is announced is %+v, want everything", c)
	}
	errs = jobs(t, s, put("fill again"), fill, put("after"))
	if errs[0] == nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("the writes end with %v, want the last alone to be done", errs)
	}

	rows, err := s.readers.query(t.Context(), "SELECT name FROM setting WHERE name NOT LIKE 'audit%'")
	names, err := collect(rows, err, func(r scanner) (n string, err error) { err = r.Scan(&n); return n, err })
	if err != nil || strings.Join(names, " ") != "after" {
		t.Errorf("the settings are %v, %v, want the last alone", names, err)
	}
	log, err := s.Audit(t.Context(), AuditQuery{})
	if err != nil || len(log) != 1 || log[0].Detail != "after" {
		t.Errorf("the audit log has %+v, %v, want the last alone", log, err)
	}
	if _, err := s.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// A caller that goes away while its write is under way gets its result: what
// is written and what it is told do not differ, and nobody else fills it in.
func TestCallerGoesAway(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	var armed atomic.Bool
	s, err := Open(t.Context(), Config{Now: func() time.Time {
		if armed.CompareAndSwap(true, false) {
			hangUp()
			time.Sleep(10 * time.Millisecond)
		}
		return time.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	armed.Store(true)
	a, err := s.AddAccount(ctx, Account{UUID: "u", Username: "mia", UsernameKey: "mia"})
	if err != nil || a.ID == 0 || ctx.Err() == nil {
		t.Errorf("adding an account gives %v, %v, with the context ended by %v", a.ID, err, ctx.Err())
	}
	if _, err := s.AddAccount(ctx, Account{UUID: "v", Username: "noa", UsernameKey: "noa"}); err == nil {
		t.Error("a write began although nobody waits for it")
	}
}
