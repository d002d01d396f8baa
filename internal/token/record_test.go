package token_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// The audit log names the token and the device that were added and revoked, and how many
// others were revoked with it.
func TestRecorded(t *testing.T) {
	w := newFixture(t, core.Config{})
	var want []string
	event := func(kind audit.Kind, format string, args ...any) {
		want = append(want, fmt.Sprintf("%s %d %s", kind, w.mia.ID, fmt.Sprintf(format, args...)))
	}
	signIn := func(d device.Device) token.Principal {
		t.Helper()
		tok, err := w.SignIn(t.Context(), w.by(), w.Prove(w.mia).Proof, d)
		if err != nil {
			t.Fatal(err)
		}
		p := w.verify(t, tok)
		event(audit.SignIn, "token %d", p.TokenID)
		return p
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	before, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	must(err)
	alone := signIn(device.Device{ClientIdentifier: "alone"})
	must(w.SignOut(t.Context(), w.by(), alone))
	event(audit.SignOut, "token %d", alone.TokenID)

	parent := signIn(device.Device{ClientIdentifier: "tv", Product: "Player", Name: "Den"})
	server, err := w.serverToken(t, parent, w.den.ID)
	must(err)
	event(audit.TokenMade, "token %d for Den", w.verify(t, server).TokenID)
	again, err := w.serverToken(t, parent, w.den.ID) // records nothing
	must(err)
	if again != server {
		t.Error("the second token for the server is another one")
	}
	must(w.Revoke(t.Context(), w.by(), parent.TokenID))
	event(audit.TokenRevoked, "token %d of Player on Den, and one token", parent.TokenID)

	signIn(device.Device{ClientIdentifier: "phone"})
	phone := signIn(device.Device{ClientIdentifier: "phone"})
	must(w.RevokeDevice(t.Context(), w.by(), w.mia.ID, phone.DeviceID))
	event(audit.TokenRevoked, "2 of device %d", phone.DeviceID)

	list, err := w.Audit.List(t.Context(), audit.Query{
		After: before[0].ID, OldestFirst: true, Limit: 100,
		Events: []audit.Kind{audit.SignIn, audit.SignOut, audit.TokenMade, audit.TokenRevoked},
	})
	must(err)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%s %d %s", e.Event, e.AccountID, e.Detail))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAndTokens(t *testing.T) {
	for n, want := range map[int]string{-1: "", 0: "", 1: ", and one token", 2: ", and 2 tokens", 10: ", and 10 tokens"} {
		if got := token.AndTokens(n); got != want {
			t.Errorf("AndTokens(%d) = %q, want %q", n, got, want)
		}
	}
}

// A token is read from the database once, and an invalid one each time.
func TestStats(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	for range 3 {
		w.verify(t, tok)
		refused(t, w.Service, "no token", "12345678901234567890")
	}
	if diff := cmp.Diff(token.Stats{Cached: 1, Hits: 2, Misses: 4}, w.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// How long transient tokens live can be shortened, not lengthened.
func TestTransientTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		-1: token.MaxTransientTTL, 0: token.MaxTransientTTL, 1: 1, time.Minute: time.Minute,
		token.MaxTransientTTL - 1: token.MaxTransientTTL - 1, token.MaxTransientTTL: token.MaxTransientTTL,
		token.MaxTransientTTL + 1: token.MaxTransientTTL,
	} {
		w := newFixture(t, core.Config{TransientTTL: ttl})
		_, expires := w.MintTransient(w.verify(t, w.signIn(t, "tv")), 0)
		if got := expires.Sub(w.Clock.Now()); got != want {
			t.Errorf("with a TTL of %v, a token lives for %v, want %v", ttl, got, want)
		}
	}
}

// Get tells a token that is not there from one that cannot be read.
func TestGet(t *testing.T) {
	w := newFixture(t, core.Config{})
	id := w.verify(t, w.signIn(t, "tv")).TokenID
	got, err := w.Service.Get(t.Context(), id)
	if err != nil || got.ID != id || got.AccountID != w.mia.ID {
		t.Errorf("it is %+v, %v; want token %d of account %d", got, err, id, w.mia.ID)
	}
	if _, err := w.Service.Get(t.Context(), id+1); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("another ID: got %v, want ErrNotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Service.Get(ctx, id); !errors.Is(err, context.Canceled) || errors.Is(err, token.ErrNotFound) {
		t.Errorf("with a request that has ended, it returned %v, want that", err)
	}
	if _, err := paging.Rows(w.Service.List(ctx, w.mia.ID, paging.Request{})); !errors.Is(err, context.Canceled) {
		t.Errorf("so does the list: %v", err)
	}
}
