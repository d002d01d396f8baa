package plexauth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

func newDeviceKey(t testing.TB) *plexauth.DeviceKey {
	t.Helper()
	key, err := plexauth.LoadDeviceKey("")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLoadDeviceKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "key.pem")
	ids := make(chan string, 20)
	var wg sync.WaitGroup
	for range cap(ids) {
		wg.Go(func() {
			key, err := plexauth.LoadDeviceKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids <- key.ID()
		})
	}
	wg.Wait()
	close(ids)
	id := <-ids
	for other := range ids {
		if other != id {
			t.Error("two callers got two keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	next := newDeviceKey(t)
	if err := next.Save(path); err != nil {
		t.Fatal(err)
	}
	if key, err := plexauth.LoadDeviceKey(path); err != nil || key.ID() != next.ID() || !key.Public().Equal(next.Public()) {
		t.Errorf("after Save: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if key, err := plexauth.LoadDeviceKey(path); key != nil || err == nil {
		t.Error("a key that others can read was loaded")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plexauth.LoadDeviceKey(path); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("a damaged file returned %v", err)
	}
	text, _ := json.Marshal(next)
	for _, printed := range []string{fmt.Sprint(next), fmt.Sprintf("%+v %#v %x", next, next, next), string(text)} {
		if strings.Trim(printed, `"… `) != "" {
			t.Errorf("a key prints as %s", printed)
		}
	}
	if len(next.ID()) != 43 {
		t.Errorf("the ID is %q", next.ID())
	}
}

// registered returns a client with a registered key, and its JWTSource.
func registered(t testing.TB, srv *plexauthtest.Server, u *plexauthtest.User) (*plexauth.Client, *plexauth.JWTSource) {
	t.Helper()
	c, key := srv.Client(u), newDeviceKey(t)
	if err := c.RegisterKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	source := &plexauth.JWTSource{Client: c, Key: key, Scopes: []string{"username", "email"}}
	keyed := *c
	keyed.Token = source
	return &keyed, source
}

func TestJWTSource(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	legacy := srv.Client(srv.Member)
	key := newDeviceKey(t)
	if err := legacy.RegisterKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	c := *legacy
	source := &plexauth.JWTSource{Client: &c, Key: key}
	c.Token = source
	account, err := c.TokenDetails(t.Context())
	if err != nil || account.Username != srv.Member.Username {
		t.Fatalf("%v, %v", account, err)
	}
	if _, err := legacy.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
		t.Errorf("the token from before the key: %v", err)
	}
	// A new one is requested when a server reports that this one has expired.
	first, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	srv.Advance(8 * 24 * time.Hour)
	if _, err := c.TokenDetails(t.Context()); err != nil {
		t.Errorf("after it expired: %v", err)
	}
	if second, err := source.Token(t.Context()); err != nil || second == first {
		t.Errorf("the JWT was not renewed: %v", err)
	}
	if err := c.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TokenDetails(t.Context()); !errors.Is(err, plexauth.ErrUnauthorized) {
		t.Errorf("after signing out: %v", err)
	}
	if _, err := c.ExchangeJWT(t.Context(), key); !errors.Is(err, plexauth.ErrBadRequest) {
		t.Errorf("exchanging a key that is gone: %v", err)
	}
}

// inBubble returns a copy of a client whose connections are closed after each request: the
// clock of a bubble does not move while one is open.
func inBubble(c *plexauth.Client) *plexauth.Client {
	copied := *c
	copied.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return &copied
}

// wait lets time pass for the program and for the server.
func wait(srv *plexauthtest.Server, d time.Duration) {
	srv.Advance(d)
	time.Sleep(d)
}

// exchanges counts the requested JWTs.
func exchanges(srv *plexauthtest.Server) int {
	n := 0
	for _, r := range srv.Requests() {
		if r.Path == "/api/v2/auth/token" {
			n++
		}
	}
	return n
}

// A JWT is renewed when 70 to 75 % of its life are over, and the clock of the
// program, which shows the year 2000, does not matter.
func TestJWTSourceRenewsInTime(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	base, source := registered(t, srv, srv.Member)
	const life = 7 * 24 * time.Hour
	delays := make(map[time.Duration]bool)
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			c := inBubble(base)
			s := &plexauth.JWTSource{Client: c, Key: source.Key}
			c.Token = s
			first, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			wait(srv, life*70/100-time.Minute)
			if again, err := s.Token(t.Context()); err != nil || again != first {
				t.Fatalf("it was renewed before 70 %% of its life: %v", err)
			}
			for {
				token, err := s.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if token != first {
					break
				}
				wait(srv, time.Minute)
				if time.Since(start) > life {
					t.Fatal("it was not renewed")
				}
			}
			delay := time.Since(start)
			if delay > life*75/100+time.Minute {
				t.Errorf("it was renewed after %v", delay)
			}
			delays[delay] = true
		})
	}
	if len(delays) < 2 {
		t.Errorf("all were renewed after %v: there is no jitter", delays)
	}
}

// Any number of concurrent callers share one exchange.
func TestJWTSourceAsksOnce(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, source := registered(t, srv, srv.Member)
	var told []plexauth.Secret
	source.OnToken = func(token plexauth.Secret) { told = append(told, token) }
	srv.InjectFault(plexauthtest.Fault{Path: "/api/v2/auth/nonce", Delay: 20 * time.Millisecond})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.TokenDetails(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := exchanges(srv); n != 1 {
		t.Errorf("%d exchanges", n)
	}
	if token, err := source.Token(t.Context()); err != nil || !slices.Equal(told, []plexauth.Secret{token}) {
		t.Errorf("OnToken was called %d times, %v", len(told), err)
	}
}

// During an outage, the JWT that is there is used until it expires.
func TestJWTSourceOutlivesAnOutage(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	base, source := registered(t, srv, srv.Member)
	synctest.Test(t, func(t *testing.T) {
		s := &plexauth.JWTSource{Client: inBubble(base), Key: source.Key}
		first, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.InjectFault(plexauthtest.Fault{Path: "/api/v2/auth/nonce", Status: 503})
		wait(srv, 6*24*time.Hour)
		asked := len(srv.Requests())
		for range 10 {
			if token, err := s.Token(t.Context()); err != nil || token != first {
				t.Fatalf("during the outage: %v", err)
			}
		}
		if n := len(srv.Requests()) - asked; n != 1 {
			t.Errorf("%d requests within five seconds of an outage", n)
		}
		wait(srv, 24*time.Hour)
		if _, err := s.Token(t.Context()); !errors.Is(err, plexauth.ErrServer) {
			t.Errorf("after the JWT expired: %v", err)
		}
	})
}

// A stored JWT is used immediately.
func TestJWTSourceSet(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, source := registered(t, srv, srv.Member)
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := &plexauth.JWTSource{Client: c, Key: source.Key}
	again.Set("no JWT")
	again.Set(token)
	if got, err := again.Token(t.Context()); err != nil || got != token || exchanges(srv) != 1 {
		t.Errorf("%v, %d exchanges", err, exchanges(srv))
	}
}

func TestPINWithAKey(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, key := srv.AnonymousClient(), newDeviceKey(t)
	pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{Strong: true, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Client(srv.Member).LinkPIN(t.Context(), pin.Code); err != nil {
		t.Fatal(err)
	}
	checked, err := c.CheckPIN(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.WaitPIN(t.Context(), pin)
	if err != nil || token != checked.AuthToken || strings.Count(string(token), ".") != 2 {
		t.Fatalf("the token of the PIN is not a JWT: %v", err)
	}
	source := &plexauth.JWTSource{Client: c, Key: key}
	source.Set(token)
	c.Token = source
	if a, err := c.TokenDetails(t.Context()); err != nil || a.Username != srv.Member.Username {
		t.Errorf("%v", err)
	}
}

func TestRotate(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, source := registered(t, srv, srv.Member)
	if _, err := c.TokenDetails(t.Context()); err != nil {
		t.Fatal(err)
	}
	old, next, path := source.Key, newDeviceKey(t), filepath.Join(t.TempDir(), "key")
	stop := errors.New("the disk is full")
	if err := source.Rotate(t.Context(), next, func(*plexauth.DeviceKey) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a failed save: %v", err)
	}
	if _, err := c.TokenDetails(t.Context()); err != nil || source.Key != old {
		t.Errorf("after a failed save: %v", err)
	}
	if err := source.Rotate(t.Context(), next, func(k *plexauth.DeviceKey) error { return k.Save(path) }); err != nil {
		t.Fatal(err)
	}
	stored, err := plexauth.LoadDeviceKey(path)
	if err != nil || stored.ID() != next.ID() {
		t.Errorf("the stored key: %v", err)
	}
	if _, err := c.TokenDetails(t.Context()); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	if _, err := c.ExchangeJWT(t.Context(), old); !errors.Is(err, plexauth.ErrBadRequest) {
		t.Errorf("with the old key: %v", err)
	}
}

// storedKeys returns the keys that have signed a JWT as they are stored.
func storedKeys(t testing.TB, srv *plexauthtest.Server, token plexauth.Secret) *plexauth.JWKS {
	t.Helper()
	keys := &plexauth.JWKS{Client: srv.AnonymousClient()}
	if _, err := plexauth.VerifyJWT(t.Context(), token, keys, ""); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	keys = new(plexauth.JWKS)
	if err := json.Unmarshal(text, keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestVerifyJWT(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, source := registered(t, srv, srv.Member)
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys, now := storedKeys(t, srv, token), time.Now()
	j, err := plexauth.VerifyJWT(t.Context(), token, keys, c.ClientIdentifier)
	if err != nil {
		t.Fatal(err)
	}
	if j.Username != srv.Member.Username || j.Email == "" || j.FriendlyName != "" || j.UserID == 0 || j.UserUUID == "" ||
		j.Thumbprint != source.Key.ID() || j.ExpiresAt.Sub(j.IssuedAt) != 7*24*time.Hour || !slices.Contains(j.Audience, "plex.tv") {
		t.Errorf("%+v", j)
	}
	if _, err := plexauth.VerifyJWT(t.Context(), token, keys, ""); err != nil {
		t.Errorf("for plex.tv: %v", err)
	}

	public, private, _ := ed25519.GenerateKey(nil)
	encode := base64.RawURLEncoding.EncodeToString
	sign := func(key ed25519.PrivateKey, header, claims string) plexauth.Secret {
		signed := encode([]byte(header)) + "." + encode([]byte(claims))
		return plexauth.Secret(signed + "." + encode(ed25519.Sign(key, []byte(signed))))
	}
	own := func(kid string) *plexauth.JWKS {
		t.Helper()
		set := new(plexauth.JWKS)
		other := encode(make([]byte, ed25519.PublicKeySize))
		text := fmt.Sprintf(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":%q,"kid":%q},{"kty":"OKP","crv":"Ed25519","x":%q,"kid":"k"}]}`,
			encode(public), kid, other)
		if err := json.Unmarshal([]byte(text), set); err != nil {
			t.Fatal(err)
		}
		return set
	}
	const header = `{"alg":"EdDSA","kid":"k","typ":"JWT"}`
	times := func(from, to int64) string {
		return fmt.Sprintf(`{"iss":"plex.tv","aud":["plex.tv"],"iat":%d,"exp":%d}`, now.Unix()+from, now.Unix()+to)
	}
	good := times(0, 100)
	// Another key than the named one signed it, as happens while keys change.
	if _, err := plexauth.VerifyJWT(t.Context(), sign(private, header, good), own("other"), ""); err != nil {
		t.Errorf("signed by another key of the set: %v", err)
	}
	parts := strings.Split(string(token), ".")
	for name, test := range map[string]struct {
		token    plexauth.Secret
		keys     *plexauth.JWKS
		audience string
		want     error
	}{
		"no JWT":                 {"abcdefghij0123456789", keys, "", plexauth.ErrUnauthorized},
		"nothing":                {"", keys, "", plexauth.ErrUnauthorized},
		"another audience":       {token, keys, "another", plexauth.ErrUnauthorized},
		"expired":                {sign(private, header, times(-200, -100)), own("k"), "", plexauth.ErrTokenExpired},
		"from the future":        {sign(private, header, times(3600, 7200)), own("k"), "", plexauth.ErrUnauthorized},
		"no keys":                {token, new(plexauth.JWKS), "", plexauth.ErrUnauthorized},
		"keys of another":        {token, own("k"), "", plexauth.ErrUnauthorized},
		"without a signature":    {plexauth.Secret(parts[0] + "." + parts[1] + "."), keys, "", plexauth.ErrUnauthorized},
		"alg none":               {sign(private, `{"alg":"none","kid":"k"}`, good), own("k"), "", plexauth.ErrUnauthorized},
		"alg HS256":              {sign(private, `{"alg":"HS256","kid":"k"}`, good), own("k"), "", plexauth.ErrUnauthorized},
		"a critical extension":   {sign(private, `{"alg":"EdDSA","kid":"k","crit":["b64"]}`, good), own("k"), "", plexauth.ErrUnauthorized},
		"another last character": {otherBits(token), keys, "", plexauth.ErrUnauthorized},
		"a line break":           {token[:len(token)-4] + "\n" + token[len(token)-4:], keys, "", plexauth.ErrUnauthorized},
		"padding":                {token + "==", keys, "", plexauth.ErrUnauthorized},
		"an unencoded payload":   {sign(private, `{"alg":"EdDSA","kid":"k","b64":false,"crit":["b64"]}`, good), own("k"), "", plexauth.ErrUnauthorized},
		"times as texts":         {sign(private, header, `{"iss":"plex.tv","aud":"plex.tv","exp":"9999999999"}`), own("k"), "", plexauth.ErrUnauthorized},
		"another issuer":         {sign(private, header, `{"iss":"evil","aud":"plex.tv","exp":9999999999}`), own("k"), "", plexauth.ErrUnauthorized},
		"good in an hour":        {sign(private, header, strings.Replace(good, "{", fmt.Sprintf(`{"nbf":%d,`, now.Unix()+3600), 1)), own("k"), "", plexauth.ErrUnauthorized},
		"no expiry":              {sign(private, header, `{"iss":"plex.tv","aud":"plex.tv"}`), own("k"), "", plexauth.ErrTokenExpired},
		"an endless expiry":      {sign(private, header, `{"iss":"plex.tv","aud":"plex.tv","exp":1e300}`), own("k"), "", plexauth.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := plexauth.VerifyJWT(t.Context(), test.token, test.keys, test.audience)
			if j != nil || !errors.Is(err, test.want) {
				t.Errorf("%+v, %v; want %v", j, err, test.want)
			}
			if err != nil && test.token != "" && strings.Contains(err.Error(), string(test.token)) {
				t.Errorf("the error has the JWT in it: %v", err)
			}
		})
	}
}

// otherBits returns a JWT with a different last character, which a lenient decoder reads as
// the same signature.
func otherBits(jwt plexauth.Secret) plexauth.Secret {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(jwt) - 1
	return jwt[:last] + plexauth.Secret(alphabet[strings.IndexByte(alphabet, jwt[last])^1])
}

// The keys are requested when they are needed, an unknown signer causes no flood
// of requests, and an outage causes no rejections.
func TestJWKS(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c, source := registered(t, srv, srv.Member)
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	asked := func() (n int) {
		for _, r := range srv.Requests() {
			if r.Path == "/api/v2/auth/keys" {
				n++
			}
		}
		return n
	}
	keys := &plexauth.JWKS{Client: srv.AnonymousClient()}
	for range 3 {
		if _, err := plexauth.VerifyJWT(t.Context(), token, keys, c.ClientIdentifier); err != nil {
			t.Fatal(err)
		}
	}
	other := plexauthtest.New(t, plexauthtest.Config{})
	_, elsewhere := registered(t, other, other.Member)
	foreign, err := elsewhere.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := plexauth.VerifyJWT(t.Context(), foreign, keys, ""); !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("a JWT of another server: %v", err)
		}
	}
	if n := asked(); n != 1 {
		t.Errorf("the keys were requested %d times", n)
	}
	nowhere := &plexauth.Client{ClientIdentifier: "x", AccountURL: "http://127.0.0.1:1"}
	if _, err := plexauth.VerifyJWT(t.Context(), token, &plexauth.JWKS{Client: nowhere}, ""); !errors.Is(err, plexauth.ErrUnreachable) {
		t.Errorf("without keys, during an outage: %v", err)
	}
	stored := storedKeys(t, srv, token)
	stored.Client = nowhere
	if _, err := plexauth.VerifyJWT(t.Context(), token, stored, ""); err != nil {
		t.Errorf("with stored keys, during an outage: %v", err)
	}
}

// Keys that are a day old are requested again, and so are keys of which none has
// signed a JWT, once a minute while that fails.
func TestJWKSRefreshes(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	base, source := registered(t, srv, srv.Member)
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(storedKeys(t, srv, token))
	if err != nil {
		t.Fatal(err)
	}
	srv.InjectFault(plexauthtest.Fault{Path: "/api/v2/auth/keys", Status: 502})
	synctest.Test(t, func(t *testing.T) {
		keys := &plexauth.JWKS{Client: inBubble(base)}
		if err := json.Unmarshal(text, keys); err != nil {
			t.Fatal(err)
		}
		forged := token[:len(token)-20] + "AAAAAAAAAAAAAAAAAAAA"
		for _, step := range []struct {
			wait  time.Duration
			token plexauth.Secret
			want  int // requests
		}{
			{0, token, 0}, {23 * time.Hour, token, 0}, {time.Hour, token, 1}, {30 * time.Second, token, 0}, {time.Minute, token, 1},
			{time.Second, forged, 0}, {time.Minute, forged, 1},
		} {
			time.Sleep(step.wait)
			before := len(srv.Requests())
			for range 3 { // this clock shows the year 2000
				if _, err := plexauth.VerifyJWT(t.Context(), step.token, keys, ""); !errors.Is(err, plexauth.ErrUnauthorized) {
					t.Errorf("%v", err)
				}
			}
			if n := len(srv.Requests()) - before; n != step.want {
				t.Errorf("after %v: %d requests, want %d", step.wait, n, step.want)
			}
		}
	})
}

// An account plane that hangs delays only those who need new keys. Attack: a JWT without a
// valid signature makes the program request keys, and all others wait.
func TestJWKSDelaysNobody(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	_, source := registered(t, srv, srv.Member)
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(storedKeys(t, srv, token))
	if err != nil {
		t.Fatal(err)
	}
	forged := token[:len(token)-20] + "AAAAAAAAAAAAAAAAAAAA"
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		c := &plexauth.Client{ClientIdentifier: "test", Timeout: -1, HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}
		keys := &plexauth.JWKS{Client: c}
		if err := json.Unmarshal(text, keys); err != nil {
			t.Fatal(err)
		}
		verify := func(ctx context.Context, token plexauth.Secret, keys *plexauth.JWKS) (time.Duration, error) {
			start := time.Now()
			_, err := plexauth.VerifyJWT(ctx, token, keys, "")
			return time.Since(start), err
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if took, err := verify(t.Context(), forged, keys); took != 30*time.Second || !errors.Is(err, plexauth.ErrUnauthorized) {
					t.Errorf("the forged one is rejected after %v: %v", took, err)
				}
			})
		}
		synctest.Wait()
		// The clock of the bubble shows the year 2000: the signature is good, and the
		// JWT is from the future.
		if took, err := verify(t.Context(), token, keys); took != 0 || !errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("a good one is verified after %v: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if took, err := verify(ctx, forged, keys); took != time.Second || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, plexauth.ErrUnauthorized) {
			t.Errorf("a caller with a deadline of one second gets an error after %v: %v", took, err)
		}
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("the keys were requested %d times", n)
		}

		time.Sleep(25 * time.Hour) // the keys are old, but good
		if took, _ := verify(t.Context(), token, keys); took > time.Second {
			t.Errorf("with keys of yesterday, it takes %v", took)
		}

		// Without keys, one request is in flight, and each waits no longer than it wants.
		none := &plexauth.JWKS{Client: c}
		asked.Store(0)
		for range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if took, err := verify(ctx, token, none); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("without keys: after %v %v", took, err)
				}
				if took, err := verify(t.Context(), "a.b.c", none); took != 0 || !errors.Is(err, plexauth.ErrUnauthorized) {
					t.Errorf("without keys, a text that is not a JWT is rejected after %v: %v", took, err)
				}
			})
		}
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("the keys were requested %d times", n)
		}
		time.Sleep(time.Minute) // until the request has ended
	})
}

// unsigned is a JWT that only a server can read: a source does not verify.
func unsigned(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"EdDSA"}`)) + "." + encode([]byte(claims)) + ".AAAA"
}

// A JWT with an unknown lifetime is neither used forever nor exchanged at every call.
func TestJWTSourceWithOddLives(t *testing.T) {
	key := newDeviceKey(t)
	for name, test := range map[string]struct {
		claims string // with %d for the time of the server
		life   time.Duration
	}{
		"the usual":                  {`{"iat":%d,"exp":%d}`, 7 * 24 * time.Hour},
		"it does not say since when": {`{"nbf":%d,"exp":%d}`, 7 * 24 * time.Hour},
		"it does not say how long":   {`{"iat":%d,"x":%d}`, 0},
		"nothing is left of it":      {`{"exp":%d,"iat":%d}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exchanged := 0
				c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					now := time.Now().Add(20 * 365 * 24 * time.Hour)
					date := now.UTC().Format(http.TimeFormat)
					if r.Method == http.MethodGet {
						return answer(200, `{"nonce":"n"}`, "Date", date), nil
					}
					exchanged++
					return answer(200, `{"auth_token":"`+unsigned(fmt.Sprintf(test.claims, now.Unix(), now.Add(7*24*time.Hour).Unix()))+`"}`, "Date", date), nil
				})}}
				s := &plexauth.JWTSource{Client: c, Key: key}
				if test.life == 0 {
					if token, err := s.Token(t.Context()); token != "" || err == nil {
						t.Errorf("it is taken: %v", err)
					}
					return
				}
				for _, step := range []struct {
					wait time.Duration
					want int
				}{{0, 1}, {test.life * 69 / 100, 1}, {test.life * 7 / 100, 2}} {
					time.Sleep(step.wait)
					if _, err := s.Token(t.Context()); err != nil || exchanged != step.want {
						t.Errorf("after %v more: %d exchanges, %v; want %d", step.wait, exchanged, err, step.want)
					}
				}
			})
		})
	}
}

// Calls of OnToken do not overlap, even if one takes long and its JWT is rejected in the
// meantime.
func TestOnTokenDoesNotOverlap(t *testing.T) {
	key := newDeviceKey(t)
	synctest.Test(t, func(t *testing.T) {
		exchanged, calls, most := 0, 0, 0
		c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/api/v2/auth/nonce":
				return answer(200, `{"nonce":"n"}`), nil
			case "/api/v2/auth/token":
				exchanged++
				now := time.Now().Unix()
				return answer(200, `{"auth_token":"`+unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d,"nonce":"%d"}`, now, now+1000, exchanged))+`"}`), nil
			}
			return answer(401, ""), nil
		})}}
		s := &plexauth.JWTSource{Client: c, Key: key, OnToken: func(plexauth.Secret) {
			calls++
			most = max(most, calls)
			time.Sleep(time.Second)
			calls--
		}}
		c.Token = s
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { _, _ = c.TokenDetails(t.Context()) })
			synctest.Wait()
		}
		wg.Wait()
		if exchanged < 2 || most != 1 {
			t.Errorf("after %d exchanges, %d calls overlapped", exchanged, most)
		}
	})
}
