// Package devicekeytest is a device that has a key, for tests.
package devicekeytest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/devicekey"
)

// Key is the key of a device.
type Key struct {
	// Public is its public half.
	Public devicekey.PublicKey

	client  string
	private ed25519.PrivateKey
}

// New returns the key of a device with a client identifier, always the same one
// for the same seed.
func New(t testing.TB, client string, seed byte) *Key {
	t.Helper()
	private := ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), seed))
	public := private.Public().(ed25519.PublicKey)
	text := fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q,"kid":"key-%d","alg":"EdDSA"}`, encode(public), seed)
	key, err := devicekey.ParsePublicKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Key{key, client, private}
}

// Sign returns a JWT that the device signs; without a nonce if that is empty.
func (k *Key) Sign(t testing.TB, nonce string, now time.Time) string {
	t.Helper()
	claims := map[string]any{"iss": k.client, "aud": "plex.tv", "iat": now.Unix(), "exp": now.Unix() + 300}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return k.SignClaims(t, map[string]any{"alg": "EdDSA", "kid": k.Public.ID, "typ": "JWT"}, claims)
}

// SignClaims returns a JWT of any header and claims that the device signs.
func (k *Key) SignClaims(t testing.TB, header map[string]any, claims any) string {
	t.Helper()
	var parts [2]string
	for i, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = encode(text)
	}
	signed := parts[0] + "." + parts[1]
	return signed + "." + encode(ed25519.Sign(k.private, []byte(signed)))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
