package device_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		device          device.Device
		describe, label string
	}{
		{device.Device{ClientIdentifier: "id"}, "", "id"},
		{device.Device{ClientIdentifier: "id", Product: "Player"}, "Player", "Player"},
		{device.Device{ClientIdentifier: "id", Name: "Living room"}, "Living room", "Living room"},
		{device.Device{ClientIdentifier: "id", Device: "TV"}, "TV", "TV"},
		{device.Device{Product: "Player", Name: "Living room"}, "Player on Living room", "Player on Living room"},
		{device.Device{Product: "Player", Device: "TV"}, "Player on TV", "Player on TV"},
		{device.Device{Product: "Player", Device: "TV", Name: "Den"}, "Player on Den", "Player on Den"},
	} {
		if got := test.device.Describe(); got != test.describe {
			t.Errorf("%+v is described as %q, want %q", test.device, got, test.describe)
		}
		if got := test.device.Label(); got != test.label {
			t.Errorf("%+v is labelled %q, want %q", test.device, got, test.label)
		}
	}
}

// A device of an account keeps its ID and its first sign-in, and has its latest
// description.
func TestSignedIn(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa")
	tv := device.Device{ClientIdentifier: "tv", Product: "Player", Name: "Den", Address: "192.0.2.1"}
	first := signedIn(t, c, mia.ID, tv)
	begin := c.Clock.Now()
	c.Clock.Advance(time.Hour)
	tv.Name, tv.Address = "Attic", "192.0.2.2"
	if again := signedIn(t, c, mia.ID, tv); again != first {
		t.Errorf("the same device is %d, then %d", first, again)
	}
	if other := signedIn(t, c, noa.ID, tv); other == first {
		t.Error("two accounts share a device")
	}

	if list, err := paging.Rows(c.Devices.List(t.Context(), mia.ID, paging.Request{})); err != nil || len(list) != 0 {
		t.Errorf("a device without a token is listed: %+v, %v", list, err)
	}
	c.Token(mia, "tv")
	list, err := paging.Rows(c.Devices.List(t.Context(), mia.ID, paging.Request{}))
	if err != nil || len(list) != 1 {
		t.Fatalf("the list is %+v, %v; want one device", list, err)
	}
	got := list[0]
	if got.ID != first || got.ClientIdentifier != "tv" || !got.CreatedAt.Equal(begin) || !got.LastSeenAt.Equal(c.Clock.Now()) {
		t.Errorf("the device is %+v; want %d, created at %v, seen at %v", got, first, begin, c.Clock.Now())
	}
}

// A failed query is an error, and not an empty list or a missing device.
func TestErrors(t *testing.T) {
	t.Parallel()
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Devices.List(gone, mia.ID, paging.Request{})
	wantError(t, err, "listing devices")
	_, err = c.Devices.Search(gone, mia.ID, device.Query{Text: "x"}, paging.Request{})
	wantError(t, err, "searching devices")
	_, _, err = c.Devices.Held(gone, mia.ID, 1)
	wantError(t, err, "reading device 1")
	_, err = c.Devices.Count(gone, mia.ID)
	wantError(t, err, "counting devices")
	_, _, err = c.Devices.Known(gone, mia.ID, "tv")
	wantError(t, err, "finding a device")
	err = c.DB.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
		_, err := c.Devices.SignedIn(gone, tx, mia.ID, device.Device{ClientIdentifier: "tv"})
		return err
	})
	wantError(t, err, "recording a device")
	err = c.DB.Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
		_, err := c.Devices.MakeRoom(gone, tx, mia.ID, nil, nil)
		return err
	})
	wantError(t, err, "finding devices beyond the limit")
}

func wantError(t *testing.T, err error, says string) {
	t.Helper()
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want an error that says %q and why", err, says)
	}
}

func signedIn(t *testing.T, c *coretest.Core, accountID int64, d device.Device) (id int64) {
	t.Helper()
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = c.Devices.SignedIn(ctx, tx, accountID, d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}
