package pin_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
)

// The audit log records which device was linked to which account, with which token, and
// which was denied.
func TestRecorded(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		before, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := w.start(t, "tv", false)
		w.link(t, p.Code, w.mia)
		tok, err := w.poll(t, p.ID, "tv")
		if err != nil {
			t.Fatal(err)
		}
		principal, err := w.Tokens.Verify(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		gone(t, "denying a PIN that is linked", w.Deny(t.Context(), w.noa, p.Code))

		denied := w.start(t, "box", true)
		if err := w.Deny(t.Context(), w.noa, denied.Code); err != nil {
			t.Fatal(err)
		}
		_, err = w.poll(t, denied.ID, "box")
		gone(t, "polling what was denied", err)
		gone(t, "linking what was denied", w.Link(t.Context(), w.mia, denied.Code))

		list, err := w.Audit.List(t.Context(), audit.Query{After: before[0].ID, OldestFirst: true, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprintf("%s %d %s", e.Event, e.AccountID, e.Detail))
		}
		want := []string{
			fmt.Sprintf("%s %d token %d for Cinema", audit.PINLinked, w.mia.AccountID, principal.TokenID),
			fmt.Sprintf("%s %d Cinema", audit.PINRefused, w.noa.AccountID),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A user sees which device has a code, while its PIN is pending.
func TestFind(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		for _, strong := range []bool{false, true} {
			p := w.start(t, "tv", strong)
			found, err := w.Find(t.Context(), w.mia, p.Code)
			if err != nil || found.ID != p.ID || found.Device.ClientIdentifier != "tv" || found.AccountID != 0 {
				t.Errorf("strong %v: it is %+v, %v; want PIN %d of tv", strong, found, err, p.ID)
			}
			w.link(t, p.Code, w.mia)
			_, err = w.Find(t.Context(), w.noa, p.Code)
			gone(t, "a code that was used", err)
		}
		for _, code := range []string{"", "A", "ABCDE", "no code"} {
			_, err := w.Find(t.Context(), w.mia, code)
			gone(t, fmt.Sprintf("the code %q", code), err)
		}
	})
}
