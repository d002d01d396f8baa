package devicekey_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/fault"
)

// rsaKey returns an RSA key of a size in bits, and with an exponent.
func rsaKey(bits uint, exponent int64) map[string]string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	encode := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return map[string]string{"kty": "RSA", "kid": "k", "n": encode(n.Add(n, big.NewInt(1))), "e": encode(big.NewInt(exponent))}
}

// The kinds of keys that a device may have.
func TestReadPublicKey(t *testing.T) {
	var ed map[string]string
	if err := json.Unmarshal(devicekeytest.New(t, "tv", 1).Public.JWK, &ed); err != nil {
		t.Fatal(err)
	}
	with := func(key map[string]string, member, value string) map[string]string {
		key = maps.Clone(key)
		key[member] = value
		return key
	}
	for _, test := range []struct {
		name    string
		members map[string]string
		want    string // of the error; empty: no error
		ops     []string
	}{
		{"Ed25519", ed, "", nil},
		{"to verify", ed, "", []string{"verify"}},
		{"to sign and verify", ed, "", []string{"sign", "verify"}},
		{"to encrypt", ed, "key_ops must list verify", []string{"encrypt"}},
		{"without alg", with(ed, "alg", ""), "", nil},
		{"for signatures", with(ed, "use", "sig"), "", nil},
		{"for encryption", with(ed, "use", "enc"), "use must be sig", nil},
		{"another alg than the key's", with(ed, "alg", "RS256"), "neither an Ed25519 key", nil},
		{"no kid", with(ed, "kid", ""), "no kid", nil},
		{"a long kid", with(ed, "kid", strings.Repeat("k", 255)), "", nil},
		{"a kid that is too long", with(ed, "kid", strings.Repeat("k", 256)), "more than 255 bytes", nil},
		{"a private key", with(ed, "d", ed["x"]), "private key", nil},
		{"a secret", map[string]string{"kty": "oct", "k": "c2VjcmV0"}, "private key", nil},
		{"half an x", with(ed, "x", ed["x"][:20]), "not a valid key", nil},
		{"another type", map[string]string{"kty": "oct", "kid": "k"}, "jwk", nil},
		{"RSA of 2048 bits", rsaKey(2048, 65537), "", nil},
		{"RSA of 4096 bits", rsaKey(4096, 3), "", nil},
		{"RSA of 2047 bits", rsaKey(2047, 65537), "less than 2048", nil},
		{"RSA of 4097 bits", rsaKey(4097, 65537), "jwk is", nil},
		{"RSA with an exponent of 1", rsaKey(2048, 1), "not a valid key", nil},
		{"RSA with an even exponent", rsaKey(2048, 65536), "not a valid key", nil},
		{"RSA with the alg of Ed25519", with(rsaKey(2048, 65537), "alg", "EdDSA"), "neither an Ed25519 key", nil},
	} {
		key, ok, err := devicekey.ReadPublicKey(func(name string) (string, error) { return test.members[name], nil }, test.ops)
		if test.want == "" && (err != nil || !ok || key.ID != test.members["kid"]) {
			t.Errorf("%s: %q, %v, %v; want a key by the name %q", test.name, key.ID, ok, err, test.members["kid"])
		}
		if test.want != "" && (ok || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, %v; want an error of %q", test.name, ok, err, test.want)
		}
	}
	if _, ok, err := devicekey.ReadPublicKey(func(string) (string, error) { return "", nil }, nil); ok || err != nil {
		t.Errorf("no members: %v, %v; want no key and no error", ok, err)
	}
	// A duplicate member makes the request invalid, whichever it is.
	for _, twice := range []string{"kty", "use", "d"} {
		_, ok, err := devicekey.ReadPublicKey(func(name string) (string, error) {
			if name == twice {
				return "", errors.New("twice")
			}
			return ed[name], nil
		}, nil)
		if ok || err == nil {
			t.Errorf("%s is there twice: %v, %v; want an error", twice, ok, err)
		}
	}
}

// Equal keys have the same thumbprint (RFC 7638), whatever their IDs are.
func TestThumbprint(t *testing.T) {
	// The key and its thumbprint are those of RFC 8037, appendix A.3.
	text := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"}`
	for _, kid := range []string{"k", "another"} {
		key, err := devicekey.ParsePublicKey([]byte(strings.Replace(text, `"k"}`, `"`+kid+`"}`, 1)))
		if got := base64.RawURLEncoding.EncodeToString(key.Thumbprint[:]); err != nil || got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
			t.Errorf("%s: the thumbprint is %s, %v", kid, got, err)
		}
	}
}
