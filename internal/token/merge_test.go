package token_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// deviceOf is the device of a token.
func (w *fixture) deviceOf(t *testing.T, tok plexauth.Secret) int64 {
	t.Helper()
	return w.verify(t, tok).DeviceID
}

// The tokens of a merged program belong to the remaining device, in this process and
// in others, and are revoked with it.
func TestMergeDevices(t *testing.T) {
	w := newFixture(t, core.Config{})
	old := w.signIn(t, "old")
	w.Clock.Advance(time.Hour)
	now := w.signIn(t, "new")
	before := w.verify(t, old)
	server, err := w.serverToken(t, before, w.den.ID)
	if err != nil {
		t.Fatal(err)
	}
	transient := w.mint(before, 0)
	id, _, err := w.key(t, before)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Hour)
	from, into := before.DeviceID, w.deviceOf(t, now)
	announced := w.revoked()
	plan, err := w.Tokens.Merging(t.Context(), w.mia.ID, from, into)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.Tokens.MergeDevices(t.Context(), w.by(), w.mia.ID, from, into)
	if err != nil || done.Moved != 3 || done.Ended != 0 || plan.Moved != done.Moved || plan.Ended != done.Ended {
		t.Fatalf("%+v, %v; planned was %+v", done, err, plan)
	}
	if n := len(announced()); n != 3 {
		t.Errorf("%d tokens are announced to the caches of other processes, want 3", n)
	}
	for name, tok := range map[string]plexauth.Secret{"old": old, "new": now, "of a server": server, "transient": transient} {
		if d := w.deviceOf(t, tok); d != into {
			t.Errorf("the token %s is device %d's, want %d", name, d, into)
		}
	}
	devices, err := paging.Rows(w.Devices.List(t.Context(), w.mia.ID, paging.Request{}))
	if err != nil || len(devices) != 1 || devices[0].ClientIdentifier != "new" {
		t.Fatalf("the devices are %+v, %v", devices, err)
	}
	if d := devices[0]; !d.CreatedAt.Before(d.LastSeenAt) || d.LastSeenAt.Sub(d.CreatedAt) < time.Hour {
		t.Errorf("it was seen from %s to %s", d.CreatedAt, d.LastSeenAt)
	}
	log, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	if want := fmt.Sprintf("device %d into device %d: 3 moved", from, into); err != nil || log[0].Event != audit.DevicesMerged || log[0].Detail != want {
		t.Errorf("the log has %+v, %v", log, err)
	}
	if err := w.Tokens.RevokeDevice(t.Context(), w.by(), w.mia.ID, into); err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]plexauth.Secret{"old": old, "new": now, "of a server": server, "transient": transient} {
		if _, err := w.Tokens.Verify(t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("after the device was signed out, the token %s: %v", name, err)
		}
	}
	if _, err := w.Tokens.Get(t.Context(), id); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("after the device was signed out, its key: %v", err)
	}
}

// Attack: merging moves tokens from or to another account.
func TestMergeAcrossAccounts(t *testing.T) {
	w := newFixture(t, core.Config{})
	noa := w.Core.Add("noa")
	mias := w.deviceOf(t, w.signIn(t, "tv"))
	other := w.deviceOf(t, w.signIn(t, "phone"))
	noas := w.deviceOf(t, w.Token(noa, "tv"))
	log, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		account, from, into int64
		want                error
	}{
		"hers into another's":    {w.mia.ID, mias, noas, token.ErrNoDevice},
		"another's into hers":    {w.mia.ID, noas, mias, token.ErrNoDevice},
		"as the other account":   {noa.ID, mias, noas, token.ErrNoDevice},
		"both of another":        {noa.ID, mias, other, token.ErrNoDevice},
		"of no account":          {0, mias, other, token.ErrNoDevice},
		"from none":              {w.mia.ID, 0, mias, token.ErrNoDevice},
		"into none":              {w.mia.ID, mias, 0, token.ErrNoDevice},
		"into what is not there": {w.mia.ID, mias, 99, token.ErrNoDevice},
		"into itself":            {w.mia.ID, mias, mias, token.ErrSameDevice},
	} {
		if _, err := w.Tokens.Merging(t.Context(), c.account, c.from, c.into); !errors.Is(err, c.want) {
			t.Errorf("planning %s: %v", name, err)
		}
		if _, err := w.Tokens.MergeDevices(t.Context(), w.by(), c.account, c.from, c.into); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := w.Audit.List(t.Context(), audit.Query{Limit: 1}); err != nil || after[0].ID != log[0].ID {
		t.Errorf("something happened: %+v, %v", after, err)
	}
	for id, of := range map[int64]int64{mias: w.mia.ID, other: w.mia.ID, noas: noa.ID} {
		if _, n, err := w.Devices.Held(t.Context(), of, id); err != nil || n != 1 {
			t.Errorf("device %d of account %d holds %d tokens, %v", id, of, n, err)
		}
	}
}

// A merged device can have ten tokens and ten keys: the least recently used are revoked,
// as the confirmation shows.
func TestMergedDeviceHoldsTen(t *testing.T) {
	w := newFixture(t, core.Config{})
	var all []plexauth.Secret
	for i := range 2 * (token.PerDevice - 2) {
		all = append(all, w.signIn(t, fmt.Sprint("device ", i%2)))
		w.Clock.Advance(time.Minute)
	}
	if !w.alive(t, all[0]) {
		t.Fatal("the first one has ended already")
	}
	w.verify(t, all[0]) // is used, which is not in the database yet
	from, into := w.deviceOf(t, all[len(all)-1]), w.deviceOf(t, all[len(all)-2])
	const surplus = token.PerDevice - 4
	if plan, err := w.Tokens.Merging(t.Context(), w.mia.ID, from, into); err != nil || plan.Ended != surplus {
		t.Errorf("planned is %+v, %v", plan, err)
	}
	done, err := w.Tokens.MergeDevices(t.Context(), w.by(), w.mia.ID, from, into)
	if err != nil || done.Ended != surplus {
		t.Fatalf("%+v, %v", done, err)
	}
	for i, tok := range all {
		if want := i == 0 || i > surplus; w.alive(t, tok) != want {
			t.Errorf("token %d is alive: %v", i, !want)
		}
	}
	log, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	if err != nil || !strings.Contains(log[0].Detail, fmt.Sprintf("and %d revoked", surplus)) {
		t.Errorf("%+v, %v", log, err)
	}
}

// Of two concurrent merges of the same devices, in either direction, one succeeds.
func TestConcurrentMerge(t *testing.T) {
	w := newFixture(t, core.Config{})
	one, two := w.signIn(t, "one"), w.signIn(t, "two")
	ids := [2]int64{w.deviceOf(t, one), w.deviceOf(t, two)}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Tokens.MergeDevices(t.Context(), w.by(), w.mia.ID, ids[i%2], ids[(i+1)%2]) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, token.ErrNoDevice) {
			t.Error(err)
		}
	}
	if won != 1 || w.deviceOf(t, one) != w.deviceOf(t, two) {
		t.Errorf("%d succeeded, and the tokens are of devices %d and %d", won, w.deviceOf(t, one), w.deviceOf(t, two))
	}
}
