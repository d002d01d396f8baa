package suggest_test

import (
	"testing"

	"github.com/usher-auth/usher/internal/suggest"
)

func TestClosest(t *testing.T) {
	words := []string{"accounts", "servers", "time", "empty"}
	for typed, want := range map[string]string{
		"acounts": "accounts", "Servers": "servers", "tmie": "time", "emty": "empty", "colour": "", "": "", "accounts": "accounts",
	} {
		if got := suggest.Closest(typed, words); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}
