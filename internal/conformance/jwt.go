package conformance

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// jwtChecks are about keys of devices, and the JWTs that they get.
func jwtChecks() []Check {
	return []Check{
		{"jwt/keys", "/api/v2/auth/keys has public keys of Ed25519, and nothing private.", false, "PlexAPI, @ctrl/plex", Read, jwtKeys},
		{"jwt/nonce", "A client gets a nonce, another one each time.", false, "Plex's document", Documented, jwtNonce},
		{"jwt/nonce-needs-client", "A nonce without a client identifier is refused.", false, "published probes", Read, jwtNonceNeedsClient},
		{"jwt/exchange", "A device registers its key, and gets a JWT with the claims that clients demand, signed by a published key.", true, "PlexAPI, @ctrl/plex", Read, jwtExchange},
		{"jwt/works", "The JWT is a token of the account.", true, "Plex's document", Documented, jwtWorks},
		{"jwt/replaces-token", "The first JWT ends the token that registered the key.", true, "Plex's document", Documented, jwtReplaces},
		{"jwt/nonce-once", "A nonce is taken once.", true, "Plex's document", Documented, jwtNonceOnce},
		{"jwt/forged", "What another key has signed is refused.", true, "Plex's document", Documented, jwtForged},
		{"jwt/confused", "A device's JWT that is signed by HMAC, with the public key as the secret, is refused.", true, "RFC 8725", Documented, jwtConfused},
		{"jwt/unknown-key", "A device's JWT is refused if its kid is that of no key, or of another device's.", true, "a rule of security", Inferred, jwtUnknownKey},
		{"jwt/key-once", "The key of a device is refused for another device, whatever it is called there.", true, "Plex's document", Documented, jwtKeyOnce},
		{"jwt/foreign-nonce", "A nonce that is missing, invented, or another client's, is refused.", true, "Plex's document", Documented, jwtForeignNonce},
		{"jwt/early", "A device's JWT from the future is refused.", true, "a rule of security", Inferred, jwtEarly},
		{"jwt/unsigned", "A device's JWT with the algorithm none is refused.", true, "RFC 8725", Documented, jwtUnsigned},
		{"jwt/audience", "A device's JWT for another audience is refused.", true, "Plex's document", Documented, jwtAudience},
		{"jwt/issuer", "A device's JWT in the name of another device is refused.", true, "Plex's document, 240-MP", Read, jwtIssuer},
		{"jwt/expired", "A device's JWT that has expired is refused.", true, "Plex's document", Documented, jwtExpired},
		{"jwt/altered", "A JWT whose claims were changed is 401.", true, "a rule of security", Inferred, jwtAltered},
		{"jwt/revoked", "Signing out ends the JWT at once.", true, "@ctrl/plex, for a removed device", Read, jwtRevoked},
	}
}

// key is a key of a device.
type key struct {
	device  *device
	id      string
	private ed25519.PrivateKey
}

// object is a JSON object.
type object = map[string]any

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// newKey registers a key of a new device.
func (p *probe) newKey(ctx context.Context) (*key, error) {
	d, err := p.newDevice(ctx)
	if err != nil {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	k := &key{d, "key-" + d.client, private}
	_, err = p.want(ctx, k.registration(), http.StatusOK, http.StatusCreated, http.StatusNoContent)
	return k, err
}

// registration is a request that registers a key for its device.
func (k *key) registration() request {
	public := k.private.Public().(ed25519.PublicKey)
	r := k.device.ask("POST", "/api/v2/auth/jwk")
	r.json = object{"jwk": object{"kty": "OKP", "crv": "Ed25519", "x": encode(public), "kid": k.id, "alg": "EdDSA", "use": "sig"}}
	return r
}

// nonce returns a new nonce for a client.
func (p *probe) nonce(ctx context.Context, client string) (string, error) {
	a, err := p.want(ctx, request{path: "/api/v2/auth/nonce", client: client}, http.StatusOK)
	if err != nil {
		return "", err
	}
	nonce, err := a.text("nonce")
	if err == nil && nonce == "" {
		err = a.errorf("the nonce is empty")
	}
	return nonce, err
}

// jws signs claims. change changes what a device would sign.
func (k *key) jws(nonce string, change func(header, claims object)) string {
	now := time.Now().Unix()
	header := object{"typ": "JWT", "alg": "EdDSA", "kid": k.id}
	claims := object{
		"nonce": nonce, "aud": "plex.tv", "iss": k.device.client, "scope": "username,email,friendly_name",
		"iat": now, "exp": now + 300,
	}
	if change != nil {
		change(header, claims)
	}
	head, _ := json.Marshal(header) // of texts and numbers
	body, _ := json.Marshal(claims)
	signed := encode(head) + "." + encode(body)
	if header["alg"] == "none" {
		return signed + "."
	}
	return signed + "." + encode(ed25519.Sign(k.private, []byte(signed)))
}

// exchange is a request that exchanges a device's JWT.
func (k *key) exchange(jws string) request {
	return request{method: "POST", path: "/api/v2/auth/token", client: k.device.client, json: object{"jwt": jws}}
}

// newJWT gets a JWT for a new device.
func (p *probe) newJWT(ctx context.Context) (*key, *device, error) {
	k, nonce, err := p.newNonce(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := p.swap(ctx, k, nonce)
	return k, d, err
}

// newNonce registers a key of a new device, and returns a nonce for it.
func (p *probe) newNonce(ctx context.Context) (*key, string, error) {
	k, err := p.newKey(ctx)
	if err != nil {
		return nil, "", err
	}
	nonce, err := p.nonce(ctx, k.device.client)
	return k, nonce, err
}

// swap gets a JWT for a nonce. It is signed out in the end.
func (p *probe) swap(ctx context.Context, k *key, nonce string) (*device, error) {
	a, err := p.want(ctx, k.exchange(k.jws(nonce, nil)), http.StatusOK, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	d := &device{client: k.device.client}
	if d.token, err = p.tokenAt(a, "auth_token"); err != nil {
		return nil, err
	}
	p.later(d.ask("DELETE", "/api/v2/users/signout"))
	return d, nil
}

// publicKeys are the keys of the server.
func (p *probe) publicKeys(ctx context.Context) (*answer, []any, error) {
	a, err := p.want(ctx, request{path: "/api/v2/auth/keys", client: p.newClient()}, http.StatusOK)
	if err != nil {
		return nil, nil, err
	}
	list, err := a.list("keys")
	return a, list, err
}

func jwtKeys(ctx context.Context, p *probe) error {
	a, list, err := p.publicKeys(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return a.errorf("there is no key")
	}
	for _, k := range list {
		if err := a.hasFields(k, "text kty crv x kid"); err != nil {
			return err
		}
		if at(k, "d") != nil {
			return a.errorf("a private key is published")
		}
	}
	return nil
}

func jwtNonce(ctx context.Context, p *probe) error {
	client := p.newClient()
	first, err := p.nonce(ctx, client)
	if err != nil {
		return err
	}
	second, err := p.nonce(ctx, client)
	if err == nil && first == second {
		return (&answer{what: "GET /api/v2/auth/nonce"}).errorf("two nonces are the same")
	}
	return err
}

func jwtNonceNeedsClient(ctx context.Context, p *probe) error {
	return p.refused(ctx, request{path: "/api/v2/auth/nonce"}, 0, http.StatusUnprocessableEntity, http.StatusBadRequest)
}

// claimsOf checks the signature of a JWT by the server's keys, and returns its claims.
func (p *probe) claimsOf(ctx context.Context, token plexauth.Secret) (object, error) {
	a, list, err := p.publicKeys(ctx)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		return nil, a.errorf("the token is no JWT of three parts")
	}
	var header struct{ Kid, Alg string }
	var claims object
	for i, v := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, v) != nil {
			return nil, a.errorf("part %d of the JWT is malformed", i+1)
		}
	}
	i := slices.IndexFunc(list, func(k any) bool { return at(k, "kid") == header.Kid })
	if i < 0 || header.Alg != "EdDSA" {
		return nil, a.errorf("the key that signed the JWT is not among them, or no EdDSA")
	}
	x, _ := list[i].(object)["x"].(string)
	public, err := base64.RawURLEncoding.DecodeString(x)
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || err2 != nil || len(public) != ed25519.PublicKeySize ||
		!ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, a.errorf("the key of the JWT has not signed it")
	}
	return claims, nil
}

func jwtExchange(ctx context.Context, p *probe) error {
	k, d, err := p.newJWT(ctx)
	if err != nil {
		return err
	}
	claims, err := p.claimsOf(ctx, d.token)
	if err != nil {
		return err
	}
	a := &answer{what: "POST /api/v2/auth/token"}
	audience, _ := claims["aud"].([]any)
	switch {
	case claims["iss"] != "plex.tv":
		return a.errorf("iss is not plex.tv")
	case !slices.Contains(audience, any("plex.tv")) || !slices.Contains(audience, any(d.client)):
		return a.errorf("aud is not a list with plex.tv and the client identifier")
	case claims["thumbprint"] != k.id:
		return a.errorf("thumbprint is not the kid of the device's key")
	case at(claims, "user", "id") == nil || at(claims, "user", "uuid") == nil:
		return a.errorf("user lacks id or uuid")
	case claims["nonce"] == nil || claims["iat"] == nil:
		return a.errorf("nonce or iat is missing")
	}
	expires, _ := claims["exp"].(float64)
	if left := time.Until(time.Unix(int64(expires), 0)); left <= 0 || left > 8*24*time.Hour {
		return a.errorf("exp is not within the next seven days")
	}
	return nil
}

func jwtWorks(ctx context.Context, p *probe) error {
	_, d, err := p.newJWT(ctx)
	if err != nil {
		return err
	}
	return p.authenticates(ctx, d)
}

func jwtReplaces(ctx context.Context, p *probe) error {
	k, _, err := p.newJWT(ctx)
	if err != nil {
		return err
	}
	return p.refused(ctx, k.device.ask("GET", "/api/v2/user"), 0, http.StatusUnauthorized)
}

func jwtNonceOnce(ctx context.Context, p *probe) error {
	k, nonce, err := p.newNonce(ctx)
	if err != nil {
		return err
	}
	if _, err := p.swap(ctx, k, nonce); err != nil {
		return err
	}
	return p.refusesJWT(ctx, k.exchange(k.jws(nonce, nil)))
}

// refusesJWT returns an error unless an exchange is rejected as invalid.
func (p *probe) refusesJWT(ctx context.Context, r request) error {
	return p.refused(ctx, r, 0, http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, 498)
}

// refusesChanged returns an error unless an exchange of what a device would not sign
// is refused.
func refusesChanged(ctx context.Context, p *probe, change func(header, claims object)) error {
	k, nonce, err := p.newNonce(ctx)
	if err != nil {
		return err
	}
	return p.refusesJWT(ctx, k.exchange(k.jws(nonce, change)))
}

func jwtForged(ctx context.Context, p *probe) error {
	k, nonce, err := p.newNonce(ctx)
	if err != nil {
		return err
	}
	if _, k.private, err = ed25519.GenerateKey(nil); err != nil {
		return err
	}
	return p.refusesJWT(ctx, k.exchange(k.jws(nonce, nil)))
}

func jwtUnsigned(ctx context.Context, p *probe) error {
	return refusesChanged(ctx, p, func(header, _ object) { header["alg"] = "none" })
}

func jwtAudience(ctx context.Context, p *probe) error {
	return refusesChanged(ctx, p, func(_, claims object) { claims["aud"] = "example.org" })
}

func jwtIssuer(ctx context.Context, p *probe) error {
	return refusesChanged(ctx, p, func(_, claims object) { claims["iss"] = "another-device" })
}

func jwtExpired(ctx context.Context, p *probe) error {
	return refusesChanged(ctx, p, func(_, claims object) {
		claims["iat"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(-10*time.Minute).Unix()
	})
}

func jwtEarly(ctx context.Context, p *probe) error {
	for _, name := range []string{"iat", "nbf"} {
		err := refusesChanged(ctx, p, func(_, claims object) {
			claims[name], claims["exp"] = time.Now().Add(time.Hour).Unix(), time.Now().Add(2*time.Hour).Unix()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func jwtConfused(ctx context.Context, p *probe) error {
	k, err := p.newKey(ctx)
	if err != nil {
		return err
	}
	public := k.private.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	// Values that a server may use as the secret, if it trusts the header.
	for _, secret := range [][]byte{
		public, []byte(encode(public)), der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	} {
		nonce, err := p.nonce(ctx, k.device.client)
		if err != nil {
			return err
		}
		text := k.jws(nonce, func(header, _ object) { header["alg"] = "HS256" })
		signed := text[:strings.LastIndexByte(text, '.')]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		if err := p.refusesJWT(ctx, k.exchange(signed+"."+encode(mac.Sum(nil)))); err != nil {
			return err
		}
	}
	return nil
}

func jwtUnknownKey(ctx context.Context, p *probe) error {
	other, err := p.newKey(ctx)
	if err != nil {
		return err
	}
	for _, id := range []string{"no-key-" + p.run, other.id} {
		if err := refusesChanged(ctx, p, func(header, _ object) { header["kid"] = id }); err != nil {
			return err
		}
	}
	return nil
}

func jwtKeyOnce(ctx context.Context, p *probe) error {
	k, err := p.newKey(ctx)
	if err != nil {
		return err
	}
	other, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	a, err := p.send(ctx, (&key{other, "key-" + other.client, k.private}).registration())
	if err != nil {
		return err
	}
	return a.denied()
}

func jwtForeignNonce(ctx context.Context, p *probe) error {
	k, err := p.newKey(ctx)
	if err != nil {
		return err
	}
	foreign, err := p.nonce(ctx, p.newClient())
	if err != nil {
		return err
	}
	without := func(_, claims object) { delete(claims, "nonce") }
	for _, text := range []string{k.jws("", without), k.jws("", nil), k.jws("b0e0a8c2-0d5e-4c5e-9d3e-3b1f6b0a7c11", nil), k.jws(foreign, nil)} {
		if err := p.refusesJWT(ctx, k.exchange(text)); err != nil {
			return err
		}
	}
	return nil
}

func jwtAltered(ctx context.Context, p *probe) error {
	_, d, err := p.newJWT(ctx)
	if err != nil {
		return err
	}
	parts := strings.Split(string(d.token), ".")
	if len(parts) != 3 {
		return (&answer{what: "POST /api/v2/auth/token"}).errorf("the token is no JWT of three parts")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims object
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return (&answer{what: "POST /api/v2/auth/token"}).errorf("the claims are malformed")
	}
	claims["user"] = object{"id": 1, "uuid": "somebody else"}
	altered, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	forged := *d
	forged.token = secret(parts[0] + "." + encode(altered) + "." + parts[2])
	return p.refused(ctx, forged.ask("GET", "/api/v2/user"), 0, http.StatusUnauthorized)
}

func jwtRevoked(ctx context.Context, p *probe) error {
	_, d, err := p.newJWT(ctx)
	if err != nil {
		return err
	}
	if _, err := p.want(ctx, d.ask("DELETE", "/api/v2/users/signout"), http.StatusNoContent, http.StatusOK); err != nil {
		return err
	}
	return p.refused(ctx, d.ask("GET", "/api/v2/user"), 0, http.StatusUnauthorized)
}
