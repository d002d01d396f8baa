package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/store"
)

// newPIN is a PIN of ten minutes, with everything filled in.
func newPIN(id int64, client string) store.PIN {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return store.PIN{
		ID: id, Code: fmt.Sprint("code ", id), Nonce: [16]byte{byte(id), 2, 3},
		Device: store.Device{
			ClientIdentifier: client, Product: "product", Version: "version", Platform: "platform",
			PlatformVersion: "platform version", Device: "device", Model: "model", Vendor: "vendor", Name: "name",
			Address: "address",
		},
		CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
	}
}

func addPIN(t testing.TB, s *store.Store, p store.PIN) store.PIN {
	t.Helper()
	if err := s.AddPIN(t.Context(), p, 100, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// is fails the test unless an error is the one that is wanted.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s gives %v, want %v", what, err, want)
	}
}

func TestPINs(t *testing.T) {
	s := open(t, t.TempDir())
	want := newPIN(1, "tv")
	want.Strong = true
	addPIN(t, s, want)
	byID, err := s.PINByID(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	byCode, err := s.PINByCode(t.Context(), "code 1")
	if err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]store.PIN{"ID": byID, "code": byCode} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by its %s it is another (-want +got):\n%s", how, diff)
		}
	}
	_, err = s.PINByID(t.Context(), 2)
	is(t, "an unknown ID", err, store.ErrNotFound)
	_, err = s.PINByCode(t.Context(), "CODE 1")
	is(t, "an unknown code", err, store.ErrNotFound)

	taken := newPIN(1, "tv")
	taken.Code = "another"
	is(t, "an ID that is taken", s.AddPIN(t.Context(), taken, 100, nil), store.ErrConflict)
	taken = newPIN(2, "tv")
	taken.Code = want.Code
	is(t, "a code that is taken", s.AddPIN(t.Context(), taken, 100, nil), store.ErrConflict)
}

// Those that wait are bounded, each kind for itself; those that are linked or
// have expired do not count, and the latter go.
func TestPINsThatWaitAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	past := newPIN(1, "tv")
	past.ExpiresAt = time.Now()
	addPIN(t, s, past)
	addPIN(t, s, newPIN(2, "tv"))
	if err := s.LinkPIN(t.Context(), 2, mia.ID, hash("token")); err != nil {
		t.Fatal(err)
	}
	if err := s.AddPIN(t.Context(), newPIN(3, "tv"), 1, nil); err != nil {
		t.Errorf("the first that waits: %v", err)
	}
	is(t, "the second", s.AddPIN(t.Context(), newPIN(4, "tv"), 1, nil), store.ErrFull)
	strong := newPIN(5, "tv")
	strong.Strong = true
	if err := s.AddPIN(t.Context(), strong, 1, nil); err != nil {
		t.Errorf("one of the other kind: %v", err)
	}
	_, err := s.PINByID(t.Context(), 1)
	is(t, "one that has expired", err, store.ErrNotFound)
}

// Of each kind, the network that has the most PINs loses its oldest, and never
// to one that would then have more.
func TestRoomForPINs(t *testing.T) {
	for _, strong := range []bool{false, true} {
		t.Run(fmt.Sprint("strong ", strong), func(t *testing.T) {
			s := open(t, t.TempDir())
			other := newPIN(100, "tv")
			other.Strong = !strong
			addPIN(t, s, other)
			id := int64(0)
			add := func(address string) error {
				id++
				p := newPIN(id, "tv")
				p.Strong, p.Device.Address = strong, address
				p.CreatedAt = p.CreatedAt.Add(time.Duration(id) * time.Second)
				return s.AddPIN(t.Context(), p, 5, func(address string) string { return address[:1] })
			}
			for _, address := range []string{"b1", "a1", "a2", "a3", "b2"} {
				if err := add(address); err != nil {
					t.Fatalf("while there is room: %v", err)
				}
			}
			for _, row := range []struct {
				address string
				want    error
				gone    int64
			}{
				{"a4", store.ErrFull, 0}, // a has 3
				{"b3", store.ErrFull, 0}, // it would have more than a
				{"c1", nil, 2},           // a's oldest
				{"c2", store.ErrFull, 0}, // as would c
				{"d1", nil, 1},           // the oldest of a's and b's
			} {
				is(t, row.address, add(row.address), row.want)
				if row.gone > 0 {
					_, err := s.PINByID(t.Context(), row.gone)
					is(t, "what went for "+row.address, err, store.ErrNotFound)
				}
			}
			for _, stays := range []int64{3, 4, 5, 8, 10, 100} {
				_, err := s.PINByID(t.Context(), stays)
				is(t, fmt.Sprint("PIN ", stays), err, nil)
			}
		})
	}
}

func TestLinkPIN(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	addPIN(t, s, newPIN(1, "tv"))
	if err := s.LinkPIN(t.Context(), 1, mia.ID, hash("token")); err != nil {
		t.Fatal(err)
	}
	got, err := s.PINByID(t.Context(), 1)
	if err != nil || got.AccountID != mia.ID {
		t.Errorf("it is account %d's, %v", got.AccountID, err)
	}
	grant, err := s.GrantByHash(t.Context(), hash("token"))
	if err != nil || grant.AccountID != mia.ID || grant.Kind != store.AccessToken || !grant.ExpiresAt.IsZero() {
		t.Errorf("the token is %+v, %v", grant, err)
	}
	devices, err := s.Devices(t.Context(), mia.ID)
	if err != nil || len(devices) != 1 {
		t.Fatal(devices, err)
	}
	want := newPIN(1, "tv").Device
	want.ID = grant.DeviceID
	if diff := cmp.Diff(want, devices[0].Device); diff != "" {
		t.Errorf("the device is another (-want +got):\n%s", diff)
	}
}

func TestLinkPINRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	mia, noa := addAccount(t, s, "mia", ""), addAccount(t, s, "noa", "")
	if err := s.SetDisabled(t.Context(), noa.ID, true); err != nil {
		t.Fatal(err)
	}
	past := newPIN(1, "tv")
	past.ExpiresAt = time.Now()
	addPIN(t, s, past)
	is(t, "attack: linking one that has expired", s.LinkPIN(t.Context(), 1, mia.ID, hash("a")), store.ErrConflict)
	addPIN(t, s, newPIN(2, "tv"))
	is(t, "attack: a disabled account", s.LinkPIN(t.Context(), 2, noa.ID, hash("a")), store.ErrConflict)
	is(t, "an account that is gone", s.LinkPIN(t.Context(), 2, 99, hash("a")), store.ErrConflict)
	is(t, "a PIN that is gone", s.LinkPIN(t.Context(), 3, mia.ID, hash("a")), store.ErrConflict)
	if alive(t, s, "a") {
		t.Error("a link that was refused left a token")
	}

	// Of many that try at the same time, one does it.
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.LinkPIN(t.Context(), 2, mia.ID, hash(fmt.Sprint("token", i))) })
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else {
			is(t, "attack: linking it twice", err, store.ErrConflict)
		}
	}
	if list, _ := s.Tokens(t.Context(), mia.ID); done != 1 || len(list) != 1 {
		t.Errorf("%d linked it and there are %d tokens, want one each", done, len(list))
	}
}

// A linked PIN is found for as long as its token is good.
func TestLinkedPINEndsWithItsToken(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	link := func(id int64) store.Grant {
		addPIN(t, s, newPIN(id, "tv"))
		if err := s.LinkPIN(t.Context(), id, mia.ID, hash(fmt.Sprint(id))); err != nil {
			t.Fatal(err)
		}
		g, err := s.GrantByHash(t.Context(), hash(fmt.Sprint(id)))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	found := func(id int64) bool {
		_, err := s.PINByID(t.Context(), id)
		_, other := s.PINByCode(t.Context(), fmt.Sprint("code ", id))
		if (err == nil) != (other == nil) {
			t.Errorf("by its ID: %v; by its code: %v", err, other)
		}
		return err == nil
	}
	if err := s.RevokeToken(t.Context(), link(1).TokenID); err != nil {
		t.Fatal(err)
	}
	if found(1) {
		t.Error("it outlives its token")
	}
	link(2)
	for _, disabled := range []bool{true, false} {
		if err := s.SetDisabled(t.Context(), mia.ID, disabled); err != nil {
			t.Fatal(err)
		}
		if found(2) == disabled {
			t.Errorf("it is found although the account's disabled is %v", disabled)
		}
	}
	if err := s.RemoveAccount(t.Context(), mia.ID); err != nil {
		t.Fatal(err)
	}
	if found(2) {
		t.Error("it outlives its account")
	}
}

// A device that is linked for the eleventh time loses its least recently used
// token, as one that signs in does.
func TestLinkPINMakesRoom(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	for i := range store.TokensPerDevice {
		signIn(t, s, mia, "tv", fmt.Sprint("token", i))
	}
	signIn(t, s, mia, "phone", "phone")
	addPIN(t, s, newPIN(1, "tv"))
	if err := s.LinkPIN(t.Context(), 1, mia.ID, hash("linked")); err != nil {
		t.Fatal(err)
	}
	for i := range store.TokensPerDevice {
		if name := fmt.Sprint("token", i); alive(t, s, name) != (i > 0) {
			t.Errorf("%s is alive: %v", name, i == 0)
		}
	}
	if !alive(t, s, "linked") || !alive(t, s, "phone") {
		t.Error("the new token or another device's has ended")
	}
}

// Each change names its PIN, so that copies are dropped.
func TestWatchPINs(t *testing.T) {
	s := open(t, t.TempDir())
	mia := addAccount(t, s, "mia", "")
	got := watch(s, store.PINTopic)
	addPIN(t, s, newPIN(7, "tv"))
	if err := s.LinkPIN(t.Context(), 7, mia.ID, hash("token")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"7", "7"}, *got); diff != "" {
		t.Errorf("the changes name others (-want +got):\n%s", diff)
	}
}
