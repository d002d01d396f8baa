package pin_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// held is a token with its principal.
type held struct {
	token.Principal
	secret plexauth.Secret
}

func hold(t *testing.T, c *coretest.Core, secret plexauth.Secret) held {
	t.Helper()
	p, err := c.Tokens.Verify(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return held{p, secret}
}

// signIn signs in a device of an account.
func signIn(t *testing.T, c *coretest.Core, a account.Account, client string) held {
	t.Helper()
	return hold(t, c, c.Token(a, client))
}

func startPIN(t *testing.T, c *coretest.Core, client string) pin.PIN {
	t.Helper()
	p, err := c.PINs.Start(t.Context(), device.Device{ClientIdentifier: client, Address: "192.0.2.1"}, true, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// linkByToken links a new PIN with a token, and returns the token of the PIN.
func linkByToken(t *testing.T, c *coretest.Core, with held, client string) held {
	t.Helper()
	p := startPIN(t, c, client)
	by := audit.Actor{AccountID: with.AccountID, Address: "192.0.2.1"}
	if err := c.PINs.LinkByToken(t.Context(), by, with.Principal, p.Code); err != nil {
		t.Fatal(err)
	}
	_, secret, err := c.PINs.Get(t.Context(), p.ID, client, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return hold(t, c, secret)
}

// Attack: a thief links a PIN with a stolen token, so that a second token outlives the
// revocation of the first.
func TestTokenOfLinkedPINIsChild(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	by := audit.Actor{AccountID: mia.ID, Address: "192.0.2.1"}
	for name, revoke := range map[string]func(token.Principal) error{
		"signed out": func(p token.Principal) error { return c.Tokens.SignOut(t.Context(), by, p) },
		"revoked":    func(p token.Principal) error { return c.Tokens.Revoke(t.Context(), by, p.TokenID) },
		"device signed out": func(p token.Principal) error {
			return c.Tokens.RevokeDevice(t.Context(), by, mia.ID, p.DeviceID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			stolen := signIn(t, c, mia, "laptop of the thief")
			second := linkByToken(t, c, stolen, "another device")
			third := linkByToken(t, c, second, "a third one")
			if err := revoke(stolen.Principal); err != nil {
				t.Fatal(err)
			}
			for generation, tok := range []held{second, third} {
				if _, err := c.Tokens.Verify(t.Context(), tok.secret); !errors.Is(err, token.ErrInvalid) {
					t.Errorf("generation %d lives on: %v", generation+2, err)
				}
			}
		})
	}
}

// A user's consent on a page gives the device an independent token.
func TestTokenOfConsentIsNotChild(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	by := audit.Actor{AccountID: mia.ID, Address: "192.0.2.1"}
	program := signIn(t, c, mia, "program")
	p := startPIN(t, c, "tv")
	if err := c.PINs.Link(t.Context(), by, p.Code); err != nil {
		t.Fatal(err)
	}
	if err := c.Tokens.SignOut(t.Context(), by, program.Principal); err != nil {
		t.Fatal(err)
	}
	if _, secret, err := c.PINs.Get(t.Context(), p.ID, "tv", "192.0.2.1"); err != nil || secret == "" {
		t.Errorf("the device has no token: %v", err)
	}
}

// Attack: the thief links a PIN concurrently with the revocation, on any process and by
// any kind of revocation. No token survives in forty races of each.
func TestLinkAndRevokeRace(t *testing.T) {
	dir := t.TempDir()
	c := coretest.New(t, core.Config{Dir: dir})
	commandLine := coretest.New(t, core.Config{Dir: dir}).Tokens // of another process
	mia := c.Add("mia")
	by := audit.Actor{AccountID: mia.ID, Address: "192.0.2.1"}
	for name, revoke := range map[string]func(stolen, parent held) error{
		"revoked":                 func(stolen, _ held) error { return c.Tokens.Revoke(t.Context(), by, stolen.TokenID) },
		"revoked on command line": func(stolen, _ held) error { return commandLine.Revoke(t.Context(), by, stolen.TokenID) },
		"signed out":              func(stolen, _ held) error { return c.Tokens.SignOut(t.Context(), by, stolen.Principal) },
		"device signed out": func(stolen, _ held) error {
			return c.Tokens.RevokeDevice(t.Context(), by, mia.ID, stolen.DeviceID)
		},
		"parent revoked": func(_, parent held) error { return c.Tokens.Revoke(t.Context(), by, parent.TokenID) },
		"evicted":        func(held, held) error { c.Token(mia, "thief"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			linked := 0
			for race := range 40 {
				parent := signIn(t, c, mia, "laptop")
				stolen := parent
				switch name {
				case "evicted":
					stolen = signIn(t, c, mia, "thief")
					for range token.PerDevice - 1 {
						c.Clock.Advance(time.Minute)
						c.Token(mia, "thief")
					}
				case "parent revoked", "device signed out":
					stolen = linkByToken(t, c, parent, "thief")
				}
				c.Clock.Advance(time.Minute)
				p := startPIN(t, c, "tv")
				var wg sync.WaitGroup
				wg.Go(func() {
					time.Sleep(time.Duration(race%8) * 100 * time.Microsecond)
					err := c.PINs.LinkByToken(t.Context(), by, stolen.Principal, p.Code)
					if err == nil {
						linked++
					} else if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, pin.ErrNotFound) {
						t.Error(err)
					}
				})
				wg.Go(func() {
					time.Sleep(time.Duration(race%5) * 100 * time.Microsecond)
					if err := revoke(stolen, parent); err != nil {
						t.Error(err)
					}
				})
				wg.Wait()
				// The device gets an answer, but the token is revoked.
				secret := c.Tokens.OfPIN(p.Nonce)
				if _, err := c.Tokens.Verify(t.Context(), secret); !errors.Is(err, token.ErrInvalid) {
					t.Fatalf("race %d: the token that the PIN led to lives on: %v", race, err)
				}
				if _, told, err := c.PINs.Get(t.Context(), p.ID, "tv", "192.0.2.1"); err == nil && told != "" && name != "revoked on command line" {
					t.Errorf("race %d: the device is given a dead token", race)
				}
			}
			t.Logf("the link was first in %d of 40 races", linked)
		})
	}
}

// The token that links a PIN is not evicted for the new token, and neither are its
// ancestors.
func TestLinkEvictsNoAncestor(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	valid := func(h held) bool {
		_, err := c.Tokens.Verify(t.Context(), h.secret)
		return err == nil
	}
	first := signIn(t, c, mia, "tv")
	second := linkByToken(t, c, first, "phone")
	oldest := signIn(t, c, mia, "tv")
	for range token.PerDevice - 2 {
		c.Clock.Advance(time.Minute)
		signIn(t, c, mia, "tv")
	}
	third := linkByToken(t, c, second, "tv") // the first is the least recently used
	for what, h := range map[string]held{"first": first, "second": second, "third": third} {
		if !valid(h) {
			t.Errorf("the %s token was evicted", what)
		}
	}
	if valid(oldest) {
		t.Error("the device holds eleven tokens")
	}
}

// A device that has ten tokens, each an ancestor of the next, cannot get another one
// from the last.
func TestLinkOfAFullChain(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	by := audit.Actor{AccountID: mia.ID, Address: "192.0.2.1"}
	chain := []held{signIn(t, c, mia, "tv")}
	for range token.PerDevice - 1 {
		chain = append(chain, linkByToken(t, c, chain[len(chain)-1], "tv"))
	}
	p := startPIN(t, c, "tv")
	err := c.PINs.LinkByToken(t.Context(), by, chain[len(chain)-1].Principal, p.Code)
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("linking once more: %v", err)
	}
	for i, h := range chain {
		if _, err := c.Tokens.Verify(t.Context(), h.secret); err != nil {
			t.Errorf("token %d of the chain: %v", i, err)
		}
	}
	// The first token of the chain makes room for itself: the others are not its ancestors.
	if err := c.PINs.LinkByToken(t.Context(), by, chain[0].Principal, p.Code); err != nil {
		t.Error(err)
	}
}
