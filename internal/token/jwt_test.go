package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// key adds a key to a principal's device, as a child of p's token.
func (w *fixture) key(t *testing.T, p token.Principal) (id int64, h token.Hash, err error) {
	t.Helper()
	err = w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		id, h, err = w.AddKey(ctx, tx, w.by(), p.AccountID, p.DeviceID, p.Parent())
		return err
	})
	return id, h, err
}

// succeed records that the key of a device has received its first JWT.
func (w *fixture) succeed(t *testing.T, keyID, deviceID, replacedID int64) (ended int) {
	t.Helper()
	err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		ended, err = w.Succeed(ctx, tx, keyID, deviceID, replacedID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

// child signs a device in with the token of a principal.
func (w *fixture) child(t *testing.T, of token.Principal, client string) plexauth.Secret {
	t.Helper()
	var tok plexauth.Secret
	err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		tok, _, err = w.AddNew(ctx, tx, w.by(), of.AccountID, of.Parent(), device.Device{ClientIdentifier: client})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (w *fixture) issueJWT(t *testing.T, n token.NewJWT) plexauth.Secret {
	t.Helper()
	n.Client, n.KID, n.ID, n.Nonce, n.User = "tv", "key-1", "id", "nonce", map[string]any{"id": w.mia.ID}
	if n.IssuedAt.IsZero() {
		n.IssuedAt = w.Clock.Now()
	}
	jwt, err := w.IssueJWT(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

// A JWT acts for the account of its key, until it or the key expires.
func TestJWT(t *testing.T) {
	for _, test := range []struct {
		name  string
		life  time.Duration // of the key; 0: it does not expire
		lasts time.Duration // the JWT
	}{
		{name: "a week", lasts: token.JWTLife},
		{name: "a key that outlives it", life: token.JWTLife + time.Hour, lasts: token.JWTLife},
		{name: "a key that does not", life: time.Hour, lasts: time.Hour},
	} {
		w := newFixture(t, core.Config{})
		p := w.verify(t, w.signIn(t, "tv"))
		id, h, err := w.key(t, p)
		if err != nil {
			t.Fatal(err)
		}
		n := token.NewJWT{Key: h}
		end := w.Clock.Now().Add(test.lasts)
		if test.life > 0 {
			n.KeyExpiresAt = w.Clock.Now().Add(test.life)
		}
		jwt := w.issueJWT(t, n)
		got := w.verify(t, jwt)
		if got.Kind != token.JWT || got.AccountID != w.mia.ID || got.DeviceID != p.DeviceID || got.TokenID != id || !got.ExpiresAt.Equal(end) {
			t.Errorf("%s: the JWT is good for %+v, want the key %d until %v", test.name, got, id, end)
		}
		w.Clock.Set(end.Add(-time.Second))
		w.verify(t, jwt)
		w.Clock.Set(end)
		if _, err := w.Verify(t.Context(), jwt); !errors.Is(err, token.ErrExpired) {
			t.Errorf("%s: at its expiry: %v, want ErrExpired", test.name, err)
		}
		w.Clock.Set(end.Add(-time.Second))
		if err := w.Revoke(t.Context(), w.by(), p.TokenID); err != nil {
			t.Fatal(err)
		}
		refused(t, w.Service, test.name+": the token that the key is a child of is revoked", jwt)
		if _, _, err := w.key(t, p); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s: a key by a revoked token: %v, want ErrInvalid", test.name, err)
		}
	}
}

// Attack: texts that look like a JWT, even like one that was verified before, and texts that
// the server has signed for another purpose.
func TestForgedJWT(t *testing.T) {
	w := newFixture(t, core.Config{})
	access := w.signIn(t, "tv")
	_, h, err := w.key(t, w.verify(t, access))
	if err != nil {
		t.Fatal(err)
	}
	good := w.issueJWT(t, token.NewJWT{Key: h})
	w.verify(t, good)
	parts := strings.Split(string(good), ".")
	other := strings.Split(string(w.issueJWT(t, token.NewJWT{Key: h, IssuedAt: w.Clock.Now().Add(time.Second)})), ".")
	signed := func(issuer, sid string) plexauth.Secret {
		text, err := w.Signing.Sign(t.Context(), map[string]any{
			"iss": issuer, "aud": []string{"plex.tv", "tv"}, "iat": w.Clock.Now().Unix(), "exp": w.Clock.Now().Unix() + 100, "sid": sid,
		})
		if err != nil {
			t.Fatal(err)
		}
		return plexauth.Secret(text)
	}
	encode := base64.RawURLEncoding.EncodeToString
	ofAccess := token.HashOf(access)
	for name, text := range map[string]plexauth.Secret{
		"the claims of another":             plexauth.Secret(parts[0] + "." + other[1] + "." + parts[2]),
		"the signature of another":          plexauth.Secret(parts[0] + "." + parts[1] + "." + other[2]),
		"half the signature of another":     plexauth.Secret(parts[0] + "." + parts[1] + "." + other[2][:len(other[2])/2] + parts[2][len(parts[2])/2:]),
		"no signature":                      plexauth.Secret(parts[0] + "." + parts[1] + "."),
		"a long text that begins like one":  plexauth.Secret("eyJ" + strings.Repeat("x", 97)),
		"a short text that begins like one": plexauth.Secret("eyJ" + strings.Repeat("x", 96)),
		"another issuer":                    signed("example.org", encode(h[:])),
		"no key":                            signed("plex.tv", ""),
		"a short key":                       signed("plex.tv", encode(h[:31])),
		"a key that is not base64":          signed("plex.tv", strings.Repeat("!", 43)),
		"an unknown key":                    signed("plex.tv", encode(make([]byte, 32))),
		"an access token in its place":      signed("plex.tv", encode(ofAccess[:])),
	} {
		refused(t, w.Service, "Attack: "+name, text)
	}
	w.verify(t, good)
	w.verify(t, signed("plex.tv", encode(h[:])))
	for text, want := range map[string]bool{
		"eyJ" + strings.Repeat("x", 97): true, "eyJ" + strings.Repeat("x", 96): false,
		"eyj" + strings.Repeat("x", 97): false, "eyJ": false, "": false,
	} {
		if got := token.IsJWT(plexauth.Secret(text)); got != want {
			t.Errorf("%q has the look of a JWT: %v, want %v", text, got, want)
		}
	}
}

// A key replaces the token that registered it: tokens that other devices got through
// it stay valid, and the parent of the token becomes the parent of the key.
func TestKeyReplacesItsToken(t *testing.T) {
	w := newFixture(t, core.Config{})
	phone := w.signIn(t, "phone")
	p := w.verify(t, phone)
	tv := w.child(t, p, "tv")
	tvs := w.verify(t, tv)
	second, guest := w.signIn(t, "tv"), w.child(t, tvs, "guest")
	id, h, err := w.key(t, tvs)
	if err != nil {
		t.Fatal(err)
	}
	jwt := w.issueJWT(t, token.NewJWT{Key: h})
	server, err := w.serverToken(t, tvs, w.den.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.succeed(t, id, tvs.DeviceID, tvs.TokenID); n < 2 {
		t.Errorf("the first JWT ended %d tokens, want the two of the device at least", n)
	}
	for what, tok := range map[string]plexauth.Secret{"the token that is replaced": tv, "another of the device": second, "one for a server": server} {
		refused(t, w.Service, what, tok)
	}
	for _, tok := range []plexauth.Secret{phone, guest, jwt} {
		w.verify(t, tok)
	}
	// It is replaced: the next time revokes only the tokens that the device has got since.
	third := w.signIn(t, "tv")
	if n := w.succeed(t, id, tvs.DeviceID, 0); n != 1 {
		t.Errorf("the second JWT ended %d tokens, want 1", n)
	}
	refused(t, w.Service, "a token that the device has got since", third)
	w.verify(t, guest)
	w.verify(t, jwt)
	if err := w.Revoke(t.Context(), w.by(), p.TokenID); err != nil {
		t.Fatal(err)
	}
	for what, tok := range map[string]plexauth.Secret{"the key": jwt, "what it led to": guest} {
		refused(t, w.Service, what+" of a tv that the phone has linked, after the phone is revoked", tok)
	}
}

// A key whose token came from a sign-in has no parent.
func TestKeyOfASignIn(t *testing.T) {
	w := newFixture(t, core.Config{})
	tv := w.signIn(t, "tv")
	p := w.verify(t, tv)
	id, h, err := w.key(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.succeed(t, id, p.DeviceID, p.TokenID); n != 1 {
		t.Errorf("the first JWT ended %d tokens, want 1", n)
	}
	refused(t, w.Service, "the token that is replaced", tv)
	jwt := w.issueJWT(t, token.NewJWT{Key: h})
	w.verify(t, jwt)
	if err := w.Revoke(t.Context(), w.by(), id); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Service, "a JWT of a key that is revoked", jwt)
}

// Attack: a device's key replaces a token that it is not revoked with, and stays valid when
// its parent is revoked.
func TestKeyReplacesNoOtherToken(t *testing.T) {
	w := newFixture(t, core.Config{})
	tv := w.signIn(t, "tv")
	tvs := w.verify(t, tv)
	phone := w.verify(t, w.signIn(t, "phone"))
	id, h, err := w.key(t, tvs)
	if err != nil {
		t.Fatal(err)
	}
	jwt := w.issueJWT(t, token.NewJWT{Key: h})
	for _, replaced := range []int64{0, phone.TokenID, 999} {
		if n := w.succeed(t, id, tvs.DeviceID, replaced); n != 0 {
			t.Errorf("replacing %d ended %d tokens, want none", replaced, n)
		}
		w.verify(t, tv) // the key is still revoked with it
		w.verify(t, jwt)
	}
	if err := w.Revoke(t.Context(), w.by(), tvs.TokenID); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Service, "the key after its parent is revoked", jwt)
}

// A device can have PerDevice keys. One more replaces one of them.
func TestDeviceHoldsTenKeys(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	var jwts []plexauth.Secret
	for range token.PerDevice + 1 {
		_, h, err := w.key(t, p)
		if err != nil {
			t.Fatal(err)
		}
		jwts = append(jwts, w.issueJWT(t, token.NewJWT{Key: h}))
		w.Clock.Advance(time.Minute)
	}
	var good []string
	for i, jwt := range jwts {
		if _, err := w.Verify(t.Context(), jwt); err == nil {
			good = append(good, fmt.Sprint(i))
		}
	}
	if len(good) != token.PerDevice || good[0] != "1" {
		t.Errorf("the keys %v are good, want all but the first", good)
	}
}

// A node that does not share its database stores no key of transient tokens there.
func TestNoKeyIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, core.Config{Now: time.Now})
		if err := w.ShareKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		time.Sleep(2 * time.Minute)
		cancel()
		wg.Wait()
		var n int
		if err := w.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM transient_key").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d keys are stored, %v; want none", n, err)
		}
		if err := w.WithdrawKey(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A verified JWT becomes invalid once its signing key is
// removed.
func TestJWTIsRevokedWithItsSigner(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	_, h, err := w.key(t, p)
	if err != nil {
		t.Fatal(err)
	}
	jwt := w.issueJWT(t, token.NewJWT{Key: h})
	w.verify(t, jwt)
	err = w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		var id string
		if err := tx.QueryRow(ctx, "SELECT id FROM signing_key").Scan(&id); err != nil {
			return err
		}
		tx.Touch(signing.Topic, id)
		return tx.Exec(ctx, "DELETE FROM signing_key")
	})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, w.Service, "a JWT of a key that is gone", jwt)
}
