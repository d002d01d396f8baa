package token_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// The last use of every token is written, not only of one.
func TestFlushRecordsEveryUse(t *testing.T) {
	w := newFixture(t, core.Config{})
	var ids []int64
	var tokens []plexauth.Secret
	for _, client := range []string{"tv", "phone", "tablet"} {
		tok := w.signIn(t, client)
		ids, tokens = append(ids, w.verify(t, tok).TokenID), append(tokens, tok)
	}
	unused := ids[2]
	w.Clock.Advance(time.Hour)
	used := w.Clock.Now()
	for _, tok := range tokens[:2] {
		w.verify(t, tok)
	}
	w.Flush(t.Context())
	for _, id := range ids {
		got, err := w.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.LastUsedAt.Equal(used) == (id == unused) {
			t.Errorf("token %d was last used at %v; it was used at %v: %v", id, got.LastUsedAt, used, id != unused)
		}
	}
}

// Tokens that have expired are removed, and no others.
func TestFlushRemovesExpired(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	end := w.Clock.Now().Add(time.Hour)
	var ids []int64
	for _, expires := range []time.Time{end, end, end.Add(time.Second), {}} {
		parent := token.Parent{TokenID: p.TokenID, ExpiresAt: expires}
		err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, _, err := w.AddNew(ctx, tx, w.by(), w.mia.ID, parent, device.Device{ClientIdentifier: "phone"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var id int64
		if err := w.DB.QueryRow(t.Context(), "SELECT MAX(id) FROM token").Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	w.Clock.Set(end)
	w.Flush(t.Context())
	for i, id := range ids {
		if _, err := w.Get(t.Context(), id); errors.Is(err, token.ErrNotFound) != (i < 2) {
			t.Errorf("token %d of %d: %v; the first two have expired", i+1, len(ids), err)
		}
	}
}
