package devicekey

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/usher-auth/usher/internal/fault"
)

// PublicKey is the public key of a device.
type PublicKey struct {
	// ID is the kid that the device chose. PlexAPI derives it from both halves of the
	// key pair, so it is not a thumbprint.
	ID string
	// JWK is the key as a JSON Web Key (RFC 7517).
	JWK []byte
	// Thumbprint is the thumbprint by RFC 7638, which depends on the key only.
	Thumbprint [32]byte

	algorithm jose.SignatureAlgorithm
	key       crypto.PublicKey
}

// The limits of RSA key sizes, in bits. Shorter keys are not secure, and longer ones
// are slow.
const (
	minRSA = 2048
	maxRSA = 4096
)

// maxKID is the maximum length of a key ID, in bytes.
const maxKID = 255

var (
	errPrivate   = fault.Invalidf("jwk", "jwk contains a private key, which must stay secret: generate another key")
	errKeyType   = fault.Invalidf("jwk", "jwk is neither an Ed25519 key (kty OKP, alg EdDSA) nor an RSA key (kty RSA, alg RS256)")
	errKeyUse    = fault.Invalidf("jwk", "jwk is not for signatures: use must be sig")
	errKeyOps    = fault.Invalidf("jwk", "jwk is not for signatures: key_ops must list verify")
	errKeyValue  = fault.Invalidf("jwk", "jwk is not a valid key")
	errKeyLength = fault.Invalidf("jwk", "jwk is an RSA key of less than %d or more than %d bits", minRSA, maxRSA)
	errNoKID     = fault.Invalidf("jwk", "jwk has no kid, or one of more than %d bytes", maxKID)
)

// publicFields are the members of a JWK that are read. privateFields are the members
// that only a private or secret key has.
var (
	publicFields  = [...]string{"kty", "crv", "x", "n", "e", "kid", "alg", "use"}
	privateFields = [...]string{"d", "p", "q", "dp", "dq", "qi", "k", "priv"}
)

// ReadPublicKey reads a JWK from its members. get returns the value of a member, or ""
// if it is missing. ops are its key_ops, if it has any. ok is false if there is no JWK.
func ReadPublicKey(get func(member string) (string, error), ops []string) (key PublicKey, ok bool, err error) {
	members := make(map[string]string)
	for _, name := range publicFields {
		value, err := get(name)
		if err != nil {
			return PublicKey{}, false, err
		}
		if value != "" {
			members[name] = value
		}
	}
	for _, name := range privateFields {
		if value, err := get(name); err != nil || value != "" {
			return PublicKey{}, false, errPrivate
		}
	}
	if len(members) == 0 {
		return PublicKey{}, false, nil
	}
	switch use := members["use"]; {
	case use != "" && use != "sig":
		return PublicKey{}, false, errKeyUse
	case len(ops) > 0 && !slices.Contains(ops, "verify"):
		return PublicKey{}, false, errKeyOps
	case members["kid"] == "" || len(members["kid"]) > maxKID:
		return PublicKey{}, false, errNoKID
	}
	text, err := json.Marshal(members)
	if err != nil {
		return PublicKey{}, false, err
	}
	key, err = ParsePublicKey(text)
	return key, err == nil, err
}

// ParsePublicKey parses a JWK.
func ParsePublicKey(text []byte) (PublicKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return PublicKey{}, errKeyValue
	}
	p := PublicKey{ID: jwk.KeyID, JWK: text, key: jwk.Key}
	switch key := jwk.Key.(type) {
	case ed25519.PublicKey:
		p.algorithm = jose.EdDSA
	case *rsa.PublicKey:
		p.algorithm = jose.RS256
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return PublicKey{}, errKeyLength
		}
		if key.E < 3 || key.E%2 == 0 {
			return PublicKey{}, errKeyValue
		}
	default:
		return PublicKey{}, errKeyType
	}
	if jwk.Algorithm != "" && jwk.Algorithm != string(p.algorithm) {
		return PublicKey{}, errKeyType
	}
	if !jwk.Valid() || !jwk.IsPublic() {
		return PublicKey{}, errKeyValue
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return PublicKey{}, errKeyValue
	}
	p.Thumbprint = [32]byte(sum)
	return p, nil
}
