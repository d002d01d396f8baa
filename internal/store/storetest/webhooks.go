package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/webhook"
)

var webhookTests = []test{
	{"Webhooks/Addresses are an account's own", testHooks},
	{"Webhooks/What waits is sent once", testDeliveries},
	{"Webhooks/The generation of a secret", testGeneration},
}

var webhooks store.Webhooks

// hook adds an address of an account.
func (w *fixture) hook(accountID int64, url string) webhook.Hook {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return webhooks.Insert(ctx, tx, accountID, url) })
	list, err := webhooks.Hooks(w.t.Context(), w, accountID)
	must(w.t, err)
	return list[len(list)-1]
}

func testHooks(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	a, b := w.hook(mia.ID, "https://a.example.org/"), w.hook(mia.ID, "https://b.example.org/")
	w.hook(noa.ID, a.URL)
	want(t, "the same address", w.try(func(ctx context.Context, tx *db.Tx) error {
		return webhooks.Insert(ctx, tx, mia.ID, a.URL)
	}), db.ErrConflict)
	list, err := webhooks.Hooks(t.Context(), w.other(), mia.ID)
	must(t, err)
	same(t, "Hooks", list, []webhook.Hook{a, b})
	remove := func(ctx context.Context, tx *db.Tx) error { return webhooks.Delete(ctx, tx, a.ID) }
	w.do(remove)
	want(t, "removing it again", w.try(remove), db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) })
	list, err = webhooks.Hooks(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "of an account that is gone", len(list), 0)
}

func testDeliveries(t *testing.T, w *fixture) {
	_, err := webhooks.NextDue(t.Context(), w, at(0))
	want(t, "when nothing waits", err, db.ErrNotFound)
	mia := w.account("mia")
	h := w.hook(mia.ID, "https://a.example.org/")
	var queued time.Time
	w.wantTouched("Queue", func(ctx context.Context, tx *db.Tx) error {
		queued = tx.Now().Truncate(time.Millisecond)
		return webhooks.Queue(ctx, tx, mia.ID, h.ID, []byte("{}"))
	}, db.Change{Topic: webhook.Topic})
	early, err := webhooks.Due(t.Context(), w, queued.Add(-time.Millisecond), 10)
	must(t, err)
	same(t, "before it is due", len(early), 0)
	due, err := webhooks.Due(t.Context(), w.other(), queued, 10)
	must(t, err)
	d := due[0]
	same(t, "Due", d, webhook.Delivery{
		ID: d.ID, URL: h.URL, Account: webhook.Subscriber{ID: mia.ID, UUID: mia.UUID, Title: mia.Title, Admin: mia.Admin},
		Payload: []byte("{}"), DueAt: queued,
	})
	n, err := webhooks.Waiting(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "Waiting", n, 1)

	later := queued.Add(time.Minute)
	claim := func(ctx context.Context, tx *db.Tx) error { return webhooks.PutOff(ctx, tx, d.ID, queued, 1, later) }
	w.do(claim)
	want(t, "another node that wants it, too", w.try(claim), db.ErrNotFound)
	next, err := webhooks.NextDue(t.Context(), w, queued)
	must(t, err)
	same(t, "NextDue", next, later)
	_, err = webhooks.NextDue(t.Context(), w, later)
	want(t, "when it is due", err, db.ErrNotFound)
	want(t, "forgetting what another node has", w.try(func(ctx context.Context, tx *db.Tx) error {
		return webhooks.Forget(ctx, tx, d.ID, queued)
	}), db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error { return webhooks.Forget(ctx, tx, d.ID, later) })

	w.do(func(ctx context.Context, tx *db.Tx) error { return webhooks.Queue(ctx, tx, mia.ID, h.ID, []byte("{}")) })
	w.do(func(ctx context.Context, tx *db.Tx) error { return webhooks.Delete(ctx, tx, h.ID) })
	n, err = webhooks.Waiting(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "for an address that is gone", n, 0)
}

func testGeneration(t *testing.T, w *fixture) {
	_, err := webhooks.Subscriber(t.Context(), w, 99)
	want(t, "an account that is not there", err, db.ErrNotFound)
	mia := w.account("mia")
	for _, generation := range []int64{0, 1, 2} {
		a, err := webhooks.Subscriber(t.Context(), w, mia.ID)
		must(t, err)
		same(t, "Subscriber", a, webhook.Subscriber{ID: mia.ID, UUID: mia.UUID, Title: mia.Title, Admin: mia.Admin, Generation: generation})
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return webhooks.SetGeneration(ctx, tx, mia.ID, generation+1)
		})
	}
}
