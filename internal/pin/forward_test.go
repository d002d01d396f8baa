package pin_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/plexauth"
)

const back = "https://app.example.org/back?state=1"

// startForward starts a PIN with a ForwardURL.
func (w *fixture) startForward(t *testing.T, client string) pin.PIN {
	t.Helper()
	p, err := w.Start(t.Context(), device.Device{ClientIdentifier: client, Address: "address of " + client}, true, back)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// redeem is Redeem by a client from its address.
func (w *fixture) redeem(t *testing.T, id int64, client, proof string) (plexauth.Secret, error) {
	t.Helper()
	_, tok, err := w.Redeem(t.Context(), id, client, "address of "+client, plexauth.Secret(proof))
	return tok, err
}

// proofOf returns the proof that mia's browser gets.
func (w *fixture) proofOf(t *testing.T, p pin.PIN) string {
	t.Helper()
	to, err := w.Forward(t.Context(), w.mia, p.Code)
	if err != nil {
		t.Fatal(err)
	}
	if to.Address.String() != p.Forward || strings.Contains(to.String(), "pinProof") {
		t.Errorf("the address is %s, said as %s", to.Address, to)
	}
	return to.WithProof.Query().Get(pin.ProofParameter)
}

// The token of a PIN that needs a proof is returned in exchange for the proof, and only
// once.
func TestRedeem(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.startForward(t, "web")
		_, err := w.redeem(t, p.ID, "web", "")
		gone(t, "attack: no proof, before it is linked", err)
		_, err = w.Forward(t.Context(), w.mia, p.Code)
		gone(t, "a proof before it is linked", err)
		_, err = w.Forward(t.Context(), audit.Actor{}, p.Code)
		gone(t, "attack: a proof of nobody's", err)
		_, err = w.redeem(t, p.ID, "web", w.ProofOf(p))
		gone(t, "attack: bringing it", err)
		w.link(t, p.Code, w.mia)
		got, tok, err := w.Get(t.Context(), p.ID, "web", "address of web")
		if err != nil || tok != "" || got.AccountID != 0 {
			t.Errorf("attack: polling without the proof returned %d letters, and account %d, %v", len(tok), got.AccountID, err)
		}
		_, err = w.Forward(t.Context(), w.noa, p.Code)
		gone(t, "attack: the proof of another account's PIN", err)
		proof := w.proofOf(t, p)
		for what, try := range map[string]struct{ client, proof string }{
			"no proof": {"web", ""}, "a made-up one": {"web", strings.Repeat("A", len(proof))},
			"one in another case": {"web", strings.ToLower(proof)}, "a longer one": {"web", proof + "A"}, "another client": {"spy", proof},
		} {
			if try.proof == proof && try.client == "web" {
				continue // a proof without capitals
			}
			_, err := w.redeem(t, p.ID, try.client, try.proof)
			gone(t, "attack: "+what, err)
		}
		tok, err = w.redeem(t, p.ID, "web", proof)
		if err != nil || w.whose(t, tok) != w.mia.AccountID {
			t.Fatalf("the token is good for account %d, %v", w.whose(t, tok), err)
		}
		_, err = w.redeem(t, p.ID, "web", proof)
		gone(t, "attack: the proof once more", err)
		_, err = w.poll(t, p.ID, "web")
		gone(t, "polling what is over", err)
		_, err = w.Forward(t.Context(), w.mia, p.Code)
		gone(t, "attack: the page with the proof once more", err)
	})
}

// Attack: the proof of one PIN or account is used for another.
func TestProofIsBound(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		seen := make(map[string]bool)
		var pins []pin.PIN
		var proofs []string
		for range 4 {
			p := w.startForward(t, "web")
			w.link(t, p.Code, w.mia)
			pins, proofs = append(pins, p), append(proofs, w.proofOf(t, p))
			seen[proofs[len(proofs)-1]] = true
		}
		if len(seen) != len(proofs) {
			t.Errorf("the proofs are %q", proofs)
		}
		for i, p := range pins {
			for j, proof := range proofs {
				if i != j {
					_, err := w.redeem(t, p.ID, "web", proof)
					gone(t, "attack: the proof of another PIN", err)
				}
			}
		}
		linked := pins[0]
		linked.AccountID = w.mia.AccountID
		if w.ProofOf(linked) != proofs[0] {
			t.Error("the proof is not that of the PIN and the account")
		}
		linked.AccountID = w.noa.AccountID
		_, err := w.redeem(t, linked.ID, "web", w.ProofOf(linked))
		gone(t, "attack: the proof of another account", err)
		for i, p := range pins {
			if _, err := w.redeem(t, p.ID, "web", proofs[i]); err != nil {
				t.Errorf("its own: %v", err)
			}
		}
	})
}

// Attack: one proof is presented many times concurrently.
func TestConcurrentRedeem(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.startForward(t, "web")
		w.link(t, p.Code, w.mia)
		proof := w.proofOf(t, p)
		var wg sync.WaitGroup
		tokens := make([]plexauth.Secret, 20)
		for i := range tokens {
			wg.Go(func() {
				var err error
				if tokens[i], err = w.redeem(t, p.ID, "web", proof); err != nil && !errors.Is(err, pin.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		given := 0
		for _, tok := range tokens {
			if tok != "" {
				given++
			}
		}
		if given != 1 {
			t.Errorf("the token was given %d times", given)
		}
	})
}

// A proof is invalid once its token is revoked, its account is disabled, or its PIN has
// expired.
func TestProofInvalidation(t *testing.T) {
	for what, end := range map[string]func(*testing.T, *fixture) error{
		"expired": func(*testing.T, *fixture) error { time.Sleep(pin.StrongTTL); return nil },
		"revoked": func(t *testing.T, w *fixture) error {
			list, err := paging.Rows(w.Tokens.List(t.Context(), w.mia.AccountID, paging.Request{}))
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			return w.Tokens.Revoke(t.Context(), w.mia, list[0].ID)
		},
		"disabled": func(t *testing.T, w *fixture) error { return w.Accounts.Disable(t.Context(), w.mia, w.mia.AccountID) },
		"removed":  func(t *testing.T, w *fixture) error { return w.Accounts.Remove(t.Context(), w.mia, w.mia.AccountID) },
	} {
		t.Run(what, func(t *testing.T) {
			inFixture(t, tries, func(t *testing.T, w *fixture) {
				p := w.startForward(t, "web")
				w.link(t, p.Code, w.mia)
				proof := w.proofOf(t, p)
				if err := end(t, w); err != nil {
					t.Fatal(err)
				}
				_, err := w.redeem(t, p.ID, "web", proof)
				gone(t, "attack: its proof", err)
				_, err = w.Forward(t.Context(), w.mia, p.Code)
				gone(t, "attack: the page with its proof", err)
			})
		})
	}
}

// Attack: a program with a token of the account completes a sign-in that requires a
// user's consent in a browser.
func TestTokenLinksNoProofPIN(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		tok := w.linked(t, "tv", w.mia)
		principal, err := w.Tokens.Verify(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		p := w.startForward(t, "web")
		if err := w.LinkByToken(t.Context(), w.mia, principal, p.Code); fault.KindOf(err) != fault.Denied {
			t.Errorf("linking it: %v", err)
		}
		w.link(t, p.Code, w.noa) // it still waits
	})
}

// Attack: an attacker makes a program present many wrong proofs, so that it is
// rate-limited. Wrong proofs do not count as guesses of an ID.
func TestWrongProofsLimitNobody(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.startForward(t, "web")
		w.link(t, p.Code, w.mia)
		for range 2 * pin.PollBurst {
			_, err := w.redeem(t, p.ID, "web", "wrong")
			gone(t, "a wrong proof", err)
		}
		if _, err := w.redeem(t, p.ID, "web", w.proofOf(t, p)); err != nil {
			t.Errorf("the right one: %v", err)
		}
	})
}

// The token of a PIN without a ForwardURL is returned to the program that started it,
// with any proof or none.
func TestProofWithoutNeed(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", true)
		if tok, err := w.redeem(t, p.ID, "tv", "anything"); tok != "" || err != nil {
			t.Errorf("before it is linked: %d letters, %v", len(tok), err)
		}
		w.link(t, p.Code, w.mia)
		for range 2 {
			tok, err := w.redeem(t, p.ID, "tv", "anything")
			if err != nil || w.whose(t, tok) != w.mia.AccountID {
				t.Errorf("the token is good for account %d, %v", w.whose(t, tok), err)
			}
		}
		_, err := w.Forward(t.Context(), w.mia, p.Code)
		gone(t, "a proof that nobody asked for", err)
	})
}

// A ForwardURL must be a web address that people and browsers read alike, with room for
// the proof.
func TestProofURL(t *testing.T) {
	inFixture(t, 0, func(t *testing.T, w *fixture) {
		for address, good := range map[string]bool{
			"": true, "https://app.example.org": true, "http://127.0.0.1:8080/back?x=1#y": true, "http://[::1]:8080/": true,
			"https://xn--shlf-fpa.example.org/": true, "https://app.example.org/?proof=1&pinProofs=2&x=pinProof": true,
			"https://app.example.org/#pinProof=1":                  true,
			"https://app.example.org/" + strings.Repeat("x", 2024): true,
			"https://app.example.org/" + strings.Repeat("x", 2025): false,
			"https://a~b.example.org/":                             true,
			"https://shélf.example.org/":                           false,
			"https://app。example.org/":                             false,
			"https://app%2eexample.org/":                           false,
			"http://[fe80::1%25eth0]/":                             false,
			"https://app.example.org/?pinProof=1":                  false,
			"https://app.example.org/?x=1;pinProof":                false,
			"https://app.example.org/?x=1&%70in%50roof=1":          false,
			"javascript:alert(1)":                                  false,
			"https://app.example.org@evil.example/":                false,
			"//app.example.org/":                                   false,
			"/back":                                                false,
			"https://app.example.org/\nx":                          false,
			" https://app.example.org/":                            false,
			"ftp://app.example.org/":                               false,
			"https:///back":                                        false,
		} {
			p, err := w.Start(t.Context(), device.Device{ClientIdentifier: "web"}, true, address)
			if good && (err != nil || p.Forward != address) || !good && fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %q, %v", address, p.Forward, err)
			}
		}
	})
}

// Another process revokes the token just before the proof is presented, before this
// process learns of it.
func TestRedeemAfterARevocationElsewhere(t *testing.T) {
	dir := t.TempDir()
	here, there := coretest.New(t, core.Config{Dir: dir}), coretest.New(t, core.Config{Dir: dir})
	mia := audit.Actor{AccountID: here.Add("mia").ID}
	p, err := here.PINs.Start(t.Context(), device.Device{ClientIdentifier: "web"}, true, back)
	if err != nil {
		t.Fatal(err)
	}
	if err := here.PINs.Link(t.Context(), mia, p.Code); err != nil {
		t.Fatal(err)
	}
	p.AccountID = mia.AccountID
	if _, _, err := here.PINs.Get(t.Context(), p.ID, "web", "192.0.2.1"); err != nil { // it is cached now
		t.Fatal(err)
	}
	list, err := paging.Rows(there.Tokens.List(t.Context(), mia.AccountID, paging.Request{}))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := there.Tokens.Revoke(t.Context(), mia, list[0].ID); err != nil {
		t.Fatal(err)
	}
	_, _, err = here.PINs.Redeem(t.Context(), p.ID, "web", "192.0.2.1", plexauth.Secret(here.PINs.ProofOf(p)))
	gone(t, "attack: the proof of a revoked token", err)
}
