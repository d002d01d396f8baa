package devicekey

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/token"
)

// The reasons for rejecting a device's JWT. Package api has the statuses of those for
// which the protocol's status is known.
var (
	// ErrSignature reports that the key did not sign the JWT.
	ErrSignature = fault.Invalidf("jwt", "signature verification failed")
	// ErrUnknownKey reports that no device has a key with that ID: it was never
	// registered, or its device was signed out.
	ErrUnknownKey = fault.Invalidf("jwt", "no device has a key with this kid: it was not registered, or the device was signed out")
	// ErrIssuer reports that iss is not the client identifier of the key's device.
	ErrIssuer = fault.Invalidf("jwt", "iss is not the client identifier of the device that the key belongs to")
	// ErrExpired reports that exp is in the past.
	ErrExpired = fault.Invalidf("jwt", "jwt has expired")
	// ErrNonce reports that the nonce is unknown or expired, or belongs to another
	// client.
	ErrNonce = fault.Invalidf("jwt", "nonce is unknown or has expired")
	// ErrNonceUsed reports that the nonce was used already.
	ErrNonceUsed = fault.Invalidf("jwt", "nonce was used already")

	errNotJWT    = fault.Invalidf("jwt", "jwt is not a signed JWT")
	errAlgorithm = fault.Invalidf("jwt", "jwt's alg is neither EdDSA nor RS256, or not that of its key")
	errType      = fault.Invalidf("jwt", "jwt's typ is not JWT")
	errHeaderKey = fault.Invalidf("jwt", "jwt's header brings a key or points to one: it may have a kid only")
	errExtension = fault.Invalidf("jwt", "jwt's header has an extension (crit or b64), and none is known here")
	errNoKeyID   = fault.Invalidf("jwt", "jwt's header has no kid")
	errClaims    = fault.Invalidf("jwt", "jwt's claims cannot be read")
	errAudience  = fault.Invalidf("jwt", "aud is not plex.tv")
	errNotYet    = fault.Invalidf("jwt", "jwt is not valid yet: iat or nbf is in the future")
	errNoNonce   = fault.Invalidf("jwt", "nonce is missing")
	errScope     = fault.Invalidf("jwt", "scope has an unknown name: it may list username, email, friendly_name, restricted, anonymous and joinedAt")
)

// leeway is how far the clock of a device may be ahead. There is no leeway for exp: an
// expired JWT is rejected.
const leeway = 5 * time.Minute

// algorithms are the algorithms that devices may use. None of them is symmetric, so
// that a public key can never be used as a secret.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.RS256}

// headerKeys are the header members that contain or reference a key. The library that
// parses the JWT removes jwk and x5c from the extra headers.
var headerKeys = [...]jose.HeaderKey{"jku", "x5u", "x5t", "x5t#S256", "x5c", "jwk"}

// extensions are the members of a header that change how the rest is read (RFC 7515,
// section 4.1.11, and RFC 7797). No client has one.
var extensions = [...]jose.HeaderKey{"crit", "b64"}

// proof is a JWT that a device signed, whose signature has not been verified.
type proof struct {
	jws *jose.JSONWebSignature
	// kid and algorithm are from the header.
	kid       string
	algorithm string
}

// parse decodes a JWT without verifying its signature.
func parse(text string) (proof, error) {
	jws, err := jose.ParseSignedCompact(text, algorithms)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return proof{}, errAlgorithm
	}
	if err != nil || len(jws.Signatures) != 1 || !signing.Canonical(text) {
		return proof{}, errNotJWT
	}
	h := jws.Signatures[0].Protected
	for _, name := range headerKeys {
		if h.JSONWebKey != nil || h.ExtraHeaders[name] != nil {
			return proof{}, errHeaderKey
		}
	}
	for _, name := range extensions {
		if _, given := h.ExtraHeaders[name]; given {
			return proof{}, errExtension
		}
	}
	if typ, given := h.ExtraHeaders[jose.HeaderType]; given {
		if name, isText := typ.(string); !isText || !strings.EqualFold(name, "JWT") {
			return proof{}, errType
		}
	}
	if h.KeyID == "" {
		return proof{}, errNoKeyID
	}
	return proof{jws, h.KeyID, h.Algorithm}, nil
}

// claims are the claims of a device's JWT.
type claims struct {
	issuer, nonce string
	scopes        []string
}

// open verifies the signature and the claims, except for the nonce. issuer is the
// client identifier of the key's device.
func (p proof) open(key PublicKey, issuer string, now time.Time) (claims, error) {
	if p.algorithm != string(key.algorithm) {
		return claims{}, errAlgorithm
	}
	payload, err := p.jws.Verify(key.key)
	if err != nil {
		return claims{}, ErrSignature
	}
	var c struct {
		Issuer    string   `json:"iss"`
		Audience  texts    `json:"aud"`
		Nonce     string   `json:"nonce"`
		Scope     string   `json:"scope"`
		IssuedAt  *float64 `json:"iat"`
		NotBefore *float64 `json:"nbf"`
		ExpiresAt *float64 `json:"exp"`
	}
	// This json package rejects duplicate names, and matches names case-sensitively.
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, errClaims
	}
	switch at := float64(now.Unix()); {
	case c.Issuer != issuer:
		return claims{}, ErrIssuer
	case !slices.Contains(c.Audience, token.Audience):
		return claims{}, errAudience
	case c.IssuedAt != nil && *c.IssuedAt > at+leeway.Seconds(), c.NotBefore != nil && *c.NotBefore > at+leeway.Seconds():
		return claims{}, errNotYet
	case c.ExpiresAt != nil && *c.ExpiresAt <= at:
		return claims{}, ErrExpired
	}
	scopes, err := readScopes(c.Scope)
	return claims{c.Issuer, c.Nonce, scopes}, err
}

// texts decodes a text or a list of texts, as aud may be.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// The scopes. Each selects a claim about the user.
const (
	scopeUsername     = "username"
	scopeEmail        = "email"
	scopeFriendlyName = "friendly_name"
	scopeRestricted   = "restricted"
	scopeAnonymous    = "anonymous"
	scopeJoinedAt     = "joinedAt"
)

var knownScopes = []string{
	scopeUsername, scopeEmail, scopeFriendlyName, scopeRestricted, scopeAnonymous, scopeJoinedAt,
}

// readScopes parses a comma-separated list.
func readScopes(text string) (scopes []string, err error) {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !slices.Contains(knownScopes, name) {
			return nil, errScope
		}
		scopes = append(scopes, name)
	}
	return scopes, nil
}
