package pin_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/token"
)

// The number of pending PINs is limited, separately for each kind. Linked and expired
// PINs do not count.
func TestOnlyPINsThatWaitAreBounded(t *testing.T) {
	inFixture(t, 0, func(t *testing.T, w *fixture) {
		w.SetMost(1)
		start := func(strong bool) error {
			_, err := w.Start(t.Context(), device.Device{ClientIdentifier: "tv", Address: "192.0.2.1"}, strong, "")
			return err
		}
		first := w.start(t, "tv", false)
		tooMany(t, "the second", start(false))
		if err := start(true); err != nil {
			t.Errorf("one of the other kind: %v", err)
		}
		w.link(t, first.Code, w.mia)
		if err := start(false); err != nil {
			t.Errorf("after the first was linked: %v", err)
		}
		tooMany(t, "one more", start(false))
		time.Sleep(pin.ShortTTL)
		if err := start(false); err != nil {
			t.Errorf("after the second has expired: %v", err)
		}
	})
}

// When the pool of a kind is full, the oldest PIN of the network that has the most is
// evicted, but not for a network that would then have more.
func TestRoomForPINs(t *testing.T) {
	for _, strong := range []bool{false, true} {
		t.Run(fmt.Sprint("strong ", strong), func(t *testing.T) {
			inFixture(t, 0, func(t *testing.T, w *fixture) {
				w.SetMost(5)
				other := w.start(t, "tv", !strong)
				started := make(map[string]pin.PIN)
				// The letter is the network, and the digit one of its addresses.
				start := func(place string) error {
					address := fmt.Sprintf("2001:db8:%c:%c::1", place[0], place[1])
					p, err := w.Start(t.Context(), device.Device{ClientIdentifier: "tv", Address: address}, strong, "")
					started[place] = p
					time.Sleep(time.Second)
					return err
				}
				for _, place := range []string{"b1", "a1", "a2", "a3", "b2"} {
					if err := start(place); err != nil {
						t.Fatalf("while there is room: %v", err)
					}
				}
				for _, row := range []struct {
					place string
					full  bool
					gone  string
				}{
					{"a4", true, ""},    // a has 3
					{"b3", true, ""},    // it would have more than a
					{"c1", false, "a1"}, // a's oldest
					{"c2", true, ""},    // as would c
					{"d1", false, "b1"}, // the oldest of a's and b's
				} {
					err := start(row.place)
					if row.full {
						tooMany(t, row.place, err)
						continue
					}
					if err != nil {
						t.Errorf("%s: %v", row.place, err)
					}
					_, _, err = w.Get(t.Context(), started[row.gone].ID, "tv", "192.0.2.1")
					gone(t, "what went for "+row.place, err)
				}
				started["other"] = other
				for _, stays := range []string{"a2", "a3", "b2", "c1", "d1", "other"} {
					if _, _, err := w.Get(t.Context(), started[stays].ID, "tv", "192.0.2.1"); err != nil {
						t.Errorf("%s: %v", stays, err)
					}
				}
			})
		})
	}
}

// The linked device is the one that started the PIN, with its own description.
func TestLinkAddsItsDevice(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		want := device.Device{
			ClientIdentifier: "tv", Product: "product", Version: "version", Platform: "platform",
			PlatformVersion: "platform version", Device: "device", Model: "model", Vendor: "vendor", Name: "name",
			Address: "192.0.2.1",
		}
		p, err := w.Start(t.Context(), want, true, "")
		if err != nil {
			t.Fatal(err)
		}
		w.link(t, p.Code, w.mia)
		list, err := paging.Rows(w.Devices.List(t.Context(), w.mia.AccountID, paging.Request{}))
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		_, tok, err := w.Get(t.Context(), p.ID, "tv", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		grant, err := w.Tokens.Verify(t.Context(), tok)
		if err != nil || grant.Kind != token.Access || !grant.ExpiresAt.IsZero() {
			t.Errorf("the token is %+v, %v", grant, err)
		}
		want.ID, want.CreatedAt, want.LastSeenAt = grant.DeviceID, list[0].CreatedAt, list[0].LastSeenAt
		if diff := cmp.Diff(want, list[0]); diff != "" {
			t.Errorf("the device (-want +got):\n%s", diff)
		}
	})
}

// A link that is rejected leaves no token and no row in the log.
func TestRejectedLinkLeavesNothing(t *testing.T) {
	inFixture(t, 100, func(t *testing.T, w *fixture) {
		if err := w.Accounts.Disable(t.Context(), audit.Actor{}, w.noa.AccountID); err != nil {
			t.Fatal(err)
		}
		old := w.start(t, "tv", false)
		time.Sleep(pin.ShortTTL)
		p := w.start(t, "tv", false)
		denied := w.start(t, "tv", false)
		if err := w.Deny(t.Context(), w.mia, denied.Code); err != nil {
			t.Fatal(err)
		}
		before, err := w.Audit.List(t.Context(), audit.Query{})
		if err != nil {
			t.Fatal(err)
		}
		gone(t, "attack: one that has expired", w.Link(t.Context(), w.mia, old.Code))
		gone(t, "attack: a disabled account", w.Link(t.Context(), w.noa, p.Code))
		gone(t, "an account that is gone", w.Link(t.Context(), audit.Actor{AccountID: 99}, p.Code))
		gone(t, "attack: one that was denied", w.Link(t.Context(), w.mia, denied.Code))
		gone(t, "attack: denying it again", w.Deny(t.Context(), w.mia, denied.Code))
		w.link(t, p.Code, w.mia)
		gone(t, "attack: linking it twice", w.Link(t.Context(), w.mia, p.Code))
		gone(t, "attack: denying what is linked", w.Deny(t.Context(), w.mia, p.Code))
		counts, err := w.Tokens.Count(t.Context())
		if err != nil || counts.Access != 1 {
			t.Errorf("there are %+v, %v, want the one token", counts, err)
		}
		after, err := w.Audit.List(t.Context(), audit.Query{})
		if err != nil || len(after) != len(before)+1 || after[0].Event != audit.PINLinked {
			t.Errorf("%d rows were added, the last of which is %+v, %v", len(after)-len(before), after[0], err)
		}
	})
}

// A linked PIN is returned as long as its token is valid: not while the account is
// disabled, and again when it is enabled.
func TestLinkedPINOfADisabledAccount(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		w.link(t, p.Code, w.mia)
		for range 2 {
			if err := w.Accounts.Disable(t.Context(), audit.Actor{}, w.mia.AccountID); err != nil {
				t.Fatal(err)
			}
			_, err := w.poll(t, p.ID, "tv")
			gone(t, "attack: the token of a disabled account", err)
			if err := w.Accounts.Enable(t.Context(), audit.Actor{}, w.mia.AccountID); err != nil {
				t.Fatal(err)
			}
			if tok, err := w.poll(t, p.ID, "tv"); err != nil || tok == "" {
				t.Errorf("after it was enabled: %d letters, %v", len(tok), err)
			}
		}
	})
}

// A device that is linked for the eleventh time loses its least recently used
// token, as one that signs in does.
func TestLinkMakesRoom(t *testing.T) {
	inFixture(t, 0, func(t *testing.T, w *fixture) {
		mia, err := w.Accounts.Get(t.Context(), w.mia.AccountID)
		if err != nil {
			t.Fatal(err)
		}
		oldest := w.Token(mia, "tv")
		for range token.PerDevice - 1 {
			time.Sleep(time.Minute)
			w.Token(mia, "tv")
		}
		phone := w.Token(mia, "phone")
		linked := w.linked(t, "tv", w.mia)
		if w.whose(t, oldest) != 0 {
			t.Error("a device holds eleven tokens")
		}
		if w.whose(t, linked) != w.mia.AccountID || w.whose(t, phone) != w.mia.AccountID {
			t.Error("the new token or another device's was revoked")
		}
		counts, err := w.Tokens.Count(t.Context())
		if err != nil || counts.Access != token.PerDevice+1 {
			t.Errorf("there are %+v, %v", counts, err)
		}
	})
}

// Attack: one account denies the sign-ins of others by guessing their codes. Denials
// have the same limit as links.
func TestDenyIsLimited(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		for range tries {
			gone(t, "a wrong code", w.Deny(t.Context(), w.mia, "CCCC"))
		}
		tooMany(t, "attack: the right one after that", w.Deny(t.Context(), w.mia, p.Code))
		if err := w.Link(t.Context(), w.noa, p.Code); err != nil {
			t.Errorf("its own account links it: %v", err)
		}
	})
}
