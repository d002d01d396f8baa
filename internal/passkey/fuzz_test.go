package passkey_test

import (
	"net"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/passkey"
)

// For every host of a request, there is either no party or one that passkeys can
// be bound to.
func FuzzNewParty(f *testing.F) {
	for _, host := range []string{
		"localhost:32400", "usher.example.org", "192.0.2.1:80", "[::1]:32400", "::1", "a b", "%41", "x?y", "x#y", "x/y", "a@b", ":80", "", "é",
	} {
		f.Add("", host, false)
		f.Add("https://"+host, "localhost", true)
	}
	passkeys := passkey.New(passkey.Config{})
	f.Fuzz(func(t *testing.T, public, host string, secure bool) {
		p, ok := passkey.NewParty(public, host, secure)
		if !ok {
			if p.ID != "" || p.Origins != nil {
				t.Errorf("want no party, got %+v", p)
			}
			return
		}
		if p.ID != strings.ToLower(p.ID) || net.ParseIP(p.ID) != nil || len(p.Origins) == 0 {
			t.Errorf("NewParty(%q, %q, %v) is %+v", public, host, secure, p)
		}
		if _, err := passkeys.BeginSignIn(t.Context(), p, "browser", "192.0.2.1"); err != nil {
			t.Errorf("NewParty(%q, %q, %v) is %+v, which is of no use: %v", public, host, secure, p, err)
		}
	})
}
