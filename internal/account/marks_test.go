package account_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/plexauth"
)

// A browser is known for a year, and to eight accounts, among them the one that it
// signed in to last.
func TestMarksAreBounded(t *testing.T) {
	w := newFixture(t, core.Config{})
	known := func(a account.Account, marks plexauth.Secret) bool {
		return w.Recognises(t.Context(), a, string(marks))
	}
	begun := w.now()
	marks := w.MarkBrowser(w.mia, "")
	for at, want := range map[time.Duration]bool{0: true, account.MarkLife - time.Second: true, account.MarkLife: false} {
		w.core.Clock.Set(begun.Add(at))
		if got := known(w.mia, marks); got != want {
			t.Errorf("%v after its sign-in, the browser is known: %v, want %v", at, got, want)
		}
	}
	w.core.Clock.Set(begun)
	all := []account.Account{w.mia}
	for i := range 8 {
		all = append(all, w.core.Add(fmt.Sprint("user", i)))
	}
	for _, a := range all[1:8] {
		marks = w.MarkBrowser(a, marks)
	}
	for i, a := range all {
		if got := known(a, marks); got != (i < 8) {
			t.Errorf("after eight accounts, it is known to account %d: %v", i, got)
		}
	}
	marks = w.MarkBrowser(all[8], marks)
	n := 0
	for _, a := range all {
		if known(a, marks) {
			n++
		}
	}
	if n != 8 || !known(all[8], marks) {
		t.Errorf("after nine accounts, it is known to %d, the last of which is one: %v", n, known(all[8], marks))
	}
	// Texts up to the length of a mark are kept: they may be another account's marks.
	// Longer ones are not.
	for length, want := range map[int]bool{1: true, 64: true, 65: false} {
		text := strings.Repeat("x", length)
		if got := strings.Contains(string(w.MarkBrowser(w.mia, plexauth.Secret(text))), "~"+text); got != want {
			t.Errorf("a text of %d bytes is kept: %v, want %v", length, got, want)
		}
	}
}

// The log names the admin or the key that created a link.
func TestLinkIsRecorded(t *testing.T) {
	w := newFixture(t, core.Config{})
	before := w.rows(t)
	if _, _, err := w.NewLink(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(w.rows(t)[len(before):], "\n"), "second-factor.link|Mia|"; got != want {
		t.Errorf("the log has %q, want %q", got, want)
	}
}
