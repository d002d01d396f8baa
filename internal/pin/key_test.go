package pin_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// startKey starts a PIN of a tv that has a key.
func (w *fixture) startKey(t *testing.T, key *devicekeytest.Key, forward string) pin.PIN {
	t.Helper()
	p, err := w.StartWithKey(t.Context(), device.Device{ClientIdentifier: "tv"}, true, forward, key.Public.JWK)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pollJWT is GetJWT by the tv from its address.
func (w *fixture) pollJWT(t *testing.T, id int64, signed string) (pin.PIN, plexauth.Secret, error) {
	t.Helper()
	return w.GetJWT(t.Context(), audit.Actor{Address: "address of tv"}, id, "tv", signed)
}

// A device that signs its polls gets the same JWT in each of them, in place of a token,
// until the key is revoked.
func TestPINWithKey(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		key := devicekeytest.New(t, "tv", 1)
		p := w.startKey(t, key, "")
		signed := key.Sign(t, "", time.Now())
		if got, jwt, err := w.pollJWT(t, p.ID, signed); jwt != "" || err != nil || got.AccountID != 0 {
			t.Errorf("before it is linked: %q for account %d, %v", jwt, got.AccountID, err)
		}
		_, _, err := w.pollJWT(t, p.ID+1, signed)
		gone(t, "another PIN", err)
		w.link(t, p.Code, w.mia)
		var first plexauth.Secret
		for range 2 {
			got, jwt, err := w.pollJWT(t, p.ID, signed)
			if err != nil || got.AccountID != w.mia.AccountID || w.whose(t, jwt) != w.mia.AccountID {
				t.Fatalf("once it is linked: %q for account %d, %v", jwt, got.AccountID, err)
			}
			if first != "" && jwt != first {
				t.Errorf("a second poll returns a different JWT")
			}
			first = jwt
		}
		if w.whose(t, w.Tokens.OfPIN(p.Nonce)) != 0 {
			t.Error("the token that the JWT replaces is valid")
		}
		_, err = w.poll(t, p.ID, "tv")
		gone(t, "a poll without the key", err)
		principal, err := w.Tokens.Verify(t.Context(), first)
		if err != nil || principal.Kind != token.JWT {
			t.Fatalf("the JWT is good for %+v, %v", principal, err)
		}
		if err := w.Tokens.Revoke(t.Context(), w.mia, principal.TokenID); err != nil {
			t.Fatal(err)
		}
		_, _, err = w.pollJWT(t, p.ID, signed)
		gone(t, "a poll after the key is revoked", err)
	})
}

// Concurrent polls register one key, and return the same JWT.
func TestConcurrentPINWithKey(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		key := devicekeytest.New(t, "tv", 1)
		p := w.startKey(t, key, "")
		w.link(t, p.Code, w.mia)
		var jwts [10]plexauth.Secret
		var wg sync.WaitGroup
		for i := range jwts {
			wg.Go(func() {
				var err error
				if _, jwts[i], err = w.pollJWT(t, p.ID, key.Sign(t, "", time.Now())); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, jwt := range jwts {
			if jwt != jwts[0] || w.whose(t, jwt) != w.mia.AccountID {
				t.Errorf("the polls return different or invalid JWTs: %q and %q", jwts[0], jwt)
			}
		}
	})
}

// Attack: two users link a PIN concurrently, after both have seen it pending.
func TestLinkedByOneOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// In a file, so that one reads while another writes.
		c := coretest.New(t, core.Config{FailedTries: tries, Now: time.Now, Dir: t.TempDir()})
		w := &fixture{Service: c.PINs, Core: c}
		w.mia, w.noa = w.person("mia"), w.person("noa")
		p := w.start(t, "tv", true)
		hold, held := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := w.DB.Write(t.Context(), func(context.Context, *db.Tx) error { close(held); <-hold; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		<-held
		var errs [2]error
		for i, by := range []audit.Actor{w.mia, w.noa} {
			wg.Go(func() { errs[i] = w.Link(t.Context(), by, p.Code) })
		}
		synctest.Wait() // both have found it, and wait to write
		close(hold)
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("linking gave %v and %v, want one error", errs[0], errs[1])
		}
		gone(t, "the one who came later", errors.Join(errs[:]...))
		tok, err := w.poll(t, p.ID, "tv")
		if want := []int64{w.mia.AccountID, w.noa.AccountID}[slices.Index(errs[:], nil)]; err != nil || w.whose(t, tok) != want {
			t.Errorf("the token is good for account %d, %v; want %d", w.whose(t, tok), err, want)
		}
		if counts, err := w.Tokens.Count(t.Context()); err != nil || counts.Access != 1 {
			t.Errorf("there are %+v, %v; want one token", counts, err)
		}
	})
}

// A poll that another key signed returns the same as a poll without a signature.
func TestPINWithAnotherKey(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		key, other := devicekeytest.New(t, "tv", 1), devicekeytest.New(t, "tv", 2)
		p := w.startKey(t, key, "")
		w.link(t, p.Code, w.mia)
		if _, _, err := w.pollJWT(t, p.ID, "x"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("an invalid JWT returned %v, want an error of the kind Invalid", err)
		}
		if _, _, err := w.pollJWT(t, p.ID, devicekeytest.New(t, "phone", 1).Sign(t, "", time.Now())); !errors.Is(err, devicekey.ErrIssuer) {
			t.Errorf("a JWT of another client returned %v, want ErrIssuer", err)
		}
		_, tok, err := w.pollJWT(t, p.ID, other.Sign(t, "", time.Now()))
		if err != nil || tok != w.Tokens.OfPIN(p.Nonce) || w.whose(t, tok) != w.mia.AccountID {
			t.Errorf("another key returned %q, %v; want the token of the PIN", tok, err)
		}
		p = w.startKey(t, key, back)
		w.link(t, p.Code, w.mia)
		if got, jwt, err := w.pollJWT(t, p.ID, key.Sign(t, "", time.Now())); jwt != "" || err != nil || got.AccountID != 0 {
			t.Errorf("attack: without the proof that the PIN needs: %q for account %d, %v", jwt, got.AccountID, err)
		}
	})
}

// Attack: a revoked token is restored as the key of its PIN.
func TestPINWithKeyEnds(t *testing.T) {
	for what, end := range map[string]func(*testing.T, *fixture, token.Principal) error{
		"the token is revoked": func(t *testing.T, w *fixture, p token.Principal) error {
			return w.Tokens.Revoke(t.Context(), w.mia, p.TokenID)
		},
		"the account is disabled": func(t *testing.T, w *fixture, _ token.Principal) error {
			return w.Accounts.Disable(t.Context(), w.mia, w.mia.AccountID)
		},
		"the key is another device's": func(t *testing.T, w *fixture, _ token.Principal) error {
			tok := w.linked(t, "phone", w.noa)
			p, err := w.Tokens.Verify(t.Context(), tok)
			if err != nil {
				return err
			}
			return w.DeviceKeys.Register(t.Context(), w.noa, p, devicekeytest.New(t, "phone", 1).Public, "")
		},
	} {
		t.Run(what, func(t *testing.T) {
			inFixture(t, tries, func(t *testing.T, w *fixture) {
				key := devicekeytest.New(t, "tv", 1)
				p := w.startKey(t, key, "")
				w.link(t, p.Code, w.mia)
				principal, err := w.Tokens.Verify(t.Context(), w.Tokens.OfPIN(p.Nonce))
				if err != nil {
					t.Fatal(err)
				}
				if err := end(t, w, principal); err != nil {
					t.Fatal(err)
				}
				got, jwt, err := w.pollJWT(t, p.ID, key.Sign(t, "", time.Now()))
				if err == nil || jwt != "" || got.AccountID != 0 {
					t.Errorf("the poll returned %q for account %d, %v; want an error", jwt, got.AccountID, err)
				}
			})
		})
	}
}
