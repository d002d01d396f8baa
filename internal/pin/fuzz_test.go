package pin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/pin"
)

// Whatever address is accepted leads to the same place with the proof, and has
// one proof.
func FuzzProofURL(f *testing.F) {
	for _, address := range []string{
		"https://app.example.org", "https://app.example.org/back?state=1&x=%2F#top", "http://[::1]:8080/?", "https://a/?;pinProof",
		"https://a/?a=1;b=2&&=", "https://a/%2e%2e/?%zz", "https://a?pin%50roof=1", "HTTPS://A.EXAMPLE:443/\u00e9?\u00e9#\u00e9",
	} {
		f.Add(address)
	}
	const proof = "Proof0123456789Proof01"
	f.Fuzz(func(t *testing.T, text string) {
		kept, err := pin.ParseProofURL(text)
		if err != nil || kept == "" {
			return
		}
		address, err := url.Parse(kept)
		if err != nil {
			t.Fatalf("%q is kept as %q: %v", text, kept, err)
		}
		if again, err := pin.ParseProofURL(kept); err != nil && len(kept) <= 2048 || err == nil && again != kept {
			t.Errorf("%q is kept as %q, which is read as %q, %v", text, kept, again, err)
		}
		said := pin.WithProof(address, proof).String()
		got, err := url.Parse(said)
		if err != nil {
			t.Fatalf("%q: %v", said, err)
		}
		if got.Scheme != address.Scheme || got.Host != address.Host || got.EscapedPath() != address.EscapedPath() ||
			got.EscapedFragment() != address.EscapedFragment() || got.User != nil {
			t.Errorf("%q leads to %q", kept, said)
		}
		if rest, ok := strings.CutPrefix(got.RawQuery, address.RawQuery); !ok || strings.TrimPrefix(rest, "&") != "pinProof="+proof {
			t.Errorf("%q has the query %q in %q", kept, got.RawQuery, said)
		}
		// As strict and as lenient programs read it.
		if found := got.Query()["pinProof"]; len(found) != 1 || found[0] != proof {
			t.Errorf("%q has the proofs %q", said, found)
		}
		if n := strings.Count(strings.ReplaceAll("&"+got.RawQuery, ";", "&"), "&pinProof="); n != 1 {
			t.Errorf("%q has %d proofs", said, n)
		}
	})
}
