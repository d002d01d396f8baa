package account_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

func TestPHC(t *testing.T) {
	text := account.HashPassword("secret", account.DefaultCost)
	if !strings.HasPrefix(string(text), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the cost is not OWASP's: %s", string(text))
	}
	if text == account.HashPassword("secret", account.DefaultCost) {
		t.Error("two hashes of one password are equal: there is no salt")
	}
	for password, want := range map[plexauth.Secret]bool{"secret": true, "Secret": false, "": false} {
		if got, err := account.Matches(text, password); err != nil || got != want {
			t.Errorf("Matches(%q) = %v, %v", string(password), got, err)
		}
	}
	// The vector of the argon2 reference implementation for these parameters.
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := account.Matches(reference, "password"); err != nil || !ok {
		t.Errorf("the reference implementation's hash does not match: %v", err)
	}
}

func TestSplitCode(t *testing.T) {
	for password, want := range map[plexauth.Secret][2]plexauth.Secret{
		"hunter2123456":         {"hunter2", "123456"},
		"hunter27h2m-x9qd-04tk": {"hunter2", "7h2m-x9qd-04tk"},
		"hunter27H2M-X9QD-04TK": {"hunter2", "7H2M-X9QD-04TK"},
		"hunter212345":          {"hunter", "212345"},
		"hunter":                {},
		"123456":                {}, // a code without a password
		"hunter2 12345x":        {},
		"":                      {},
	} {
		rest, code, ok := account.SplitCode(password)
		if rest != want[0] || code != want[1] || ok != (want[1] != "") {
			t.Errorf("SplitCode(%q) = %q, %q", string(password), string(rest), string(code))
		}
	}
}

// Whatever the database contains, reading it returns a hash that can be computed in a
// limited time, or an error.
func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Add("$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		again, cost, err := account.ReadPHC(plexauth.Secret(text))
		if err != nil {
			return
		}
		if cost.Memory > 4<<20 || cost.Time > 100 || cost.Threads == 0 {
			t.Errorf("%q is accepted with cost %+v", text, cost)
		}
		if twice, _, err := account.ReadPHC(again); err != nil || twice != again {
			t.Errorf("%q is written as %q, which is read as %q (%v)", text, string(again), string(twice), err)
		}
	})
}

// Splitting neither loses nor adds characters.
func FuzzSplitCode(f *testing.F) {
	f.Add("hunter2123456")
	f.Add("hunter27h2m-x9qd-04tk")
	f.Fuzz(func(t *testing.T, text string) {
		rest, code, ok := account.SplitCode(plexauth.Secret(text))
		if ok && (rest == "" || string(rest)+string(code) != text) || !ok && (rest != "" || code != "") {
			t.Errorf("SplitCode(%q) = %q, %q, %v", text, string(rest), string(code), ok)
		}
	})
}
