package account_test

import (
	"regexp"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/plexauth"
)

// oneMark matches a mark.
var oneMark = regexp.MustCompile(`^[A-Z2-7]{26}\.[0-9a-z]{6}\.[A-Za-z0-9_-]{22}$`)

// Only an issued cookie makes a browser known. Whatever a browser sends, its next cookie
// makes it known, and is short and valid.
func FuzzMarks(f *testing.F) {
	c := coretest.New(f, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa")
	issued := string(c.Accounts.MarkBrowser(noa, ""))
	if !oneMark.MatchString(issued) {
		f.Fatalf("a mark is %q", issued)
	}
	for _, marks := range []string{"", "~", "a.b.c", "a.b.c~d.e.f", issued, issued + "~" + issued, "a b.c\x00.d", "é.1.é"} {
		f.Add(marks)
	}
	text := regexp.MustCompile(`^[A-Za-z0-9._-]+(~[A-Za-z0-9._-]+){0,7}$`)
	f.Fuzz(func(t *testing.T, marks string) {
		if c.Accounts.Recognises(t.Context(), mia, marks) {
			t.Fatalf("%q makes a browser known", marks)
		}
		next := c.Accounts.MarkBrowser(mia, plexauth.Secret(marks))
		if !c.Accounts.Recognises(t.Context(), mia, string(next)) {
			t.Errorf("after %q, the browser is not known", marks)
		}
		if !text.MatchString(string(next)) || len(next) > 8*65 {
			t.Errorf("after %q, the cookie is %q", marks, string(next))
		}
		again := c.Accounts.MarkBrowser(mia, next)
		if len(again) != len(next) || c.Accounts.Recognises(t.Context(), account.Account{}, string(again)) {
			t.Errorf("marked once more, the cookie is %q", string(again))
		}
	})
}
