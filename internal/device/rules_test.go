package device_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
)

// watcher records the sign-ins that it receives, and fails if err is set.
type watcher struct {
	told []string
	err  error
}

// SignedIn implements device.Watcher.
func (w *watcher) SignedIn(_ context.Context, _ *db.Tx, accountID int64, d device.Device, isNew bool) error {
	w.told = append(w.told, fmt.Sprint(accountID, d.ClientIdentifier, isNew))
	return w.err
}

// Every watcher is called for a sign-in, until one fails. Then the sign-in fails, too.
func TestWatchers(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	var first, second watcher
	devices := device.New(device.Config{DB: c.DB, Rows: store.Devices{}, Watchers: []device.Watcher{&first, &second}})
	signIn := func() error {
		return c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			id, err := devices.SignedIn(ctx, tx, mia.ID, device.Device{ClientIdentifier: "tv"})
			if (id == 0) != (err != nil) {
				t.Errorf("the device is %d, %v", id, err)
			}
			return err
		})
	}
	if err := signIn(); err != nil {
		t.Fatal(err)
	}
	first.err = errors.New("full")
	if err := signIn(); !errors.Is(err, first.err) {
		t.Errorf("a sign-in with a watcher that fails returned %v, want its error", err)
	}
	one := fmt.Sprint(mia.ID, "tv", true)
	if !slices.Equal(first.told, []string{one, one}) || !slices.Equal(second.told, []string{one}) {
		t.Errorf("the watchers received %q and %q, want %q twice and once", first.told, second.told, one)
	}
}

// An account keeps PerAccount devices. When they were last seen is written before it is
// decided which of them go, and their tokens are revoked before they do.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa")
	errStop := errors.New("stop")
	write := func(f func(ctx context.Context, tx *db.Tx) error) error { return c.DB.Write(t.Context(), f) }
	ids := make([]int64, device.PerAccount+2)
	add := func(from, to int) {
		t.Helper()
		err := write(func(ctx context.Context, tx *db.Tx) (err error) {
			for i := from; i < to && err == nil; i++ {
				ids[i], err = c.Devices.SignedIn(ctx, tx, mia.ID, device.Device{ClientIdentifier: fmt.Sprint("device ", i)})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	other := signedIn(t, c, noa.ID, device.Device{ClientIdentifier: "tv"})
	add(0, 2)
	c.Clock.Advance(time.Minute)
	add(2, device.PerAccount)

	settled, revoked := 0, []int64(nil)
	room := func(settle, revoke error) (n int, err error) {
		settled, revoked = 0, nil
		err = write(func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = c.Devices.MakeRoom(ctx, tx, mia.ID, func() error {
				settled++
				if settle != nil {
					return settle
				}
				// The first device has been seen since, and the third has not.
				return tx.Exec(ctx, "UPDATE device SET last_seen_at = (SELECT MAX(last_seen_at) FROM device) WHERE id = $1", ids[0])
			}, func(id int64) error {
				revoked = append(revoked, id)
				var name string // it is still there
				return errors.Join(revoke, tx.QueryRow(ctx, "SELECT client_identifier FROM device WHERE id = $1", id).Scan(&name))
			})
			return err
		})
		return n, err
	}
	if n, err := room(nil, nil); n != 0 || err != nil || settled != 0 {
		t.Errorf("%d devices of %d go, %v, and the uses are written %d times", n, device.PerAccount, err, settled)
	}
	c.Clock.Advance(time.Minute)
	add(device.PerAccount, device.PerAccount+2)
	if n, err := room(errStop, nil); n != 0 || !errors.Is(err, errStop) || revoked != nil {
		t.Errorf("if the uses cannot be written, %d go, %v, and %v are revoked", n, err, revoked)
	}
	if n, err := room(nil, errStop); n != 0 || !errors.Is(err, errStop) || len(revoked) != 1 {
		t.Errorf("if a token cannot be revoked, %d go, %v, and %v are revoked", n, err, revoked)
	}
	n, err := room(nil, nil)
	slices.Sort(revoked)
	if want := []int64{ids[1], ids[2]}; n != 2 || err != nil || settled != 1 || !slices.Equal(revoked, want) {
		t.Errorf("%d go, %v, and %v are revoked, want %v", n, err, revoked, want)
	}
	for i, id := range append(slices.Clone(ids[:4]), other) {
		account, name := mia.ID, fmt.Sprint("device ", i)
		if id == other {
			account, name = noa.ID, "tv"
		}
		gone := id == ids[1] || id == ids[2]
		if got, _, err := c.Devices.Known(t.Context(), account, name); err != nil || (got == 0) != gone || !gone && got != id {
			t.Errorf("%s is %d, %v, want it gone: %v", name, got, err, gone)
		}
	}
}

// The results for a device of another account, and for one without a token.
func TestHeld(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa")
	none := signedIn(t, c, mia.ID, device.Device{ClientIdentifier: "none", Address: "192.0.2.1"})
	c.Token(mia, "tv")
	c.Token(mia, "tv")
	signedIn(t, c, mia.ID, device.Device{ClientIdentifier: "tv", Name: "Attic"})
	held, _, err := c.Devices.Known(t.Context(), mia.ID, "tv")
	if err != nil || held == 0 {
		t.Fatal(held, err)
	}
	d, tokens, err := c.Devices.Held(t.Context(), mia.ID, held)
	if err != nil || tokens != 2 || d.ID != held || d.ClientIdentifier != "tv" {
		t.Errorf("it is %+v with %d tokens, %v, want 2", d, tokens, err)
	}
	for what, of := range map[string][2]int64{
		"without a token": {mia.ID, none}, "of another account": {noa.ID, held}, "that is not there": {mia.ID, 4711},
	} {
		if _, tokens, err := c.Devices.Held(t.Context(), of[0], of[1]); !errors.Is(err, device.ErrNotFound) || tokens != 0 {
			t.Errorf("a device %s holds %d tokens, %v, want ErrNotFound", what, tokens, err)
		}
	}
	if n, err := c.Devices.Count(t.Context(), mia.ID); n != 1 || err != nil {
		t.Errorf("%d devices hold a token, %v, want 1", n, err)
	}
	if id, address, err := c.Devices.Known(t.Context(), mia.ID, "none"); id != none || address != "192.0.2.1" || err != nil {
		t.Errorf("the device without a token is %d at %q, %v, want %d", id, address, err, none)
	}
	if id, address, err := c.Devices.Known(t.Context(), noa.ID, "none"); id != 0 || address != "" || err != nil {
		t.Errorf("to another account, it is %d at %q, %v", id, address, err)
	}
	for text, want := range map[string]int{"": 1, "ATT": 1, "radio": 0} {
		list, err := paging.Rows(c.Devices.Search(t.Context(), mia.ID, device.Query{Text: text}, paging.Request{}))
		if err != nil || len(list) != want {
			t.Errorf("a search for %q finds %+v, %v, want %d", text, list, err, want)
		}
	}
}

// Two devices that are merged were there since the first of them, and seen when the last
// of them was.
func TestMerge(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	begin := c.Clock.Now()
	from := signedIn(t, c, mia.ID, device.Device{ClientIdentifier: "before"})
	c.Clock.Advance(time.Hour)
	c.Token(mia, "after")
	into, _, err := c.Devices.Known(t.Context(), mia.ID, "after")
	if err != nil {
		t.Fatal(err)
	}
	merge := func(ctx context.Context) error {
		return c.DB.Write(t.Context(), func(_ context.Context, tx *db.Tx) error { return c.Devices.Merge(ctx, tx, from, into) })
	}
	if err := merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, _, err := c.Devices.Known(t.Context(), mia.ID, "before"); id != 0 || err != nil {
		t.Errorf("the merged device is still there: %d, %v", id, err)
	}
	d, _, err := c.Devices.Held(t.Context(), mia.ID, into)
	if err != nil || !d.CreatedAt.Equal(begin) || !d.LastSeenAt.Equal(c.Clock.Now()) {
		t.Errorf("the other one is %+v, %v; want it created at %v and seen at %v", d, err, begin, c.Clock.Now())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := merge(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("merging with a context that has ended returned %v", err)
	}
}
