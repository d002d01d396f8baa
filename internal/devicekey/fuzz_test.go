package devicekey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
)

// Every key that is accepted is stored in a form that decodes to the same key.
func FuzzParsePublicKey(f *testing.F) {
	for _, text := range []string{
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k","alg":"EdDSA"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"k"}`, `{"kty":"oct","k":"c2VjcmV0"}`, `{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k"}`,
		`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `{}`, `[]`, ``, `{"kty":"OKP","kty":"RSA"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := devicekey.ParsePublicKey([]byte(text))
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := devicekey.ParsePublicKey(key.JWK)
		if err != nil || again.Thumbprint != key.Thumbprint || again.ID != key.ID {
			t.Errorf("%q reads back as %+v, %v", text, again, err)
		}
	})
}

// Only a text that the device signed is accepted as a proof.
func FuzzProof(f *testing.F) {
	key := devicekeytest.New(f, "tv", 1)
	now := time.Unix(1_800_000_000, 0)
	good := key.Sign(f, "", now)
	parts := strings.Split(good, ".")
	for _, text := range []string{
		good, parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], "eyJhbGciOiJub25lIn0." + parts[1] + ".", "e30.e30.e30", "...", "",
	} {
		f.Add(text)
	}
	keys := devicekey.New(devicekey.Config{Key: seal.NewKey([32]byte{1}), Now: func() time.Time { return now }})
	f.Fuzz(func(t *testing.T, text string) {
		_, ok, err := keys.Claim(key.Public.JWK, "tv", text)
		if ok && text != good {
			t.Errorf("%q is taken for the device's", text)
		}
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	})
}
