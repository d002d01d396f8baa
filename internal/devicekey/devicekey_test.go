package devicekey_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// address is the network address of mia's devices.
const address = "192.0.2.1"

// fixture has the services with one account, whose tv has a token and a key.
type fixture struct {
	*coretest.Core
	t   *testing.T
	mia account.Account
	tv  *devicekeytest.Key
}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	c := coretest.New(t, cfg)
	return &fixture{c, t, c.Add("mia"), devicekeytest.New(t, "tv", 1)}
}

func (w *fixture) by() audit.Actor { return audit.Actor{AccountID: w.mia.ID, Address: address} }

// signIn issues a token for a device of mia.
func (w *fixture) signIn(client string) (plexauth.Secret, token.Principal) {
	w.t.Helper()
	tok := w.Token(w.mia, client)
	return tok, w.verify(tok)
}

func (w *fixture) verify(tok plexauth.Secret) token.Principal {
	w.t.Helper()
	p, err := w.Tokens.Verify(w.t.Context(), tok)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *fixture) register(p token.Principal, key *devicekeytest.Key, proof string) error {
	w.t.Helper()
	return w.DeviceKeys.Register(w.t.Context(), w.by(), p, key.Public, proof)
}

func (w *fixture) nonce(client string) string {
	w.t.Helper()
	nonce, err := w.DeviceKeys.Nonce(client, address)
	if err != nil {
		w.t.Fatal(err)
	}
	return nonce
}

func (w *fixture) exchange(text string) (plexauth.Secret, error) {
	w.t.Helper()
	return w.DeviceKeys.Exchange(w.t.Context(), w.by(), text)
}

// registered returns a fixture after the tv has registered its key.
func registered(t *testing.T) *fixture {
	t.Helper()
	w := newFixture(t, core.Config{})
	_, p := w.signIn("tv")
	if err := w.register(p, w.tv, ""); err != nil {
		t.Fatal(err)
	}
	return w
}

// says reports whether an error is the wanted one or contains its text.
func says(err error, want any) bool {
	switch want := want.(type) {
	case nil:
		return err == nil
	case error:
		return errors.Is(err, want)
	case string:
		return fault.KindOf(err) == fault.Invalid && strings.Contains(err.Error(), want)
	}
	return false
}

// A device's JWT is exchanged only if every part of it is valid.
func TestExchangeChecks(t *testing.T) {
	w := registered(t)
	phone := devicekeytest.New(t, "phone", 2)
	old := w.nonce("tv")
	w.Clock.Advance(4*time.Minute + 59*time.Second)
	late := w.nonce("tv")
	now := w.Clock.Now().Unix()
	for _, test := range []struct {
		name   string
		header map[string]any // instead of those of a good one; nil: absent
		claims map[string]any
		key    *devicekeytest.Key // nil: the tv's
		want   any
	}{
		{name: "a good one"},
		{name: "another case of typ", header: map[string]any{"typ": "jwt"}},
		{name: "no typ", header: map[string]any{"typ": nil}},
		{name: "another typ", header: map[string]any{"typ": "JOSE"}, want: "typ is not JWT"},
		{name: "a typ that is not a string", header: map[string]any{"typ": 1}, want: "typ is not JWT"},
		{name: "no kid", header: map[string]any{"kid": nil}, want: "no kid"},
		{name: "an unknown kid", header: map[string]any{"kid": "key-9"}, want: devicekey.ErrUnknownKey},
		{name: "Attack: a header that points to a key", header: map[string]any{"jku": "https://example.org"}, want: "brings a key"},
		{name: "Attack: a header that brings a key", header: map[string]any{"jwk": json.RawMessage(phone.Public.JWK)}, want: "brings a key"},
		{name: "Attack: no signature", header: map[string]any{"alg": "none"}, want: "alg is neither"},
		{name: "Attack: the public key as a secret", header: map[string]any{"alg": "HS256"}, want: "alg is neither"},
		{name: "another algorithm than the key's", header: map[string]any{"alg": "RS256"}, want: "alg is neither"},
		{name: "Attack: signed with another key", key: phone, want: devicekey.ErrSignature},
		{name: "another device", claims: map[string]any{"iss": "phone"}, want: devicekey.ErrIssuer},
		{name: "another service", claims: map[string]any{"aud": "example.org"}, want: "aud is not plex.tv"},
		{name: "no service", claims: map[string]any{"aud": nil}, want: "aud is not plex.tv"},
		{name: "two services", claims: map[string]any{"aud": []string{"example.org", "plex.tv"}}},
		{name: "a service that is not a string", claims: map[string]any{"aud": 1}, want: "claims cannot be read"},
		{name: "claims that are no object", claims: map[string]any{"iat": "now"}, want: "claims cannot be read"},
		{name: "a clock five minutes ahead", claims: map[string]any{"iat": now + 300}},
		{name: "a clock further ahead", claims: map[string]any{"iat": now + 301}, want: "not valid yet"},
		{name: "good in five minutes", claims: map[string]any{"nbf": now + 300}},
		{name: "good after them", claims: map[string]any{"nbf": now + 301}, want: "not valid yet"},
		{name: "no times", claims: map[string]any{"iat": nil, "exp": nil}},
		{name: "one second is left", claims: map[string]any{"exp": now + 1}},
		{name: "none is left", claims: map[string]any{"exp": now}, want: devicekey.ErrExpired},
		{name: "known scopes", claims: map[string]any{"scope": "username, email,,joinedAt"}},
		{name: "an unknown scope", claims: map[string]any{"scope": "username,password"}, want: "scope has an unknown name"},
		{name: "no nonce", claims: map[string]any{"nonce": nil}, want: "nonce is missing"},
		{name: "a nonce of five minutes ago less a second", claims: map[string]any{"nonce": old}},
		{name: "Attack: the same nonce again", claims: map[string]any{"nonce": old}, want: devicekey.ErrNonceUsed},
		{name: "another client's nonce", claims: map[string]any{"nonce": w.nonce("phone")}, want: devicekey.ErrNonce},
		{name: "an invalid nonce", claims: map[string]any{"nonce": "xyz"}, want: devicekey.ErrNonce},
		{name: "a nonce that is too short", claims: map[string]any{"nonce": "00000000-0000-0000-0000-0000000000"}, want: devicekey.ErrNonce},
		{name: "a nonce with a changed time", claims: map[string]any{"nonce": "f" + late[1:]}, want: devicekey.ErrNonce},
	} {
		header := map[string]any{"alg": "EdDSA", "kid": w.tv.Public.ID, "typ": "JWT"}
		claims := map[string]any{"iss": "tv", "aud": "plex.tv", "iat": now, "exp": now + 300}
		if _, given := test.claims["nonce"]; !given {
			claims["nonce"] = w.nonce("tv")
		}
		for from, to := range map[*map[string]any]map[string]any{&test.header: header, &test.claims: claims} {
			maps.Copy(to, *from)
			maps.DeleteFunc(to, func(_ string, v any) bool { return v == nil })
		}
		key := w.tv
		if test.key != nil {
			key = test.key
		}
		jwt, err := w.exchange(key.SignClaims(t, header, claims))
		if !says(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
		if err != nil {
			continue
		}
		if p := w.verify(jwt); p.Kind != token.JWT || p.AccountID != w.mia.ID || !p.ActsForAccount() {
			t.Errorf("%s: the JWT is good for %+v", test.name, p)
		}
	}
	w.Clock.Advance(5 * time.Minute)
	if _, err := w.exchange(w.tv.Sign(t, late, w.Clock.Now())); !errors.Is(err, devicekey.ErrNonce) {
		t.Errorf("a nonce of five minutes ago: %v, want ErrNonce", err)
	}
	for _, text := range []string{"", "a.b.c", w.tv.Sign(t, w.nonce("tv"), w.Clock.Now()) + "x.y"} {
		if _, err := w.exchange(text); !says(err, "not a signed JWT") {
			t.Errorf("%q: %v, want the error that it is not a JWT", text, err)
		}
	}
}

// A JWT has the claims about its user that the scopes select, and always the user's
// identity.
func TestScopesOfAJWT(t *testing.T) {
	w := registered(t)
	claims := map[string]any{"iss": "tv", "aud": "plex.tv", "nonce": w.nonce("tv"), "scope": "username,friendly_name,restricted,anonymous,joinedAt"}
	jwt, err := w.exchange(w.tv.SignClaims(t, map[string]any{"alg": "EdDSA", "kid": w.tv.Public.ID}, claims))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(jwt), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Nonce string         `json:"nonce"`
		User  map[string]any `json:"user"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": float64(w.mia.ID), "uuid": w.mia.UUID, "username": "mia", "friendly_name": w.mia.Title,
		"restricted": false, "anonymous": false, "joinedAt": float64(w.mia.CreatedAt.Unix()),
	}
	if !maps.Equal(said.User, want) || said.Nonce != claims["nonce"] {
		t.Errorf("the JWT says %v with the nonce %q; want %v with %q", said.User, said.Nonce, want, claims["nonce"])
	}
}

// Which keys a device may register, and which proof that requires.
func TestRegister(t *testing.T) {
	w := registered(t)
	jwt := func() token.Principal {
		text, err := w.exchange(w.tv.Sign(t, w.nonce("tv"), w.Clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
		return w.verify(text)
	}()
	proof := func(key *devicekeytest.Key, client string) string { return key.Sign(t, w.nonce(client), w.Clock.Now()) }
	_, phone := w.signIn("phone")
	next, third := devicekeytest.New(t, "tv", 3), devicekeytest.New(t, "tv", 4)
	renamed := *w.tv // another key by the name of the tv's
	renamed.Public.JWK, renamed.Public.Thumbprint = third.Public.JWK, third.Public.Thumbprint
	used := w.nonce("tv")
	if _, err := w.exchange(w.tv.Sign(t, used, w.Clock.Now())); err != nil {
		t.Fatal(err)
	}
	_, again := w.signIn("tv")
	for _, test := range []struct {
		name  string
		by    token.Principal
		key   *devicekeytest.Key
		proof string
		want  any
	}{
		{"Attack: another device's token", phone, w.tv, "", devicekey.ErrTaken},
		{"Attack: another key by the name of another device's", phone, &renamed, "", devicekey.ErrTaken},
		{"the JWT of the key itself", jwt, w.tv, "", nil},
		{"another key by its name", jwt, &renamed, proof(w.tv, "tv"), devicekey.ErrTaken},
		{"Attack: a stolen JWT alone", jwt, next, "", devicekey.ErrNeedsProof},
		{"Attack: a proof by the new key", jwt, next, proof(next, "tv"), devicekey.ErrUnknownKey},
		{"Attack: a proof that was used", jwt, next, w.tv.Sign(t, used, w.Clock.Now()), devicekey.ErrNonceUsed},
		{"a proof without a nonce", jwt, next, w.tv.Sign(t, "", w.Clock.Now()), "nonce is missing"},
		{"a proof for another client", jwt, next, proof(w.tv, "phone"), devicekey.ErrNonce},
		{"a proof that is not a JWT", jwt, next, "x", "not a signed JWT"},
		{"a proof that is too old", jwt, next, w.tv.Sign(t, w.nonce("tv"), w.Clock.Now().Add(-300*time.Second)), devicekey.ErrExpired},
		{"the present key's proof", jwt, next, proof(w.tv, "tv"), nil},
		{"the same key once more", jwt, next, proof(w.tv, "tv"), nil},
		{"another token of the device", again, w.tv, "", nil},
	} {
		before := w.rows()
		err := w.register(test.by, test.key, test.proof)
		if !says(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if n := w.rows(); err != nil && n != before {
			t.Errorf("%s: there are %d keys, and were %d", test.name, n, before)
		}
	}
	// A key that the device registers later replaces that token.
	if _, err := w.exchange(proof(w.tv, "tv")); err != nil {
		t.Errorf("exchanging the key that was registered again: %v", err)
	}
	if _, err := w.Tokens.Get(t.Context(), again.TokenID); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("the token that registered it: %v, want ErrNotFound", err)
	}
}

// Nonces are as random as their source of randomness.
func TestNonceIsRandom(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	draw := func(random io.Reader) string {
		keys := devicekey.New(devicekey.Config{Key: seal.NewKey([32]byte{1}), Random: random, Now: func() time.Time { return now }})
		nonce, err := keys.Nonce("tv", address)
		if err != nil {
			t.Fatal(err)
		}
		return nonce
	}
	zeros := func() io.Reader { return bytes.NewReader(make([]byte, 64)) }
	if a, b := draw(zeros()), draw(zeros()); a != b {
		t.Errorf("the nonces %q and %q of the same bits differ", a, b)
	}
	if a, b := draw(nil), draw(nil); a == b {
		t.Errorf("two nonces at once are both %q", a)
	}
}

// rows counts the keys.
func (w *fixture) rows() (n int) {
	w.t.Helper()
	if err := w.DB.QueryRow(w.t.Context(), "SELECT COUNT(*) FROM device_key").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// The first JWT revokes the tokens that the device had, and the key stays valid. Both
// are recorded.
func TestKeySucceedsTokens(t *testing.T) {
	w := newFixture(t, core.Config{})
	first, p := w.signIn("tv")
	second, _ := w.signIn("tv")
	other, _ := w.signIn("phone")
	for range 2 { // once more changes nothing
		if err := w.register(p, w.tv, ""); err != nil || w.rows() != 1 {
			t.Fatalf("registering: %v, with %d keys", err, w.rows())
		}
	}
	for range 2 {
		if _, err := w.exchange(w.tv.Sign(t, w.nonce("tv"), w.Clock.Now())); err != nil {
			t.Fatal(err)
		}
	}
	var replaces int64
	if err := w.DB.QueryRow(t.Context(), "SELECT COALESCE(replaces_id, 0) FROM device_key").Scan(&replaces); err != nil || replaces != 0 {
		t.Errorf("the key still replaces token %d, %v", replaces, err)
	}
	for tok, want := range map[plexauth.Secret]error{first: token.ErrInvalid, second: token.ErrInvalid, other: nil} {
		if _, err := w.Tokens.Verify(t.Context(), tok); !errors.Is(err, want) {
			t.Errorf("a token of before: %v, want %v", err, want)
		}
	}
	log, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.DeviceKeyAdded, audit.JWTIssued}, OldestFirst: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range log {
		got = append(got, fmt.Sprint(e.Event, " ", e.AccountID == w.mia.ID, ": ", e.Detail))
	}
	key := w.keyID()
	want := []string{
		fmt.Sprintf("%s true: token %d of device %d", audit.DeviceKeyAdded, key, p.DeviceID),
		fmt.Sprintf("%s true: for device key %d, in place of 2 tokens", audit.JWTIssued, key),
		fmt.Sprintf("%s true: for device key %d", audit.JWTIssued, key),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// keyID returns the token row of the only key.
func (w *fixture) keyID() (id int64) {
	w.t.Helper()
	if err := w.DB.QueryRow(w.t.Context(), "SELECT token_id FROM device_key").Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// A key becomes invalid with its account, with its row and with the token that
// registered it.
func TestKeyInvalidation(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(w *fixture, p token.Principal) error
		want error
	}{
		{"nothing ends it", func(*fixture, token.Principal) error { return nil }, nil},
		{"the token before the first JWT", func(w *fixture, p token.Principal) error {
			return w.Tokens.Revoke(t.Context(), w.by(), p.TokenID)
		}, devicekey.ErrUnknownKey},
		{"the key", func(w *fixture, _ token.Principal) error {
			return w.Tokens.Revoke(t.Context(), w.by(), w.keyID())
		}, devicekey.ErrUnknownKey},
		{"the account is disabled", func(w *fixture, _ token.Principal) error {
			return w.Accounts.Disable(t.Context(), w.by(), w.mia.ID)
		}, token.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			_, p := w.signIn("tv")
			if err := w.register(p, w.tv, ""); err != nil {
				t.Fatal(err)
			}
			if err := test.end(w, p); err != nil {
				t.Fatal(err)
			}
			if _, err := w.exchange(w.tv.Sign(t, w.nonce("tv"), w.Clock.Now())); !errors.Is(err, test.want) {
				t.Errorf("then the exchange returned %v, want %v", err, test.want)
			}
		})
	}
}

// Nonces and invalid JWTs are limited by network. Valid JWTs are not.
func TestLimits(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 1})
	_, p := w.signIn("tv")
	if err := w.register(p, w.tv, ""); err != nil {
		t.Fatal(err)
	}
	tries := func(try func() error) (n int, err error) {
		for n = 0; n < 400 && fault.KindOf(err) != fault.Limited; n++ {
			err = try()
		}
		return n - 1, err
	}
	good := w.tv.Sign(t, w.nonce("tv"), w.Clock.Now())
	if _, err := w.exchange(good); err != nil {
		t.Fatal(err)
	}
	n, err := tries(func() error { _, err := w.exchange("x"); return err })
	if n != 300 || fault.WaitOf(err) != 200*time.Millisecond {
		t.Errorf("after %d bad JWTs: %v with a wait of %v, want 300 and 200ms", n, err, fault.WaitOf(err))
	}
	n, err = tries(func() error { _, err := w.DeviceKeys.Nonce("tv", address); return err })
	if n != 299 || fault.WaitOf(err) != 200*time.Millisecond { // one was drawn above
		t.Errorf("after %d nonces: %v with a wait of %v, want 299 and 200ms", n, err, fault.WaitOf(err))
	}
	if _, err := w.DeviceKeys.Nonce("tv", "198.51.100.1"); err != nil {
		t.Errorf("another network: %v", err)
	}
	unlimited := newFixture(t, core.Config{})
	if n, err := tries(func() error { _, err := unlimited.DeviceKeys.Nonce("tv", address); return err }); n != 399 || err != nil {
		t.Errorf("without a limit: %d nonces, %v", n, err)
	}
}

// A JWT for a PIN is accepted if the key of the PIN signed it. If another key signed
// it, the device gets an ordinary token.
func TestClaim(t *testing.T) {
	w := newFixture(t, core.Config{})
	other := devicekeytest.New(t, "tv", 2)
	now := w.Clock.Now()
	sign := func(key *devicekeytest.Key, kid, iss string) string {
		return key.SignClaims(t, map[string]any{"alg": "EdDSA", "kid": kid}, map[string]any{"iss": iss, "aud": "plex.tv", "exp": now.Unix() + 1})
	}
	for _, test := range []struct {
		name, text string
		jwk        []byte
		ok         bool
		want       any
	}{
		{"the key", sign(w.tv, "key-1", "tv"), w.tv.Public.JWK, true, nil},
		{"no key", sign(w.tv, "key-1", "tv"), nil, false, nil},
		{"a key that cannot be read", sign(w.tv, "key-1", "tv"), []byte("{}"), false, nil},
		{"another key", sign(other, "key-2", "tv"), w.tv.Public.JWK, false, nil},
		{"another key by the name of this one", sign(other, "key-1", "tv"), w.tv.Public.JWK, false, nil},
		{"this key by another name", sign(w.tv, "key-2", "tv"), w.tv.Public.JWK, false, nil},
		{"another client", sign(w.tv, "key-1", "phone"), w.tv.Public.JWK, false, devicekey.ErrIssuer},
		{"no JWT", "x", w.tv.Public.JWK, false, "not a signed JWT"},
	} {
		if _, ok, err := w.DeviceKeys.Claim(test.jwk, "tv", test.text); ok != test.ok || !says(err, test.want) {
			t.Errorf("%s: %v, %v; want %v, %v", test.name, ok, err, test.ok, test.want)
		}
	}
}

// exchangePIN registers the key of a claim for its device.
func (w *fixture) exchangePIN(c devicekey.Claim, p token.Principal) (h token.Hash, err error) {
	w.t.Helper()
	err = w.DB.Write(w.t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		h, err = w.DeviceKeys.ExchangePIN(ctx, tx, w.by(), c, p)
		return err
	})
	return h, err
}

// The key of a PIN replaces the token of the PIN. Each poll returns the same JWT, until
// the key is revoked.
func TestExchangePIN(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok, p := w.signIn("tv")
	claim, ok, err := w.DeviceKeys.Claim(w.tv.Public.JWK, "tv", w.tv.Sign(t, "", w.Clock.Now()))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	h, err := w.exchangePIN(claim, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Tokens.Verify(t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("the token that the PIN led to: %v, want ErrInvalid", err)
	}
	first, err := w.DeviceKeys.OfPIN(t.Context(), claim, h)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.DeviceKeys.OfPIN(t.Context(), claim, h)
	if err != nil || first != second || w.verify(first).AccountID != w.mia.ID {
		t.Errorf("another poll returned %q, %v; want %q", second, err, first)
	}
	if _, err := w.DeviceKeys.OfPIN(t.Context(), claim, token.Hash{1}); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("Attack: another PIN with the same key returned %v, want ErrInvalid", err)
	}
	_, phone := w.signIn("phone")
	if _, err := w.exchangePIN(claim, phone); !errors.Is(err, devicekey.ErrTaken) {
		t.Errorf("the key of another device returned %v, want ErrTaken", err)
	}
	if err := w.Tokens.Revoke(t.Context(), w.by(), w.keyID()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeviceKeys.OfPIN(t.Context(), claim, h); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a revoked key returned %v, want ErrInvalid", err)
	}
}

// A merged device keeps authenticating with its own identifier. If it signs in again,
// its key belongs to it again, but never to any other device.
func TestKeyOfAMergedDevice(t *testing.T) {
	w := registered(t)
	_, tablet := w.signIn("tablet")
	old, err := w.Devices.List(t.Context(), w.mia.ID, paging.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range old.Rows {
		if d.ID == tablet.DeviceID {
			continue
		}
		if _, err := w.Tokens.MergeDevices(t.Context(), w.by(), w.mia.ID, d.ID, tablet.DeviceID); err != nil {
			t.Fatal(err)
		}
	}
	jwt, err := w.exchange(w.tv.Sign(t, w.nonce("tv"), w.Clock.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if p := w.verify(jwt); p.DeviceID != tablet.DeviceID {
		t.Errorf("the JWT is device %d's, want %d", p.DeviceID, tablet.DeviceID)
	}
	_, other := w.signIn("phone")
	if err := w.register(other, w.tv, ""); !errors.Is(err, devicekey.ErrTaken) {
		t.Errorf("attack: another device takes the key: %v", err)
	}
	_, again := w.signIn("tv")
	if err := w.register(again, w.tv, ""); err != nil {
		t.Errorf("the device itself: %v", err)
	}
	if jwt, err := w.exchange(w.tv.Sign(t, w.nonce("tv"), w.Clock.Now())); err != nil {
		t.Error(err)
	} else if p := w.verify(jwt); p.DeviceID != again.DeviceID {
		t.Errorf("the JWT is device %d's, want %d", p.DeviceID, again.DeviceID)
	}
}
