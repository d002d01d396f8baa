package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/store"
)

var outboxTests = []test{
	{"Outbox/What waits is sent once", testOutbox},
	{"Outbox/A task becomes a message", testTask},
	{"Outbox/What is old goes", testOldMail},
}

var outbox store.Outbox

// queue adds an entry, and returns it as another connection reads it.
func (w *fixture) queue(e mail.Entry) mail.Entry {
	w.t.Helper()
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error {
		e.DueAt = tx.Now().Truncate(time.Millisecond)
		if e.EndsAt.IsZero() {
			e.EndsAt = e.DueAt.Add(time.Hour)
		}
		return outbox.Insert(ctx, tx, e)
	}, db.Change{Topic: mail.Topic})
	due, err := outbox.Due(w.t.Context(), w.other(), e.DueAt, 100)
	must(w.t, err)
	e.ID = due[len(due)-1].ID
	same(w.t, "Due", due[len(due)-1], e)
	return e
}

// waiting counts messages or tasks.
func (w *fixture) waiting(tasks bool) int {
	w.t.Helper()
	n, err := outbox.Waiting(w.t.Context(), w, tasks, 10)
	must(w.t, err)
	return n
}

func testOutbox(t *testing.T, w *fixture) {
	_, err := outbox.NextDue(t.Context(), w)
	want(t, "when nothing waits", err, db.ErrNotFound)
	e := w.queue(mail.Entry{Sealed: []byte{1, 0}})
	early, err := outbox.Due(t.Context(), w, e.DueAt.Add(-time.Millisecond), 10)
	must(t, err)
	same(t, "before it is due", len(early), 0)
	same(t, "Waiting", w.waiting(false), 1)

	later := e
	later.DueAt = e.DueAt.Add(time.Minute)
	claim := func(ctx context.Context, tx *db.Tx) error { return outbox.PutOff(ctx, tx, e, 1, later.DueAt) }
	w.do(claim)
	want(t, "another node that wants it, too", w.try(claim), db.ErrNotFound)
	next, err := outbox.NextDue(t.Context(), w)
	must(t, err)
	same(t, "NextDue", next, later.DueAt)
	forget := func(e mail.Entry) func(ctx context.Context, tx *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error { return outbox.Forget(ctx, tx, e) }
	}
	want(t, "forgetting what another node has", w.try(forget(e)), db.ErrNotFound)
	var now time.Time
	w.do(func(ctx context.Context, tx *db.Tx) error {
		now = tx.Now().Truncate(time.Millisecond)
		return outbox.Hurry(ctx, tx)
	})
	due, err := outbox.Due(t.Context(), w, now, 10)
	must(t, err)
	same(t, "after Hurry", len(due), 1)
	same(t, "its attempts", due[0].Tries, 1)
	w.do(forget(due[0]))
	same(t, "Waiting in the end", w.waiting(false), 0)
}

func testTask(t *testing.T, w *fixture) {
	e := w.queue(mail.Entry{Task: "ask", Sealed: []byte("about")})
	same(t, "messages", w.waiting(false), 0)
	same(t, "tasks", w.waiting(true), 1)
	ends := e.EndsAt.Add(-time.Minute)
	w.do(func(ctx context.Context, tx *db.Tx) error { return outbox.Write(ctx, tx, e, []byte("message"), ends) })
	due, err := outbox.Due(t.Context(), w, e.DueAt, 10)
	must(t, err)
	same(t, "the message", due, []mail.Entry{{ID: e.ID, Sealed: []byte("message"), DueAt: e.DueAt, EndsAt: ends}})
	other := e
	other.DueAt = e.DueAt.Add(time.Second)
	want(t, "of another node", w.try(func(ctx context.Context, tx *db.Tx) error {
		return outbox.Write(ctx, tx, other, nil, ends)
	}), db.ErrNotFound)
}

func testOldMail(t *testing.T, w *fixture) {
	w.queue(mail.Entry{Sealed: []byte("old"), EndsAt: time.UnixMilli(1).UTC()})
	w.queue(mail.Entry{Sealed: []byte("new")})
	w.do(outbox.DeleteOld)
	same(t, "Waiting", w.waiting(false), 1)
}
