package plexauth

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The issuer and the audience of JWTs, with the real service and with usher.
const (
	jwtIssuer       = "plex.tv"
	accountAudience = "plex.tv"
)

// JWT holds the claims of a verified JWT. A field that the JWT omits has its zero value.
type JWT struct {
	// KeyID is the id of the server's key that signed the JWT (kid).
	KeyID string
	// Audience are its recipients: plex.tv and the client identifier of a device.
	Audience []string
	// IssuedAt and ExpiresAt are times of the server's clock.
	IssuedAt, ExpiresAt time.Time
	// Thumbprint is the DeviceKey.ID of the device key that the JWT was issued for.
	Thumbprint string
	// Nonce is the nonce that the device signed to get the JWT.
	Nonce string
	// UserID and UserUUID identify the account.
	UserID   int64
	UserUUID string
	// Username, Email and FriendlyName are set if the device requested them.
	Username, Email, FriendlyName string

	// raw is the payload.
	raw *[]byte
}

// Raw returns the claims as the server signed them, in JSON. The caller must not
// modify them.
func (j *JWT) Raw() []byte {
	if j.raw == nil {
		return nil
	}
	return *j.raw
}

// JWKS is the set of keys that the account plane signs JWTs with (RFC 7517). A JWKS
// with a Client requests the keys when it has none, when they are a day old, and when
// none of them signed a JWT. In the last two cases it sends at most one request a
// minute. If a request fails, it keeps using its keys, so that an outage of the
// account plane does not cause rejections.
//
// A JWKS can be stored as JSON, to verify JWTs later without a request.
//
// A JWKS is safe for concurrent use. It must not be copied after first use.
type JWKS struct {
	// Client requests the keys. If nil, the keys are those that were decoded from
	// JSON.
	Client *Client

	mu      sync.Mutex
	keys    []verificationKey
	gotAt   time.Time    // when keys was set
	asked   time.Time    // when keys were last requested
	pending *keysRequest // nil if no request is in flight
}

const (
	keysMaxAge   = 24 * time.Hour
	keysMinDelay = time.Minute
	// keysMaxWait is how long a caller waits for newer keys if the present ones
	// may be enough.
	keysMaxWait = time.Second
)

// keysRequest is a request in flight and, once done is closed, its error.
type keysRequest struct {
	done chan struct{}
	err  error
}

// verificationKey is a key of a JWKS.
type verificationKey struct {
	id     string
	public ed25519.PublicKey
}

// keyDocument is the wire form of a key.
type keyDocument struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Kid string `json:"kid"`
	Use string `json:"use,omitempty"`
	Alg string `json:"alg,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. Keys of other types than Ed25519
// are omitted.
func (s *JWKS) UnmarshalJSON(b []byte) error {
	keys, err := readKeys(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.gotAt = keys, time.Now()
	return nil
}

func readKeys(b []byte) (keys []verificationKey, err error) {
	var doc struct {
		Keys []keyDocument `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	for _, k := range doc.Keys {
		public, err := base64.RawURLEncoding.DecodeString(k.X)
		if k.Kty == "OKP" && k.Crv == "Ed25519" && err == nil && len(public) == ed25519.PublicKeySize {
			keys = append(keys, verificationKey{k.Kid, public})
		}
	}
	return keys, nil
}

// MarshalJSON implements json.Marshaler.
func (s *JWKS) MarshalJSON() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]keyDocument, 0, len(s.keys))
	for _, k := range s.keys {
		list = append(list, keyDocument{"OKP", "Ed25519", encode64(k.public), k.id, "sig", "EdDSA"})
	}
	return json.Marshal(map[string]any{"keys": list})
}

// current returns the keys, and whether this call waited for a request that completed.
// again requests newer keys, because the present ones did not sign a JWT. If there are
// no keys, the error is that of the request. If ctx ends while newer keys are needed,
// the error is that of ctx.
//
// A server that does not respond delays only the callers that need new keys: an
// attacker who sends JWTs of unknown keys must not delay the others.
func (s *JWKS) current(ctx context.Context, again bool) (keys []verificationKey, asked bool, err error) {
	req, first := s.wanted(ctx, again, &keys)
	needed := keys == nil || again
	if req == nil || !needed && !first {
		return keys, false, nil
	}
	var late <-chan time.Time // never, if new keys are needed
	if !needed {
		late = time.After(keysMaxWait)
	}
	select {
	case <-req.done:
	case <-late:
		return keys, false, nil
	case <-ctx.Done():
		if !needed {
			return keys, false, nil
		}
		return nil, false, fmt.Errorf("plexauth: VerifyJWT: waiting for the keys: %w", contextError(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		return nil, true, req.err
	}
	return s.keys, true, nil
}

// wanted sets keys to the present ones and returns the request in flight. It starts a
// request if one is due, and first is then true. req is nil if no request is in flight.
func (s *JWKS) wanted(ctx context.Context, again bool, keys *[]verificationKey) (req *keysRequest, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*keys = s.keys
	due := s.keys == nil || (again || time.Since(s.gotAt) >= keysMaxAge) && time.Since(s.asked) >= keysMinDelay
	if s.pending != nil || !due || s.Client == nil {
		return s.pending, false
	}
	s.pending, s.asked = &keysRequest{done: make(chan struct{})}, time.Now()
	// Other callers wait for it, too, so the context of the first one must not cancel
	// it. The timeout of the client limits it.
	go s.request(context.WithoutCancel(ctx), s.pending)
	return s.pending, true
}

// request requests the keys and completes req.
func (s *JWKS) request(ctx context.Context, req *keysRequest) {
	defer close(req.done)
	fresh, err := s.Client.limited().keys(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, req.err = nil, err
	if err == nil {
		s.keys, s.gotAt = fresh, time.Now()
	}
}

// keys requests the keys that the account plane signs JWTs with.
func (c *Client) keys(ctx context.Context) ([]verificationKey, error) {
	op := call{operation: "VerifyJWT", method: http.MethodGet, path: "/api/v2/auth/keys", anonymous: true}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(res.body)
	if err == nil && len(keys) == 0 {
		err = errNoKeys
	}
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	return keys, nil
}

var errNoKeys = errors.New("the response has no Ed25519 key")

// The reasons why a JWT is rejected.
var (
	errNotJWT    = errors.New("it is not a signed JWT")
	errAlgorithm = errors.New("its algorithm is not EdDSA")
	errSignature = errors.New("its signature does not match any key")
	errIssuer    = errors.New("its issuer is not plex.tv")
	errAudience  = errors.New("it is for another audience")
	errEarly     = errors.New("it is not valid yet")
)

// jwtLeeway is the tolerated difference of two clocks.
const jwtLeeway = time.Minute

// VerifyJWT checks a JWT that a program received: its signature, issuer, audience
// and times. The JWT must be for the given audience, such as the client identifier of
// the device that sent it. If audience is empty, it must be for plex.tv. VerifyJWT
// sends nothing unless the keys must be requested.
//
// If no key of the set has the key ID of the JWT, or if that key did not sign it, the
// other keys are tried. The error is ErrTokenExpired or ErrUnauthorized if the JWT is
// rejected. If there are no keys and the request for them fails, it is the error of
// the request. If ctx ends before the keys arrive, it wraps the error of ctx.
//
// A valid JWT may have been revoked: VerifyJWT cannot detect that the device was
// removed since. Client.AccountOf can.
func VerifyJWT(ctx context.Context, token Secret, keys *JWKS, audience string) (*JWT, error) {
	if _, _, _, err := parseJWT(token); err != nil {
		return nil, rejected(err) // no key can make it valid
	}
	set, asked, err := keys.current(ctx, false)
	if err != nil {
		return nil, err
	}
	audience = orDefault(audience, accountAudience)
	j, err := verifyJWT(token, set, audience)
	if errors.Is(err, errSignature) && !asked { // the server may have another key
		newer, asked, failed := keys.current(ctx, true)
		if failed != nil {
			return nil, failed
		}
		if asked {
			j, err = verifyJWT(token, newer, audience)
		}
	}
	if err != nil {
		return nil, rejected(err)
	}
	return j, nil
}

// rejected returns the error for a rejected JWT.
func rejected(err error) error {
	if errors.Is(err, ErrTokenExpired) {
		return fmt.Errorf("plexauth: VerifyJWT: the JWT was rejected: %w", err)
	}
	return fmt.Errorf("plexauth: VerifyJWT: the JWT was rejected: %w: %w", err, ErrUnauthorized)
}

func verifyJWT(token Secret, keys []verificationKey, audience string) (*JWT, error) {
	j, signed, signature, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	signer := func(k verificationKey) bool { return ed25519.Verify(k.public, signed, signature) }
	named := func(k verificationKey) bool { return k.id == j.KeyID && signer(k) }
	if !slices.ContainsFunc(keys, named) && !slices.ContainsFunc(keys, signer) {
		return nil, errSignature
	}
	var says struct {
		Iss string  `json:"iss"`
		Nbf float64 `json:"nbf"`
	}
	if err := json.Unmarshal(j.Raw(), &says); err != nil || says.Iss != jwtIssuer {
		return nil, errIssuer
	}
	switch now := time.Now(); {
	case !slices.Contains(j.Audience, audience):
		return nil, errAudience
	case j.IssuedAt.After(now.Add(jwtLeeway)), says.Nbf > float64(now.Add(jwtLeeway).Unix()):
		return nil, errEarly
	case !now.Add(-jwtLeeway).Before(j.ExpiresAt):
		return nil, ErrTokenExpired
	}
	return j, nil
}

// parseJWT decodes a JWT without checking its signature.
func parseJWT(token Secret) (j *JWT, signed, signature []byte, err error) {
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		return nil, nil, nil, errNotJWT
	}
	var decoded [3][]byte
	for i, part := range parts {
		// A decoder passes over line breaks, and over bits that the last character does
		// not need: many texts would be one JWT.
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil || encode64(decoded[i]) != part {
			return nil, nil, nil, errNotJWT
		}
	}
	var header struct {
		Alg  string          `json:"alg"`
		Kid  string          `json:"kid"`
		Crit json.RawMessage `json:"crit"`
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil || header.Crit != nil {
		return nil, nil, nil, errNotJWT
	}
	if header.Alg != "EdDSA" {
		return nil, nil, nil, errAlgorithm
	}
	var c struct {
		Aud        audience `json:"aud"`
		Iat        float64  `json:"iat"`
		Exp        float64  `json:"exp"`
		Thumbprint string   `json:"thumbprint"`
		Nonce      string   `json:"nonce"`
		User       struct {
			ID           number `json:"id"`
			UUID         string `json:"uuid"`
			Username     string `json:"username"`
			Email        string `json:"email"`
			FriendlyName string `json:"friendly_name"`
		} `json:"user"`
	}
	if err := json.Unmarshal(decoded[1], &c); err != nil || c.Exp > maxSeconds || c.Iat > maxSeconds {
		return nil, nil, nil, errNotJWT
	}
	return &JWT{
		KeyID: header.Kid, Audience: c.Aud, IssuedAt: time.Unix(int64(c.Iat), 0), ExpiresAt: time.Unix(int64(c.Exp), 0),
		Thumbprint: c.Thumbprint, Nonce: c.Nonce, UserID: int64(c.User.ID), UserUUID: c.User.UUID,
		Username: c.User.Username, Email: c.User.Email, FriendlyName: c.User.FriendlyName, raw: &decoded[1],
	}, []byte(parts[0] + "." + parts[1]), decoded[2], nil
}

// audience is a text or a list of texts.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}
