package suggest_test

import (
	"slices"
	"testing"

	"github.com/usher-auth/usher/internal/suggest"
)

func TestClosest(t *testing.T) {
	words := []string{"accounts", "servers", "time", "empty"}
	for typed, want := range map[string]string{
		"acounts": "accounts", "Servers": "servers", "tmie": "time", "miet": "", "emty": "empty", "colour": "", "": "", "accounts": "accounts",
	} {
		if got := suggest.Closest(typed, words); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"HSTS", "LIST", "LISTEN", "PIN", "ID", "TRUSTED_PROXY"}
	oneInFour := func(w string) int { return len(w) / 4 }
	for typed, want := range map[string][]string{
		"LISTN": {"LIST", "LISTEN"}, "LISTNE": {"LISTEN"}, "listen": {"LISTEN"}, "HTSS": {"HSTS"}, "TRUSTED_PROXIES": {"TRUSTED_PROXY"},
		"BIN": nil, "PNI": nil, "PIN": {"PIN"}, "IDS": nil, "": nil,
	} {
		if got := suggest.Nearest(typed, words, oneInFour); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}
