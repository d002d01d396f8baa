package plexauth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

// DeviceKey is the key with which a device authenticates: an Ed25519 key whose
// private half never leaves the device. A device with a key gets JWTs, which are
// valid for a week, in place of a token that is valid until it is revoked. See
// JWTSource.
//
// A DeviceKey is safe for concurrent use. It prints as "…".
type DeviceKey struct {
	id      string
	private ed25519.PrivateKey
}

// generateDeviceKey generates a key.
func generateDeviceKey() (*DeviceKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newDeviceKey(private), nil
}

func newDeviceKey(private ed25519.PrivateKey) *DeviceKey {
	k := &DeviceKey{private: private}
	// The thumbprint of RFC 7638 is over the required members in this order.
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + k.x() + `"}`))
	k.id = encode64(sum[:])
	return k
}

// LoadDeviceKey reads a key from a file that only its owner can access. If the
// file does not exist, it generates a key and stores it there, with mode 0600,
// and creates the directory if necessary. Processes that do this at the same
// time get the same key. Except on Windows, it returns an error if other users
// can access the file: the key must then be replaced.
//
// The file is a private key in PEM form (PKCS #8). If path is empty, the key is a
// new one that is not stored, for tests.
func LoadDeviceKey(path string) (*DeviceKey, error) {
	key, err := readDeviceKey(path)
	if path == "" {
		key, err = generateDeviceKey()
	} else if errors.Is(err, os.ErrNotExist) {
		if key, err = generateDeviceKey(); err == nil {
			err = key.write(path, linkIfAbsent)
		}
		if err == nil {
			key, err = readDeviceKey(path) // another process may have been faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("plexauth: loading the device key: %w", err)
	}
	return key, nil
}

var errNoKey = errors.New("the file is not an Ed25519 private key in PEM form")

func readDeviceKey(path string) (*DeviceKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is accessible to other users: remove it to generate a new key", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errNoKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errNoKey // the cause may repeat parts of the key
	}
	return newDeviceKey(private), nil
}

// Save writes the key to a file, atomically and with mode 0600. It replaces an
// existing key.
func (k *DeviceKey) Save(path string) error {
	if err := k.write(path, os.Rename); err != nil {
		return fmt.Errorf("plexauth: writing the device key: %w", err)
	}
	return nil
}

func (k *DeviceKey) write(path string, install func(from, to string) error) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	return writePrivate(path, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), install)
}

// ID returns the key's name, the thumbprint of its public half (RFC 7638). JWTs
// for the key have it as their thumbprint.
func (k *DeviceKey) ID() string { return k.id }

// Public returns the public half.
func (k *DeviceKey) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// String implements fmt.Stringer. It returns "…".
func (k *DeviceKey) String() string { return redacted }

// Format implements fmt.Formatter. It writes "…" for every verb.
func (k *DeviceKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler. It returns "…": use Save to
// store a key.
func (k *DeviceKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (k *DeviceKey) x() string { return encode64(k.Public()) }

// jwk returns the public half as a JSON Web Key (RFC 7517).
func (k *DeviceKey) jwk() map[string]string {
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": k.x(), "kid": k.id, "use": "sig", "alg": "EdDSA"}
}

// proofLife is the lifetime of a device's proof.
const proofLife = 5 * time.Minute

// prove returns a signed proof that the device with a client identifier has the key.
// now is the time of the server.
func (k *DeviceKey) prove(client, nonce string, scopes []string, now time.Time, life time.Duration) Secret {
	claims := map[string]any{
		"iss": client, "aud": accountAudience, "iat": now.Unix(), "exp": now.Add(life).Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, ",")
	}
	header, _ := json.Marshal(map[string]string{"alg": "EdDSA", "kid": k.id, "typ": "JWT"})
	payload, _ := json.Marshal(claims) // neither can fail
	signed := encode64(header) + "." + encode64(payload)
	return Secret(signed + "." + encode64(ed25519.Sign(k.private, []byte(signed))))
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// RegisterKey registers a key for the device that Client.Token was issued to. The first JWT
// for the key revokes that token, also at the real service. It sends POST /api/v2/auth/jwk.
// Registering a key again changes nothing.
//
// A program that signs in by PIN sets PINRequest.Key instead. The error is
// ErrBadRequest if another device has the key.
func (c *Client) RegisterKey(ctx context.Context, key *DeviceKey) error {
	return c.change(ctx, c.registration(key, ""))
}

// registration is the call that registers a key. proof is signed by the current
// key of a device that has one, or empty.
func (c *Client) registration(key *DeviceKey, proof Secret) call {
	body := map[string]any{"jwk": key.jwk()}
	if proof != "" {
		body["deviceJWT"] = string(proof)
	}
	return call{operation: "RegisterKey", method: http.MethodPost, path: "/api/v2/auth/jwk", json: body}
}

// ExchangeJWT proves that this device has a key, and returns a new JWT. Scopes
// select the claims about the user: username, email, friendly_name,
// restricted, anonymous, joinedAt. It sends GET /api/v2/auth/nonce and POST
// /api/v2/auth/token without a token, so it works even after the last JWT has
// expired. If the server reports its time, a wrong clock of this device does not
// matter.
//
// A JWTSource calls it when needed. The error is ErrBadRequest if the server does
// not know the key, for example because the device was removed: sign in again.
func (c *Client) ExchangeJWT(ctx context.Context, key *DeviceKey, scopes ...string) (Secret, error) {
	got, err := c.exchangeJWT(ctx, key, scopes)
	return got.token, err
}

// exchanged is a new JWT, and how far the clock of the server is ahead.
type exchanged struct {
	token Secret
	skew  time.Duration
}

func (c *Client) exchangeJWT(ctx context.Context, key *DeviceKey, scopes []string) (exchanged, error) {
	nonce, skew, err := c.nonce(ctx)
	if err != nil {
		return exchanged{}, err
	}
	proof := key.prove(c.ClientIdentifier, nonce, scopes, time.Now().Add(skew), proofLife)
	op := call{
		operation: "ExchangeJWT", method: http.MethodPost, path: "/api/v2/auth/token", anonymous: true,
		json: map[string]any{"jwt": string(proof)}, noReplay: true,
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return exchanged{}, err
	}
	var answer struct {
		Token text `json:"auth_token"`
	}
	if err = decode(res.body, &answer); err == nil && answer.Token == "" {
		err = errNoJWT
	}
	if err != nil {
		return exchanged{}, c.invalidResponse(op, res, err)
	}
	return exchanged{Secret(answer.Token), skew}, nil
}

var (
	errNoJWT   = errors.New("the response has no auth_token")
	errNoNonce = errors.New("the response has no nonce")
)

// nonce requests a nonce to sign. skew is how far the clock of the server is ahead of
// ours.
func (c *Client) nonce(ctx context.Context) (nonce string, skew time.Duration, err error) {
	op := call{operation: "ExchangeJWT", method: http.MethodGet, path: "/api/v2/auth/nonce", anonymous: true}
	res, err := c.do(ctx, op)
	if err != nil {
		return "", 0, err
	}
	var answer struct{ Nonce text }
	if err = decode(res.body, &answer); err == nil && answer.Nonce == "" {
		err = errNoNonce
	}
	if err != nil {
		return "", 0, c.invalidResponse(op, res, err)
	}
	return string(answer.Nonce), clockSkew(res.header, time.Now()), nil
}

// leastSkew is the smallest difference between two clocks that is not attributed to
// the duration of the request.
const leastSkew = 30 * time.Second

// clockSkew returns how far the clock of a server is ahead of ours, according to the
// Date header h. It is 0 without a valid header, and below leastSkew.
func clockSkew(h http.Header, now time.Time) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	skew := date.Sub(now)
	if skew.Abs() < leastSkew {
		return 0
	}
	return skew
}
