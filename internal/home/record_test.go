package home_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/plexauth"
)

// since returns the events after the first n, and their number. It omits the events of
// accounts and tokens.
func (h *house) since(n int) (events []string, all int) {
	h.t.Helper()
	list, err := h.Audit.List(h.t.Context(), audit.Query{OldestFirst: true, Limit: 1000})
	h.must(err)
	names := make(map[int64]string)
	for name, id := range h.ids {
		names[id] = name
	}
	for _, e := range list[n:] {
		if !strings.HasPrefix(string(e.Event), "home") {
			continue
		}
		detail, of, _ := strings.Cut(e.Detail, ", the home of account ")
		if of == "" {
			detail = strings.TrimPrefix(detail, "the home of account ")
		}
		detail = strings.TrimRight(detail, " 0123456789") // which token or account it is
		events = append(events, fmt.Sprintf("%s of %s: %s", e.Event, names[e.AccountID], detail))
	}
	return events, len(list)
}

// Every change in a home is recorded in the audit log.
func TestRecorded(t *testing.T) {
	h := newHouse(t)
	ada, zoe := h.ids["ada"], h.ids["zoe"]
	for _, test := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"another PIN", func() error { return h.Homes.ChangePIN(t.Context(), h.by, ada, adasPIN, "1111") }, []string{"home-pin.changed of ada: "}},
		{"no PIN", func() error { return h.Homes.ChangePIN(t.Context(), h.by, ada, "1111", "") }, []string{"home-pin.removed of ada: "}},
		{"no PIN again", func() error { return h.Homes.ChangePIN(t.Context(), h.by, ada, "", "") }, nil},
		{"a wrong PIN", func() error { _, err := h.become("ada", "locked", "0000"); return refusal(err, home.ErrPIN) }, []string{"home-pin.refused of locked: "}},
		{"a switch", func() error { _, err := h.become("ada", "kid", ""); return err }, []string{"home.switched of kid: token"}},
		{"a home of zoe's", func() error { return h.Homes.ResetPIN(t.Context(), h.by, zoe, "7777") }, []string{"home.joined of zoe: owner", "home-pin.changed of zoe: "}},
		{"zoe joins ada's", func() error { return h.Homes.Join(t.Context(), h.operator, ada, zoe, false) }, []string{"home.joined of zoe: member"}},
		{"a restriction", func() error { return h.Homes.Restrict(t.Context(), h.by, ada, h.id("kid"), "teen") }, []string{"home.changed of kid: restriction teen"}},
		{"the same restriction", func() error { return h.Homes.Restrict(t.Context(), h.by, ada, h.id("kid"), "teen") }, nil},
		{"no restriction", func() error { return h.Homes.Restrict(t.Context(), h.by, ada, h.id("kid"), "") }, []string{"home.changed of kid: restriction none"}},
		{"an admin", func() error { return h.Homes.SetAdmin(t.Context(), h.by, ada, h.id("mia"), true) }, []string{"home.changed of mia: admin"}},
		{"an admin who is one", func() error { return h.Homes.SetAdmin(t.Context(), h.by, ada, h.id("mia"), true) }, nil},
		{"an admin no more", func() error { return h.Homes.SetAdmin(t.Context(), h.by, ada, h.id("eve"), false) }, []string{"home.changed of eve: member"}},
		{"a member leaves", func() error { return h.Homes.Remove(t.Context(), h.by, h.ids["eve"], h.id("eve")) }, []string{"home.left of eve: member"}},
		{"a managed user is removed", func() error { return h.Homes.Remove(t.Context(), h.by, ada, h.id("kid")) }, []string{"home.left of kid: "}},
	} {
		_, before := h.since(0)
		if err := test.do(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		got, _ := h.since(before)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	// The PIN of the home that zoe had alone is still hers.
	if _, err := h.become("mia", "zoe", "7777"); err != nil {
		t.Errorf("mia becomes zoe with the PIN of before: %v", err)
	}
	if u, err := h.Homes.Of(t.Context(), zoe); err != nil || u.OwnerID != ada || u.Self.Role != home.Member {
		t.Errorf("zoe is a %v in the home of %d, %v", u.Self.Role, u.OwnerID, err)
	}
}

// refusal returns nil for the wanted error.
func refusal(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("got %v, want %w", err, want)
}

// The new name of a managed user must not look like another one in the home.
func TestRename(t *testing.T) {
	h := newHouse(t)
	ada := h.ids["ada"]
	for _, taken := range []string{"locked", "LOCKED", "ada", "mia"} {
		if err := h.Homes.Rename(t.Context(), h.by, ada, h.id("kid"), taken); !errors.Is(err, home.ErrExists) {
			t.Errorf("%q: error %v, want ErrExists", taken, err)
		}
	}
	for _, name := range []string{"Kid", "little one"} { // the first is like its own
		h.must(h.Homes.Rename(t.Context(), h.by, ada, h.id("kid"), name))
		list, err := h.Homes.Of(t.Context(), ada)
		h.must(err)
		if u, err := list.Named(name); err != nil || u.Account.ID != h.ids["kid"] || u.Account.Title != name {
			t.Errorf("%q: %+v, %v", name, u.Account, err)
		}
	}
}

// PINs are limited only if FailedTries is set, even if a user was locked before. Locks
// expire by the server's clock.
func TestTries(t *testing.T) {
	for _, test := range []struct {
		tries int
		want  error
	}{{0, home.ErrPIN}, {1, home.ErrLocked}, {3, home.ErrPIN}} {
		c := coretest.New(t, core.Config{FailedTries: test.tries})
		c.Clock.Set(time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC))
		h := &house{Core: c, t: t}
		ada := c.Add("ada")
		by := audit.Actor{AccountID: ada.ID, Address: "192.0.2.1"}
		h.must(c.Homes.ChangePIN(t.Context(), by, ada.ID, "", adasPIN))
		try := func(pin plexauth.Secret) error {
			_, err := c.Homes.Choose(t.Context(), by, ada.ID, fmt.Sprint(ada.ID), pin)
			return err
		}
		if err := try("0000"); !errors.Is(err, home.ErrPIN) {
			t.Errorf("%d tries: the first wrong PIN returned %v", test.tries, err)
		}
		if err := try("0000"); !errors.Is(err, test.want) {
			t.Errorf("%d tries: the second wrong PIN returned %v, want %v", test.tries, err, test.want)
		}
		c.Clock.Advance(time.Hour)
		if err := try(adasPIN); err != nil {
			t.Errorf("%d tries: an hour later, the right PIN returned %v", test.tries, err)
		}
	}
	// A limit that there was before has locked ada.
	for tries, want := range map[int]error{0: nil, 1: home.ErrLocked} {
		c := coretest.New(t, core.Config{FailedTries: tries})
		h := &house{Core: c, t: t}
		ada := c.Add("ada")
		by := audit.Actor{AccountID: ada.ID, Address: "192.0.2.1"}
		h.must(c.Homes.ChangePIN(t.Context(), by, ada.ID, "", adasPIN))
		h.must(c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Exec(ctx, "UPDATE home_user SET locked_until = ?", c.Clock.Now().Add(time.Hour).UnixMilli())
		}))
		if _, err := c.Homes.Choose(t.Context(), by, ada.ID, fmt.Sprint(ada.ID), adasPIN); !errors.Is(err, want) {
			t.Errorf("%d tries, while ada is locked: %v, want %v", tries, err, want)
		}
	}
}
