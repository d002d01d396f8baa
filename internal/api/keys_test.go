package api_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// deviceKey is a device with a key that signs arbitrary claims.
type deviceKey struct {
	w      *fixture
	client string
	kid    string
	alg    string
	sign   func(signed []byte) []byte
	jwk    map[string]any
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// newKey returns a device with an Ed25519 key.
func (w *fixture) newKey(t testing.TB, client string) *deviceKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(private)
	kid := fmt.Sprintf("%x", sum) // as PlexAPI does
	return &deviceKey{
		w: w, client: client, kid: kid, alg: "EdDSA",
		sign: func(signed []byte) []byte { return ed25519.Sign(private, signed) },
		jwk: map[string]any{
			"kty": "OKP", "crv": "Ed25519", "x": b64(public), "kid": kid, "alg": "EdDSA", "use": "sig", "key_ops": []string{"verify"},
		},
	}
}

// newRSAKey returns a device with an RSA key.
func (w *fixture) newRSAKey(t testing.TB, client string, bits int) *deviceKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return &deviceKey{
		w: w, client: client, kid: "rsa-" + client, alg: "RS256",
		sign: func(signed []byte) []byte {
			sum := sha256.Sum256(signed)
			signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return signature
		},
		jwk: map[string]any{
			"kty": "RSA", "n": b64(private.N.Bytes()), "e": b64(big.NewInt(int64(private.E)).Bytes()), "kid": "rsa-" + client, "alg": "RS256",
		},
	}
}

// header and claims return the header and the claims of a valid JWT.
func (k *deviceKey) header() map[string]any {
	return map[string]any{"kid": k.kid, "alg": k.alg, "typ": "JWT"}
}

func (k *deviceKey) claims(nonce string) map[string]any {
	now := k.w.Now().Unix()
	c := map[string]any{"aud": "plex.tv", "iss": k.client, "iat": now, "exp": now + 300}
	if nonce != "" {
		c["nonce"], c["scope"] = nonce, "username,email,friendly_name"
	}
	return c
}

// jwt signs an arbitrary header and claims.
func (k *deviceKey) jwt(header, claims any) string {
	return compact(header, claims, k.sign)
}

func compact(header, claims any, sign func([]byte) []byte) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	signed := b64(h) + "." + b64(c)
	return signed + "." + b64(sign([]byte(signed)))
}

// post sends a JSON body as a client with an identifier.
func (w *fixture) post(t testing.TB, path, client string, token plexauth.Secret, body any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return w.send(t, "POST", path, client, token, string(text))
}

func (w *fixture) send(t testing.TB, method, path, client string, token plexauth.Secret, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if client != "" {
		req.Header.Set("X-Plex-Client-Identifier", client)
	}
	if token != "" {
		req.Header.Set("X-Plex-Token", string(token))
	}
	return w.do(t, req)
}

// register registers the key with a token.
func (k *deviceKey) register(t testing.TB, token plexauth.Secret) (int, string) {
	t.Helper()
	return k.w.post(t, "/api/v2/auth/jwk", k.client, token, map[string]any{"jwk": k.jwk})
}

func (k *deviceKey) nonce(t testing.TB) string {
	t.Helper()
	return k.w.nonceOf(t, k.client)
}

func (w *fixture) nonceOf(t testing.TB, client string) string {
	t.Helper()
	status, body := w.send(t, "GET", "/api/v2/auth/nonce", client, "", "")
	var answer struct{ Nonce string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.Nonce == "" {
		t.Fatalf("a nonce: %d %s", status, body)
	}
	return answer.Nonce
}

// exchange requests a JWT from the server.
func (k *deviceKey) exchange(t testing.TB) plexauth.Secret {
	t.Helper()
	status, body := k.offer(t, k.jwt(k.header(), k.claims(k.nonce(t))))
	var answer struct {
		Token plexauth.Secret `json:"auth_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.Token == "" {
		t.Fatalf("an exchange: %d %s", status, body)
	}
	return answer.Token
}

func (k *deviceKey) offer(t testing.TB, jwt string) (int, string) {
	t.Helper()
	return k.w.post(t, "/api/v2/auth/token", k.client, "", map[string]string{"jwt": jwt})
}

// signInAs signs in from a client with an identifier.
func (w *fixture) signInAs(t testing.TB, name, client string) plexauth.Secret {
	t.Helper()
	status, body := w.post(t, "/api/v2/users/signin", client, "", map[string]string{"login": name, "password": password})
	var account struct{ AuthToken plexauth.Secret }
	if err := json.Unmarshal([]byte(body), &account); err != nil || status != 201 {
		t.Fatalf("signing in: %d %s", status, body)
	}
	return account.AuthToken
}

// keyed signs in, registers a key and exchanges it, like a device that already had a token.
func (w *fixture) keyed(t testing.TB, name, client string) (k *deviceKey, jwt plexauth.Secret) {
	t.Helper()
	k = w.newKey(t, client)
	if status, body := k.register(t, w.signInAs(t, name, client)); status != 201 {
		t.Fatalf("registering: %d %s", status, body)
	}
	return k, k.exchange(t)
}

// readClaims decodes a JWT without verifying it.
func readClaims(t testing.TB, jwt plexauth.Secret) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(string(jwt), ".")
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func TestKeyOfAToken(t *testing.T) {
	for name, newKey := range map[string]func(*fixture) *deviceKey{
		"Ed25519": func(w *fixture) *deviceKey { return w.newKey(t, "player") },
		"RSA":     func(w *fixture) *deviceKey { return w.newRSAKey(t, "player", 2048) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, nil)
			k := newKey(w)
			legacy, another, other := w.signInAs(t, "member", "player"), w.signInAs(t, "member", "player"), w.signInAs(t, "member", "phone")
			if status, body := k.register(t, legacy); status != 201 {
				t.Fatalf("registering: %d %s", status, body)
			}
			if !w.good(t, legacy) {
				t.Error("registering a key revoked the token")
			}
			one, two := k.exchange(t), k.exchange(t)
			if one == two {
				t.Error("two exchanges returned the same JWT")
			}
			for what, test := range map[string]struct {
				token plexauth.Secret
				good  bool
			}{
				"the token that registered": {legacy, false}, "another of the device's": {another, false},
				"one of another device": {other, true}, "the first JWT": {one, true}, "the second JWT": {two, true},
			} {
				if w.good(t, test.token) != test.good {
					t.Errorf("%s: good is %v", what, !test.good)
				}
			}
			var me struct {
				ID        int64
				UUID      string
				AuthToken plexauth.Secret
			}
			w.read(t, "GET", "/api/v2/user", one, nil, &me)
			if me.AuthToken != one {
				t.Error("token details have another token")
			}
			header, claims := readClaims(t, one)
			now := float64(w.Now().Unix())
			want := map[string]any{
				"iss": "plex.tv", "aud": []any{"plex.tv", "player"}, "iat": now, "exp": now + 7*24*3600, "thumbprint": k.kid,
				"user": map[string]any{
					"id": float64(me.ID), "uuid": me.UUID, "username": "member", "email": "member@example.org", "friendly_name": "member",
				},
			}
			got := maps.Clone(claims)
			for _, name := range []string{"nonce", "jti", "sid"} {
				if text, _ := got[name].(string); text == "" {
					t.Errorf("%s is missing", name)
				}
				delete(got, name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			w.verify(t, one, header)
			if status, _ := w.call(t, "DELETE", "/api/v2/users/signout", two, nil); status != 204 || w.good(t, one) {
				t.Errorf("signing out: %d, and a JWT is still valid", status)
			}
		})
	}
}

// verify checks a JWT with the published keys, as a client does.
func (w *fixture) verify(t testing.TB, jwt plexauth.Secret, header map[string]any) {
	t.Helper()
	res, body := w.ask(t, "GET", "/api/v2/auth/keys", "*/*", "", nil)
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the keys are %s", got)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("the keys: %s", body)
	}
	at := slices.IndexFunc(set.Keys, func(k map[string]string) bool { return k["kid"] == header["kid"] })
	if at < 0 {
		t.Fatalf("the keys are %s, without %v", body, header["kid"])
	}
	k := set.Keys[at]
	if len(k["kid"]) != 43 || k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["alg"] != "EdDSA" || k["use"] != "sig" {
		t.Errorf("a key is %v", k)
	}
	public, _ := base64.RawURLEncoding.DecodeString(k["x"])
	dot := strings.LastIndexByte(string(jwt), '.')
	signature, _ := base64.RawURLEncoding.DecodeString(string(jwt[dot+1:]))
	if header["alg"] != "EdDSA" || header["typ"] != "JWT" || !ed25519.Verify(public, []byte(jwt[:dot]), signature) {
		t.Errorf("the published key does not verify the JWT with header %v", header)
	}
}

// Each kind of invalid proof has its own status and text. None of them uses up the nonce.
func TestBadProofs(t *testing.T) {
	w := newFixture(t, nil)
	k, _ := w.keyed(t, "member", "player")
	other, _ := w.keyed(t, "admin", "laptop")
	unregistered := w.newKey(t, "player")
	rsaKey := w.newRSAKey(t, "tv", 2048)
	if status, body := rsaKey.register(t, w.signInAs(t, "member", "tv")); status != 201 {
		t.Fatal(body)
	}
	nonce := k.nonce(t)
	header := func(change map[string]any) map[string]any { return changed(k.header(), change) }
	claims := func(change map[string]any) map[string]any { return changed(k.claims(nonce), change) }
	now := w.Now().Unix()
	hs256 := func(secret []byte) func([]byte) []byte {
		return func(signed []byte) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write(signed)
			return mac.Sum(nil)
		}
	}
	nothing := func([]byte) []byte { return nil }
	public, _ := base64.RawURLEncoding.DecodeString(k.jwk["x"].(string))
	evil := w.newKey(t, "player")
	texts := make(map[string]string)
	for name, test := range map[string]struct {
		jwt    string
		status int
		code   int
		text   string
	}{
		"nothing":              {"", 400, 400, "jwt is missing"},
		"an opaque token":      {"abcdefghij0123456789", 400, 400, "jwt is not a signed JWT"},
		"an oversized one":     {strings.Repeat("a", 5000), 400, 400, "jwt is too long"},
		"two parts":            {"e30.e30", 400, 400, "jwt is not a signed JWT"},
		"a JSON serialisation": {`{"payload":"e30","protected":"e30","signature":"e30"}`, 400, 400, "jwt is not a signed JWT"},

		"alg none":                  {compact(header(map[string]any{"alg": "none"}), claims(nil), nothing), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"alg None":                  {compact(header(map[string]any{"alg": "None"}), claims(nil), nothing), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"no alg":                    {compact(header(map[string]any{"alg": nil}), claims(nil), nothing), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"HS256 with the public key": {compact(header(map[string]any{"alg": "HS256"}), claims(nil), hs256(public)), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"RS256 for an Ed25519 key":  {compact(header(map[string]any{"alg": "RS256"}), claims(nil), k.sign), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"EdDSA for an RSA key":      {compact(map[string]any{"alg": "EdDSA", "kid": rsaKey.kid}, claims(map[string]any{"iss": "tv"}), k.sign), 400, 400, "jwt's alg is neither EdDSA nor RS256, or not that of its key"},
		"a key in the header":       {evil.jwt(header(map[string]any{"jwk": evil.jwk}), claims(nil)), 400, 400, "jwt's header brings a key or points to one: it may have a kid only"},
		"the own key in the header": {k.jwt(header(map[string]any{"jwk": k.jwk}), claims(nil)), 400, 400, "jwt's header brings a key or points to one: it may have a kid only"},
		"a key elsewhere":           {evil.jwt(header(map[string]any{"jku": w.URL + "/evil"}), claims(nil)), 400, 400, "jwt's header brings a key or points to one: it may have a kid only"},
		"a certificate elsewhere":   {evil.jwt(header(map[string]any{"x5u": w.URL + "/evil"}), claims(nil)), 400, 400, "jwt's header brings a key or points to one: it may have a kid only"},
		"a critical extension":      {k.jwt(header(map[string]any{"crit": []string{"x"}, "x": 1}), claims(nil)), 400, 400, "jwt's header has an extension (crit or b64), and none is known here"},
		"an extension of none":      {k.jwt(header(map[string]any{"crit": []string{}}), claims(nil)), 400, 400, "jwt's header has an extension (crit or b64), and none is known here"},
		"an unencoded payload":      {k.jwt(header(map[string]any{"b64": false}), claims(nil)), 400, 400, "jwt's header has an extension (crit or b64), and none is known here"},
		"another last character":    {otherBits(k.jwt(header(nil), claims(nil))), 400, 400, "jwt is not a signed JWT"},
		"padding":                   {k.jwt(header(nil), claims(nil)) + "==", 400, 400, "jwt is not a signed JWT"},
		"a space":                   {k.jwt(header(nil), claims(nil)) + " ", 400, 400, "jwt is not a signed JWT"},
		"times that are texts":      {k.jwt(header(nil), claims(map[string]any{"exp": "9999999999"})), 400, 400, "jwt's claims cannot be read"},
		"no kid":                    {k.jwt(header(map[string]any{"kid": nil}), claims(nil)), 400, 400, "jwt's header has no kid"},
		"a kid of another device":   {k.jwt(header(map[string]any{"kid": other.kid}), claims(nil)), 422, 422, "Signature verification failed"},
		"a kid that is a path":      {k.jwt(header(map[string]any{"kid": "../../dev/null"}), claims(nil)), 422, 422, ""},
		"a kid that is SQL":         {k.jwt(header(map[string]any{"kid": "' OR 1=1 --"}), claims(nil)), 422, 422, ""},
		"a key that nobody has":     {unregistered.jwt(unregistered.header(), claims(nil)), 422, 422, "No device has a key with this kid: it was not registered, or the device was signed out"},
		"another type":              {k.jwt(header(map[string]any{"typ": "dpop+jwt"}), claims(nil)), 400, 400, "jwt's typ is not JWT"},
		"another signature":         {evil.jwt(header(nil), claims(nil)), 422, 422, "Signature verification failed"},
		"no signature":              {compact(header(nil), claims(nil), nothing), 422, 422, "Signature verification failed"},

		"another device's iss":       {k.jwt(header(nil), claims(map[string]any{"iss": "laptop"})), 422, 1097, "iss is not the client identifier of the device that the key belongs to"},
		"no iss":                     {k.jwt(header(nil), claims(map[string]any{"iss": nil})), 422, 1097, "iss is not the client identifier of the device that the key belongs to"},
		"another audience":           {k.jwt(header(nil), claims(map[string]any{"aud": "player"})), 400, 400, "aud is not plex.tv"},
		"no audience":                {k.jwt(header(nil), claims(map[string]any{"aud": nil})), 400, 400, "aud is not plex.tv"},
		"an audience of numbers":     {k.jwt(header(nil), claims(map[string]any{"aud": []int{1}})), 400, 400, "jwt's claims cannot be read"},
		"claims that are a list":     {k.jwt(header(nil), []string{"a"}), 400, 400, "jwt's claims cannot be read"},
		"an expired one":             {k.jwt(header(nil), claims(map[string]any{"exp": now - 1})), 498, 498, "jwt has expired"},
		"one that expires now":       {k.jwt(header(nil), claims(map[string]any{"exp": now})), 498, 498, "jwt has expired"},
		"one from the future":        {k.jwt(header(nil), claims(map[string]any{"iat": now + 3600})), 400, 400, "jwt is not valid yet: iat or nbf is in the future"},
		"one that begins later":      {k.jwt(header(nil), claims(map[string]any{"nbf": now + 3600})), 400, 400, "jwt is not valid yet: iat or nbf is in the future"},
		"an unknown scope":           {k.jwt(header(nil), claims(map[string]any{"scope": "username,admin"})), 400, 400, "scope has an unknown name: it may list username, email, friendly_name, restricted, anonymous and joinedAt"},
		"no nonce":                   {k.jwt(header(nil), claims(map[string]any{"nonce": nil})), 400, 400, "nonce is missing"},
		"a nonce that was invented":  {k.jwt(header(nil), claims(map[string]any{"nonce": "b0e0a8c2-0d5e-4c5e-9d3e-3b1f6b0a7c11"})), 422, 422, "nonce is unknown or has expired"},
		"a nonce in capital letters": {k.jwt(header(nil), claims(map[string]any{"nonce": strings.ToUpper(nonce)})), 422, 422, ""},
		"another client's nonce":     {k.jwt(header(nil), claims(map[string]any{"nonce": other.nonce(t)})), 422, 422, "nonce is unknown or has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := k.offer(t, test.jwt)
			var answer struct {
				Errors []struct {
					Code, Status int
					Message      string
				}
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Errors) != 1 {
				t.Fatalf("%d %s", status, body)
			}
			e := answer.Errors[0]
			if status != test.status || e.Status != test.status || e.Code != test.code || test.text != "" && e.Message != test.text {
				t.Errorf("got %d %s; want %d, code %d, %s", status, body, test.status, test.code, test.text)
			}
			texts[e.Message] = name
		})
	}
	if len(texts) < 16 {
		t.Errorf("only %d different texts", len(texts))
	}
	if status, body := k.offer(t, k.jwt(header(nil), claims(nil))); status != 200 {
		t.Errorf("after all that, a good one: %d %s", status, body)
	}
	// Attack: a repeated claim, which two programs read differently.
	twice := `{"iss":"player","aud":"plex.tv","iss":"laptop","nonce":"` + k.nonce(t) + `"}`
	if status, body := k.offer(t, k.jwt(header(nil), json.RawMessage(twice))); status != 400 {
		t.Errorf("a repeated claim: %d %s", status, body)
	}
	if status, body := w.post(t, "/api/v2/auth/token", "player", "", map[string]string{"deviceJWT": "x"}); status != 400 {
		t.Errorf("deviceJWT instead of jwt: %d %s", status, body)
	}
}

// otherBits returns a JWT with a different last character, which a lenient decoder reads as
// the same signature.
func otherBits(jwt string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(jwt) - 1
	return jwt[:last] + string(alphabet[strings.IndexByte(alphabet, jwt[last])^1])
}

// Attack: many texts that are the same token evade a list of stolen tokens.
func TestAlteredJWT(t *testing.T) {
	w := newFixture(t, nil)
	_, jwt := w.keyed(t, "member", "player")
	if w.good(t, plexauth.Secret(otherBits(string(jwt)))) || !w.good(t, jwt) || w.good(t, plexauth.Secret(otherBits(string(jwt)))) {
		t.Error("a JWT with another last character is valid, or the original is not")
	}
}

// changed returns a copy of a map with changes; nil removes.
func changed(m, change map[string]any) map[string]any {
	for name, value := range change {
		if value == nil {
			delete(m, name)
		} else {
			m[name] = value
		}
	}
	return m
}

// Variations that some clients send are accepted.
func TestGoodProofs(t *testing.T) {
	w := newFixture(t, nil)
	k, _ := w.keyed(t, "member", "player")
	for name, change := range map[string]map[string]any{
		"no iat, no exp":                {"iat": nil, "exp": nil},
		"a list as audience":            {"aud": []string{"other", "plex.tv"}},
		"no scope":                      {"scope": nil},
		"all scopes, with spaces":       {"scope": "username, email, friendly_name, restricted, anonymous, joinedAt"},
		"a clock that is a bit ahead":   {"iat": w.Now().Unix() + 120, "exp": w.Now().Unix() + 420},
		"a time with a fraction":        {"iat": float64(w.Now().Unix()) + 0.25},
		"a claim that nobody has heard": {"x": []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := k.offer(t, k.jwt(k.header(), changed(k.claims(k.nonce(t)), change))); status != 200 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	if status, body := k.offer(t, k.jwt(map[string]any{"kid": k.kid, "alg": "EdDSA"}, k.claims(k.nonce(t)))); status != 200 {
		t.Errorf("without typ: %d %s", status, body)
	}
}

func TestNonces(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 5 })
	k, _ := w.keyed(t, "member", "player")
	if status, body := w.send(t, "GET", "/api/v2/auth/nonce", "", "", ""); status != 422 {
		t.Errorf("without a client identifier: %d %s", status, body)
	}
	nonce := k.nonce(t)
	if len(nonce) != 36 || nonce[14] != '4' || nonce == k.nonce(t) {
		t.Errorf("a nonce is %s", nonce)
	}
	use := func(nonce string) (int, string) { return k.offer(t, k.jwt(k.header(), k.claims(nonce))) }
	w.Clock.Advance(5*time.Minute - time.Second)
	if status, body := use(nonce); status != 200 {
		t.Errorf("just before it expires: %d %s", status, body)
	}
	if status, body := use(nonce); status != 422 || !strings.Contains(body, "nonce was used already") {
		t.Errorf("a second time: %d %s", status, body)
	}
	w.Clock.Advance(time.Second)
	if status, body := use(nonce); status != 422 || !strings.Contains(body, "nonce is unknown or has expired") {
		t.Errorf("after it expired: %d %s", status, body)
	}
	nonce = k.nonce(t)
	w.Clock.Advance(5 * time.Minute)
	if status, body := use(nonce); status != 422 {
		t.Errorf("when it expires: %d %s", status, body)
	}
	for i := 0; ; i++ {
		status, body := w.send(t, "GET", "/api/v2/auth/nonce", "player", "", "")
		if status == 429 && strings.Contains(body, `"code":1003`) {
			break
		}
		if status != 200 || i > 1000 {
			t.Fatalf("after %d nonces: %d %s", i, status, body)
		}
	}
}

// Attack: use one nonce many times at the same time.
func TestANonceWorksOnce(t *testing.T) {
	w := newFixture(t, nil)
	k, _ := w.keyed(t, "member", "player")
	jwt := k.jwt(k.header(), k.claims(k.nonce(t)))
	var mu sync.Mutex
	got := make(map[int]int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			status, _ := k.offer(t, jwt)
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[int]int{200: 1, 422: 19}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestBadKeys(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signInAs(t, "member", "player")
	good := func() map[string]any { return maps.Clone(w.newKey(t, "player").jwk) }
	weak := w.newRSAKey(t, "player", 1024)
	tests := map[string]map[string]any{
		"no kid":               changed(good(), map[string]any{"kid": nil}),
		"a long kid":           changed(good(), map[string]any{"kid": strings.Repeat("k", 256)}),
		"no type":              changed(good(), map[string]any{"kty": nil}),
		"a secret":             {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
		"a private key":        changed(good(), map[string]any{"d": b64(make([]byte, 32))}),
		"another curve":        {"kty": "EC", "crv": "P-256", "kid": "k", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"half a key":           changed(good(), map[string]any{"x": "AAAA"}),
		"a key for secrecy":    changed(good(), map[string]any{"use": "enc"}),
		"another algorithm":    changed(good(), map[string]any{"alg": "RS256"}),
		"a symmetric one":      changed(good(), map[string]any{"alg": "HS256"}),
		"RSA that is too weak": weak.jwk,
		"nothing":              {},
	}
	for name, jwk := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := w.post(t, "/api/v2/auth/jwk", "player", token, map[string]any{"jwk": jwk})
			if status != 400 {
				t.Errorf("registering: %d %s", status, body)
			}
			if len(jwk) == 0 {
				return
			}
			status, body = w.post(t, "/api/v2/pins", "player", "", map[string]any{"jwk": jwk, "strong": true})
			if status != 400 {
				t.Errorf("a PIN with it: %d %s", status, body)
			}
		})
	}
	if !w.good(t, token) {
		t.Error("the token was revoked")
	}
}

// Attack: register another device's key, or a key with the same ID, to receive its JWTs or
// to revoke it.
func TestAKeyIsOneDevices(t *testing.T) {
	w := newFixture(t, nil)
	k, jwt := w.keyed(t, "member", "player")
	for name, test := range map[string]struct{ account, client string }{
		"another account": {"admin", "player"}, "another device of the account": {"member", "phone"},
	} {
		thief := w.signInAs(t, test.account, test.client)
		status, body := w.post(t, "/api/v2/auth/jwk", "player", thief, map[string]any{"jwk": k.jwk})
		if status != 422 || !strings.Contains(body, "Thumbprint has already been taken") {
			t.Errorf("%s registers the key: %d %s", name, status, body)
		}
		named := w.newKey(t, test.client)
		status, _ = w.post(t, "/api/v2/auth/jwk", "player", thief, map[string]any{"jwk": changed(named.jwk, map[string]any{"kid": k.kid})})
		if status != 422 {
			t.Errorf("%s registers a key with its ID: %d", name, status)
		}
	}
	if !w.good(t, jwt) || !w.good(t, k.exchange(t)) {
		t.Error("the device was signed out")
	}
	// The key belongs to the token's device, whatever the header contains. It cannot obtain
	// a JWT for the header's device.
	mine := w.newKey(t, "player")
	if status, body := mine.register(t, w.signInAs(t, "admin", "laptop")); status != 201 {
		t.Fatal(body)
	}
	if status, body := mine.offer(t, mine.jwt(mine.header(), mine.claims(w.nonceOf(t, "player")))); status != 422 || !strings.Contains(body, "1097") {
		t.Errorf("a JWT for the device of the header: %d %s", status, body)
	}
}

// A JWT is valid while its device is signed in, and at most a week. Only requests with an
// expired JWT get the status for expiry.
func TestJWTsEnd(t *testing.T) {
	w := newFixture(t, nil)
	ends := map[string]func(k *deviceKey, jwt plexauth.Secret){
		"the device is removed": func(_ *deviceKey, jwt plexauth.Secret) {
			p, err := w.Tokens.Verify(t.Context(), jwt)
			if err != nil {
				t.Fatal(err)
			}
			w.call(t, "DELETE", fmt.Sprint("/devices/", p.DeviceID), w.signInAs(t, "member", "phone"), nil)
		},
		"it signs out": func(_ *deviceKey, jwt plexauth.Secret) { w.call(t, "DELETE", "/api/v2/users/signout", jwt, nil) },
		"an operator revokes the key": func(_ *deviceKey, jwt plexauth.Secret) {
			p, err := w.Tokens.Verify(t.Context(), jwt)
			if err == nil {
				err = w.Tokens.Revoke(t.Context(), operator, p.TokenID)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			k, jwt := w.keyed(t, "member", "player")
			if !w.good(t, jwt) {
				t.Fatal("the JWT is not valid")
			}
			end(k, jwt)
			for _, path := range []string{"/api/v2/user", "/api/v2/resources"} {
				if status, body := w.call(t, "GET", path, jwt, nil); status != 401 {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
			if status, body := k.offer(t, k.jwt(k.header(), k.claims(k.nonce(t)))); status != 422 {
				t.Errorf("another JWT: %d %s", status, body)
			}
			// Attack: register the key, or its ID, for another device, for which the old
			// JWT would then be valid.
			k.client = "laptop"
			if status, body := k.register(t, w.signInAs(t, "admin", "laptop")); status != 201 {
				t.Errorf("the key at another device: %d %s", status, body)
			}
			if k.exchange(t); w.good(t, jwt) {
				t.Error("the old JWT is valid for the new owner of the key")
			}
		})
	}
	t.Run("it expires", func(t *testing.T) {
		k, jwt := w.keyed(t, "member", "player")
		w.Clock.Advance(7*24*time.Hour - time.Second)
		if !w.good(t, jwt) {
			t.Error("it was revoked too early")
		}
		w.Clock.Advance(time.Second)
		for path, want := range map[string]int{"/api/v2/user": 498, "/api/v2/resources": 498, "/users/account": 498, "/": 401} {
			if status, body := w.call(t, "GET", path, jwt, nil); status != want {
				t.Errorf("%s: %d %s, want %d", path, status, body, want)
			}
		}
		if status, _ := w.call(t, "GET", "/api/v2/user", "00000000000000000000", nil); status != 401 {
			t.Errorf("an opaque token gets status %d", status)
		}
		if !w.good(t, k.exchange(t)) {
			t.Error("after the expiry, the key does not get another JWT")
		}
	})
}

// Attack: change a JWT of the server, or forge one.
func TestForgedJWTs(t *testing.T) {
	w := newFixture(t, nil)
	_, jwt := w.keyed(t, "member", "player")
	if !w.good(t, jwt) { // it is cached from now on
		t.Fatal("the JWT is not valid")
	}
	header, claims := readClaims(t, jwt)
	evil := w.newKey(t, "player")
	parts := strings.Split(string(jwt), ".")
	admin, _ := json.Marshal(changed(maps.Clone(claims), map[string]any{"user": map[string]any{"id": 1}}))
	for name, forged := range map[string]string{
		"another user":               parts[0] + "." + b64(admin) + "." + parts[2],
		"without a signature":        parts[0] + "." + parts[1] + ".",
		"alg none":                   compact(changed(maps.Clone(header), map[string]any{"alg": "none"}), claims, func([]byte) []byte { return nil }),
		"another key of the name":    evil.jwt(header, claims),
		"a key of its own":           evil.jwt(changed(maps.Clone(header), map[string]any{"jwk": evil.jwk}), claims),
		"the key of a device":        evil.jwt(evil.header(), claims),
		"white space in it":          string(jwt) + " ",
		"the same with a dot more":   string(jwt) + ".",
		"the same in other letters":  strings.ToUpper(string(jwt)),
		"a signature that goes on":   string(jwt) + "AA",
		"the JWT of a device itself": evil.jwt(evil.header(), evil.claims("x")),
	} {
		if status, body := w.send(t, "GET", "/api/v2/user", "test", plexauth.Secret(forged), ""); status != 401 {
			if name == "white space in it" && status == 200 {
				continue // HTTP removes it
			}
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body := w.send(t, "GET", "/api/v2/user", "test", plexauth.Secret("eyJ"+strings.Repeat("a", 5000)), ""); status != 400 {
		t.Errorf("an oversized one: %d %s", status, body)
	}
	// The row of a device key cannot be used as a token, even if its content is known.
	if status, _ := w.call(t, "GET", "/api/v2/user", plexauth.Secret(claims["sid"].(string)), nil); status != 401 {
		t.Error("the name of the key's row is a token")
	}
}

// query returns the key as query parameters.
func (k *deviceKey) query() string {
	q := make(url.Values)
	for name, value := range k.jwk {
		if text, ok := value.(string); ok {
			q.Set("jwk["+name+"]", text)
		}
	}
	return q.Encode()
}

func TestResourcesWithAJWT(t *testing.T) {
	w := newFixture(t, nil)
	_, admin := w.keyed(t, "admin", "player")
	_, member := w.keyed(t, "member", "player")
	if got := w.serverToken(t, admin, "den"); got != admin {
		t.Error("the token for an owned server is not the JWT")
	}
	opaque := w.serverToken(t, member, "den")
	if opaque == member || strings.Contains(string(opaque), ".") || !w.good(t, opaque) {
		t.Error("the token for a shared server is not an opaque one")
	}
	if again := w.serverToken(t, member, "den"); again != opaque {
		t.Error("a second listing has a different token")
	}
	w.Clock.Advance(7 * 24 * time.Hour)
	if w.good(t, opaque) {
		t.Error("the token for a server outlives the JWT that listed it")
	}
	w.Tokens.Flush(t.Context())
	list, err := paging.Rows(w.Tokens.List(t.Context(), 0, paging.Request{}))
	if err != nil || len(list) != 2 {
		t.Errorf("after it expired, there are %d tokens, %v: want the two keys", len(list), err)
	}
}

func TestMediaPlaneAndJWTs(t *testing.T) {
	for _, takes := range []bool{false, true} {
		w := newFixture(t, func(c *config) { c.API.MediaJWT = takes })
		_, jwt := w.keyed(t, "admin", "player")
		want := map[bool]int{false: 401, true: 200}[takes]
		for _, path := range []string{"/", "/security/token?type=delegation&scope=all", "/security/resources?source=server://den"} {
			if status, body := w.call(t, "GET", path, jwt, nil); status != want {
				t.Errorf("%s, takes JWTs %v: %d %s", path, takes, status, body)
			}
		}
		if !takes {
			continue
		}
		transient := w.transient(t, jwt)
		w.Clock.Advance(6 * 24 * time.Hour)
		late := w.transient(t, jwt)
		w.Clock.Advance(24 * time.Hour)
		if w.good(t, transient) || w.good(t, late) {
			t.Error("a transient token outlives its JWT")
		}
	}
}

// A device with a key polls its PIN in different ways.
func TestPINWithAKey(t *testing.T) {
	w := newFixture(t, nil)
	k := w.newKey(t, "tv")
	start := func() (id int64, code string) {
		t.Helper()
		status, body := w.post(t, "/api/v2/pins", "tv", "", map[string]any{"jwk": k.jwk, "strong": true})
		var p struct {
			ID   int64
			Code string
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		return p.ID, p.Code
	}
	poll := func(id int64, jwt string) (int, plexauth.Secret) {
		t.Helper()
		path := fmt.Sprint("/api/v2/pins/", id)
		if jwt != "" {
			path += "?deviceJWT=" + url.QueryEscape(jwt)
		}
		status, body := w.send(t, "GET", path, "tv", "", "")
		var p struct{ AuthToken plexauth.Secret }
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(body)
		}
		return status, p.AuthToken
	}
	link := func(code string) {
		t.Helper()
		if err := w.PINs.Link(t.Context(), audit.Actor{AccountID: 2}, code); err != nil {
			t.Fatal(err)
		}
	}
	signed := func() string { return k.jwt(k.header(), k.claims("")) }
	isJWT := func(token plexauth.Secret) bool { return strings.Count(string(token), ".") == 2 }

	id, code := start()
	if status, token := poll(id, signed()); status != 200 || token != "" {
		t.Errorf("before it is linked: %d, a token %v", status, token != "")
	}
	link(code)
	other := w.newKey(t, "tv")
	status, legacy := poll(id, other.jwt(other.header(), other.claims("")))
	if status != 200 || isJWT(legacy) || !w.good(t, legacy) {
		t.Errorf("signed by another key: %d, good %v", status, w.good(t, legacy))
	}
	if status, token := poll(id, ""); status != 200 || token != legacy {
		t.Errorf("without a JWT: %d", status)
	}
	if status, _ := poll(id, k.jwt(k.header(), changed(k.claims(""), map[string]any{"exp": w.Now().Unix() - 10}))); status != 498 {
		t.Errorf("with an expired JWT: %d", status)
	}
	if status, _ := poll(id, "nonsense"); status != 400 {
		t.Errorf("with nonsense: %d", status)
	}
	status, jwt := poll(id, signed())
	if status != 200 || !isJWT(jwt) || !w.good(t, jwt) || w.good(t, legacy) {
		t.Fatalf("with a JWT: %d; the new one is good: %v, the legacy token is good: %v", status, w.good(t, jwt), w.good(t, legacy))
	}
	w.Clock.Advance(time.Minute)
	if _, again := poll(id, signed()); again != jwt {
		t.Error("a second poll returns a different JWT")
	}
	if status, _ := poll(id, ""); status != 404 {
		t.Errorf("without a JWT, after the exchange: %d", status)
	}
	if _, claims := readClaims(t, jwt); claims["nonce"] == "" || claims["thumbprint"] != k.kid {
		t.Errorf("claims %v", claims)
	}
	if !w.good(t, k.exchange(t)) {
		t.Error("the key does not renew its JWT")
	}
	// The same device signs in by PIN again, with the same key.
	id, code = start()
	link(code)
	if status, newer := poll(id, signed()); status != 200 || !w.good(t, newer) || w.good(t, jwt) {
		t.Errorf("once more: %d", status)
	}
	// Signing out invalidates the PIN, too.
	_, newer := poll(id, signed())
	w.call(t, "DELETE", "/api/v2/users/signout", newer, nil)
	if status, _ := poll(id, signed()); status != 404 {
		t.Errorf("after it was signed out: %d", status)
	}
}

// Attack: start a PIN with another device's key.
func TestPINWithAnotherDevicesKey(t *testing.T) {
	w := newFixture(t, nil)
	k, jwt := w.keyed(t, "admin", "player")
	status, body := w.post(t, "/api/v2/pins", "tv", "", map[string]any{"jwk": k.jwk})
	var p struct {
		ID   int64
		Code string
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || status != 201 {
		t.Fatal(body)
	}
	if err := w.PINs.Link(t.Context(), audit.Actor{AccountID: 2}, p.Code); err != nil {
		t.Fatal(err)
	}
	k.client = "tv"
	signed := k.jwt(k.header(), k.claims(""))
	if status, body := w.send(t, "GET", fmt.Sprint("/api/v2/pins/", p.ID, "?deviceJWT=", signed), "tv", "", ""); status != 422 {
		t.Errorf("%d %s", status, body)
	}
	if !w.good(t, jwt) {
		t.Error("the owner of the key was signed out")
	}
}

// Concurrent polls exchange a PIN once.
func TestPINIsExchangedOnce(t *testing.T) {
	w := newFixture(t, nil)
	k := w.newKey(t, "tv")
	_, body := w.post(t, "/api/v2/pins", "tv", "", map[string]any{"jwk": k.jwk})
	var p struct {
		ID   int64
		Code string
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(body)
	}
	if err := w.PINs.Link(t.Context(), audit.Actor{AccountID: 2}, p.Code); err != nil {
		t.Fatal(err)
	}
	signed := k.jwt(k.header(), k.claims(""))
	answers := make(chan string, 20)
	var wg sync.WaitGroup
	for range cap(answers) {
		wg.Go(func() {
			_, body := w.send(t, "GET", fmt.Sprint("/api/v2/pins/", p.ID, "?deviceJWT=", signed), "tv", "", "")
			answers <- body
		})
	}
	wg.Wait()
	close(answers)
	first := <-answers
	for body := range answers {
		if body != first {
			t.Errorf("two polls differ:\n%s\n%s", first, body)
		}
	}
}

// Attack: an attacker has a token that is revoked with another one. They register a key, or
// link PINs, to keep access after that. Or an attacker with a JWT extends its week.
func TestKeysDoNotEscapeTheirParents(t *testing.T) {
	w := newFixture(t, nil)
	// The owner's program links a PIN for another program, whose token is a child.
	owner := w.signInAs(t, "member", "owner")
	child := func(by plexauth.Secret, client string) plexauth.Secret {
		t.Helper()
		_, body := w.post(t, "/api/v2/pins", client, "", nil)
		var p struct {
			ID        int64
			Code      string
			AuthToken plexauth.Secret
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(body)
		}
		if status, body := w.call(t, "PUT", "/api/v2/pins/link?code="+p.Code, by, nil); status != 204 {
			t.Fatalf("%d %s", status, body)
		}
		_, body = w.send(t, "GET", fmt.Sprint("/api/v2/pins/", p.ID), client, "", "")
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(body)
		}
		return p.AuthToken
	}
	// One of the tokens claims to belong to the owner's device.
	var keys []*deviceKey
	var jwts []plexauth.Secret
	for _, client := range []string{"guest", "owner"} {
		k := w.newKey(t, client)
		if status, body := k.register(t, child(owner, client)); status != 201 {
			t.Fatal(body)
		}
		keys, jwts = append(keys, k), append(jwts, k.exchange(t), k.exchange(t))
	}
	if !w.good(t, owner) {
		t.Fatal("the guest revoked the owner's token")
	}
	grandchild := child(jwts[0], "grandchild")
	w.call(t, "DELETE", "/api/v2/users/signout", owner, nil)
	for i, jwt := range append(jwts, grandchild) {
		if w.good(t, jwt) {
			t.Errorf("token %d is valid after its parent was revoked", i)
		}
	}
	for _, k := range keys {
		if status, _ := k.offer(t, k.jwt(k.header(), k.claims(k.nonce(t)))); status != 422 {
			t.Errorf("the key of %s is valid: %d", k.client, status)
		}
	}

	// A stolen JWT.
	k, stolen := w.keyed(t, "member", "player")
	thief := w.newKey(t, "player")
	if status, body := thief.register(t, stolen); status != 403 {
		t.Errorf("a JWT alone registers a key: %d %s", status, body)
	}
	if status, body := thief.w.post(t, "/api/v2/auth/jwk", "player", stolen, map[string]any{
		"jwk": thief.jwk, "deviceJWT": thief.jwt(map[string]any{"alg": "EdDSA", "kid": k.kid}, thief.claims(thief.nonce(t))),
	}); status != 422 {
		t.Errorf("with its own proof: %d %s", status, body)
	}
	linked := child(stolen, "mule")
	mule := w.newKey(t, "mule")
	if status, body := mule.register(t, linked); status != 201 {
		t.Fatal(body)
	}
	late := mule.exchange(t)
	w.Clock.Advance(6 * 24 * time.Hour)
	later := mule.exchange(t)
	w.Clock.Advance(24 * time.Hour)
	for i, token := range []plexauth.Secret{stolen, linked, late, later} {
		if w.good(t, token) {
			t.Errorf("token %d outlives the stolen JWT", i)
		}
	}
	if status, _ := mule.offer(t, mule.jwt(mule.header(), mule.claims(mule.nonce(t)))); status == 200 {
		t.Error("a key that was registered with a JWT renews itself after the JWT's expiry")
	}
	if !w.good(t, k.exchange(t)) {
		t.Error("the owner's key was revoked")
	}
}

// A device replaces its key by proving that it has the current one. The first JWT of the
// new key revokes the current one. Tokens that other devices got through the current key
// stay valid.
func TestRotation(t *testing.T) {
	w := newFixture(t, nil)
	old, jwt := w.keyed(t, "member", "player")
	if status, body := old.register(t, jwt); status != 201 {
		t.Errorf("registering the same key again: %d %s", status, body)
	}
	code := w.startPIN(t, "tv").Code
	if status, body := w.call(t, "PUT", "/api/v2/pins/link?code="+code, jwt, nil); status != 204 {
		t.Fatal(body)
	}
	k := w.newKey(t, "player")
	proof := old.jwt(old.header(), old.claims(old.nonce(t)))
	body := map[string]any{"jwk": k.jwk, "deviceJWT": proof}
	if status, text := w.post(t, "/api/v2/auth/jwk", "player", jwt, body); status != 201 {
		t.Fatal(text)
	}
	if !w.good(t, jwt) {
		t.Error("the old JWT was revoked before there was a new one")
	}
	newer := k.exchange(t)
	if !w.good(t, newer) || w.good(t, jwt) {
		t.Error("after the first JWT of the new key, the old one is valid, or the new one is not")
	}
	list, err := paging.Rows(w.Tokens.List(t.Context(), 2, paging.Request{}))
	if err != nil || len(list) != 2 {
		t.Errorf("there are %d tokens, %v: want the key and the TV's token", len(list), err)
	}
	w.Clock.Advance(30 * 24 * time.Hour)
	if !w.good(t, k.exchange(t)) {
		t.Error("the new key was revoked by a JWT of the old one")
	}
}

// The server's keys change without a gap: every valid JWT verifies with the published keys.
// Each key is published before it signs, and the signing key is the last one in the list.
func TestSigningKeysRotate(t *testing.T) {
	w := newFixture(t, nil)
	k, jwt := w.keyed(t, "member", "player")
	published := func() (ids []string) {
		t.Helper()
		var set struct{ Keys []struct{ KID string } }
		w.read(t, "GET", "/api/v2/auth/keys", "", nil, &set)
		for _, k := range set.Keys {
			ids = append(ids, k.KID)
		}
		return ids
	}
	signers := make(map[string]bool)
	before := published()
	for day := range 300 {
		w.Clock.Advance(24 * time.Hour)
		if day%5 == 0 {
			jwt = k.exchange(t)
		}
		header, _ := readClaims(t, jwt)
		if !w.good(t, jwt) {
			t.Fatalf("day %d: the JWT is not valid", day)
		}
		w.verify(t, jwt, header)
		now := published()
		if signer := header["kid"].(string); day%5 == 0 {
			if now[len(now)-1] != signer {
				t.Errorf("day %d: the last key is not the one that signs", day)
			}
			if !slices.Contains(before, signer) {
				t.Errorf("day %d: the key that signs was not published the day before", day)
			}
			signers[signer] = true
		}
		if len(now) > 3 {
			t.Errorf("day %d: %d keys", day, len(now))
		}
		before = now
	}
	if len(signers) < 3 {
		t.Errorf("only %d keys signed", len(signers))
	}
}

// A verified JWT needs no SQL, like any other token.
func TestJWTsTouchNoSQL(t *testing.T) {
	w := newFixture(t, nil)
	_, jwt := w.keyed(t, "member", "player")
	w.good(t, jwt)
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if !w.good(t, jwt) {
		t.Error("token details read the database")
	}
}

// A new process accepts the JWTs of the previous one.
func TestJWTsSurviveARestart(t *testing.T) {
	w := newFixture(t, func(c *config) { c.Config = core.Config{Dir: t.TempDir()} })
	_, jwt := w.keyed(t, "member", "player")
	if _, err := w.Restart().Tokens.Verify(t.Context(), jwt); err != nil {
		t.Error(err)
	}
}

func BenchmarkJWTDetails(b *testing.B) {
	w := newFixture(b, nil)
	_, jwt := w.keyed(b, "member", "player")
	benchmark(b, w, 200, "GET", "/api/v2/user", jwt, "")
}

// A cached JWT costs at most twice what a cached opaque token costs.
func BenchmarkCheck(b *testing.B) {
	w := newFixture(b, nil)
	_, jwt := w.keyed(b, "member", "player")
	for name, token := range map[string]plexauth.Secret{"opaque": w.signInAs(b, "member", "phone"), "jwt": jwt} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Tokens.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Attack: poll a PIN that requires a proof from a browser, with the program's key instead
// of the proof.
func TestKeyDoesNotReplaceProof(t *testing.T) {
	w := newFixture(t, nil)
	k := w.newKey(t, "web")
	status, body := w.post(t, "/api/v2/pins", "web", "", map[string]any{
		"jwk": k.jwk, "strong": true, "proofUrl": "https://app.example.org/back",
	})
	var p struct {
		ID   int64
		Code string
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || status != 201 {
		t.Fatal(body)
	}
	if err := w.PINs.Link(t.Context(), audit.Actor{AccountID: 2}, p.Code); err != nil {
		t.Fatal(err)
	}
	poll := fmt.Sprint("/api/v2/pins/", p.ID, "?deviceJWT=", k.jwt(k.header(), k.claims("")))
	if status, body := w.send(t, "GET", poll, "web", "", ""); status != 200 || !strings.Contains(body, `"authToken":null`) {
		t.Errorf("%d %s", status, body)
	}
}
