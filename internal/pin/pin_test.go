package pin_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// fixture has the services with two accounts, in a synctest bubble.
type fixture struct {
	*pin.Service
	*coretest.Core
	mia, noa audit.Actor
}

// inFixture runs a test in a bubble.
func inFixture(t *testing.T, tries int, test func(*testing.T, *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.New(t, core.Config{FailedTries: tries, Now: time.Now})
		w := &fixture{Service: c.PINs, Core: c}
		w.mia, w.noa = w.person("mia"), w.person("noa")
		test(t, w)
	})
}

func (w *fixture) person(name string) audit.Actor {
	return audit.Actor{AccountID: w.Add(name).ID, Address: "address of " + name}
}

// start starts a PIN for a client. Its address is derived from the client.
func (w *fixture) start(t *testing.T, client string, strong bool) pin.PIN {
	t.Helper()
	d := device.Device{ClientIdentifier: client, Product: "Cinema", Address: "address of " + client}
	p, err := w.Start(t.Context(), d, strong, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// poll is Get by a client from its address.
func (w *fixture) poll(t *testing.T, id int64, client string) (plexauth.Secret, error) {
	t.Helper()
	_, tok, err := w.Get(t.Context(), id, client, "address of "+client)
	return tok, err
}

func (w *fixture) link(t *testing.T, code string, by audit.Actor) {
	t.Helper()
	if err := w.Link(t.Context(), by, code); err != nil {
		t.Fatal(err)
	}
}

// linked starts a PIN, links it and returns its token.
func (w *fixture) linked(t *testing.T, client string, by audit.Actor) plexauth.Secret {
	t.Helper()
	p := w.start(t, client, true)
	w.link(t, p.Code, by)
	tok, err := w.poll(t, p.ID, client)
	if err != nil || tok == "" {
		t.Fatalf("polling a linked PIN returned %d letters, %v", len(tok), err)
	}
	return tok
}

// whose returns the account of a token, or 0 if it is invalid.
func (w *fixture) whose(t *testing.T, tok plexauth.Secret) int64 {
	t.Helper()
	p, err := w.Tokens.Verify(t.Context(), tok)
	if err != nil && !errors.Is(err, token.ErrInvalid) {
		t.Fatal(err)
	}
	return p.AccountID
}

// gone fails the test unless the error reports that the PIN does not exist.
func gone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, pin.ErrNotFound) {
		t.Errorf("%s: %v, want ErrNotFound", what, err)
	}
}

// tooMany fails the test unless the error has the time to wait.
func tooMany(t *testing.T, what string, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.Limited || fault.WaitOf(err) <= 0 {
		t.Errorf("%s: %v, want an error of kind Limited with a wait", what, err)
	}
}

func TestPIN(t *testing.T) {
	for name, kind := range map[string]struct {
		strong bool
		code   string
		ttl    time.Duration
		typed  func(string) string
	}{
		"short":  {false, `^[C-Y3479]{4}$`, 15 * time.Minute, func(c string) string { return " " + strings.ToLower(c) + "\t" }},
		"strong": {true, `^[0-9a-z]{25}$`, 30 * time.Minute, func(c string) string { return c + "\n" }},
	} {
		t.Run(name, func(t *testing.T) {
			inFixture(t, 10, func(t *testing.T, w *fixture) {
				p := w.start(t, "tv", kind.strong)
				if !regexp.MustCompile(kind.code).MatchString(p.Code) || p.ID <= 0 || p.ID >= 1<<31 {
					t.Errorf("PIN %d has the code %s", p.ID, p.Code)
				}
				if got := p.ExpiresAt.Sub(p.CreatedAt); got != kind.ttl {
					t.Errorf("it lives %v, want %v", got, kind.ttl)
				}
				if tok, err := w.poll(t, p.ID, "tv"); tok != "" || err != nil {
					t.Errorf("before it is linked, polling returned %d letters, %v", len(tok), err)
				}
				found, err := w.Find(t.Context(), w.mia, kind.typed(p.Code))
				if err != nil || found.Device.Product != "Cinema" || found.Device.Address != "address of tv" {
					t.Errorf("Find returned %+v, %v", found, err)
				}
				w.link(t, kind.typed(p.Code), w.mia)
				first, err := w.poll(t, p.ID, "tv")
				if err != nil || w.whose(t, first) != w.mia.AccountID {
					t.Fatalf("the token is good for account %d, %v", w.whose(t, first), err)
				}
				if !regexp.MustCompile(`^[0-9A-Za-z]{20}$`).MatchString(string(first)) {
					t.Errorf("the token is not 20 letters and digits")
				}
				if again, _ := w.poll(t, p.ID, "tv"); again != first {
					t.Error("a second poll returns a different token")
				}
				time.Sleep(kind.ttl - time.Millisecond)
				if last, _ := w.poll(t, p.ID, "tv"); last != first {
					t.Error("the last poll returns a different token")
				}
				time.Sleep(time.Millisecond)
				_, err = w.poll(t, p.ID, "tv")
				gone(t, "attack: reading the token after the PIN has expired", err)
				if w.whose(t, first) != w.mia.AccountID {
					t.Error("the token ended with the PIN")
				}
			})
		})
	}
}

func TestExpiredPIN(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		time.Sleep(15*time.Minute - time.Millisecond)
		if _, err := w.Find(t.Context(), w.mia, p.Code); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Millisecond)
		gone(t, "linking it", w.Link(t.Context(), w.mia, p.Code))
		_, err := w.Find(t.Context(), w.mia, p.Code)
		gone(t, "finding it", err)
		_, err = w.poll(t, p.ID, "tv")
		gone(t, "polling it", err)
		if list, _ := paging.Rows(w.Tokens.List(t.Context(), 0, paging.Request{})); len(list) != 0 {
			t.Errorf("there are tokens: %v", list)
		}
	})
}

// Only the client that started a PIN gets its token.
func TestTokenIsForItsClientOnly(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		w.link(t, p.Code, w.mia)
		for what, client := range map[string]string{
			"attack: another client polls": "spy", "attack: in another case": "TV", "attack: longer": "tv ", "attack: none": "",
		} {
			_, err := w.poll(t, p.ID, client)
			gone(t, what, err)
		}
		_, err := w.poll(t, p.ID+1, "tv")
		gone(t, "an unknown ID", err)
		_, err = w.poll(t, 0, "tv")
		gone(t, "no ID", err)
	})
}

// A code can be linked once, even by many concurrent calls.
func TestCodeIsClaimedOnce(t *testing.T) {
	inFixture(t, 100, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		errs := make([]error, 20)
		var wg sync.WaitGroup
		for i := range errs {
			by := w.mia
			if i%2 == 0 {
				by = w.noa
			}
			wg.Go(func() { errs[i] = w.Link(t.Context(), by, p.Code) })
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else {
				gone(t, "attack: a code claimed twice", err)
			}
		}
		if list, _ := paging.Rows(w.Tokens.List(t.Context(), 0, paging.Request{})); done != 1 || len(list) != 1 {
			t.Errorf("%d claimed it and there are %d tokens, want one each", done, len(list))
		}
		_, err := w.Find(t.Context(), w.noa, p.Code)
		gone(t, "finding a claimed code", err)
	})
}

// A token that is revoked is not returned, nor is the token of a disabled or removed
// account.
func TestPINWithoutItsToken(t *testing.T) {
	for what, end := range map[string]func(*testing.T, *fixture, plexauth.Secret) error{
		"revoked": func(t *testing.T, w *fixture, tok plexauth.Secret) error {
			p, err := w.Tokens.Verify(t.Context(), tok)
			return errors.Join(err, w.Tokens.SignOut(t.Context(), w.mia, p))
		},
		"disabled": func(t *testing.T, w *fixture, _ plexauth.Secret) error {
			return w.Accounts.Disable(t.Context(), w.mia, w.mia.AccountID)
		},
		"removed": func(t *testing.T, w *fixture, _ plexauth.Secret) error {
			return w.Accounts.Remove(t.Context(), w.mia, w.mia.AccountID)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inFixture(t, 10, func(t *testing.T, w *fixture) {
				p := w.start(t, "tv", false)
				w.link(t, p.Code, w.mia)
				tok, err := w.poll(t, p.ID, "tv")
				if err != nil {
					t.Fatal(err)
				}
				if err := end(t, w, tok); err != nil {
					t.Fatal(err)
				}
				_, err = w.poll(t, p.ID, "tv")
				gone(t, "polling", err)
				gone(t, "attack: linking it once more", w.Link(t.Context(), w.noa, p.Code))
			})
		})
	}
}

func TestDisabledAccountLinksNothing(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		if err := w.Accounts.Disable(t.Context(), w.mia, w.mia.AccountID); err != nil {
			t.Fatal(err)
		}
		gone(t, "attack: a disabled account links", w.Link(t.Context(), w.mia, p.Code))
		w.link(t, p.Code, w.noa)
	})
}

// An abandoned sign-in revokes no token, and neither does another sign-in of the same
// client, up to the ten tokens of a device.
func TestFlowsLeaveOtherTokensAlone(t *testing.T) {
	inFixture(t, 0, func(t *testing.T, w *fixture) {
		var tokens []plexauth.Secret
		for i := range token.PerDevice {
			for j := range 15 { // abandoned, by the same client and by others
				w.start(t, "tv", j%3 == 0)
				w.start(t, fmt.Sprint("abandoned ", i, j), true)
			}
			tokens = append(tokens, w.linked(t, "tv", w.mia))
			w.linked(t, "tv", w.noa)
			time.Sleep(16 * time.Minute)
		}
		for i, tok := range tokens {
			if w.whose(t, tok) != w.mia.AccountID {
				t.Errorf("token %d has ended", i)
			}
			time.Sleep(time.Minute) // each was used later than the one before
		}
		if w.whose(t, tokens[0]) == 0 {
			t.Fatal("the first token has ended")
		}
		// The eleventh token evicts the least recently used one. That is not the first one,
		// whose last use is recent but not in the database yet.
		eleventh := w.linked(t, "tv", w.mia)
		if w.whose(t, tokens[1]) != 0 {
			t.Error("a device holds eleven tokens")
		}
		for _, i := range []int{0, 2, 3, 4, 5, 6, 7, 8, 9} {
			if w.whose(t, tokens[i]) == 0 {
				t.Errorf("the eleventh ended token %d", i)
			}
		}
		if w.whose(t, eleventh) != w.mia.AccountID {
			t.Error("the eleventh is not good")
		}
	})
}

// Polling runs no queries while nothing has changed.
func TestPollingTouchesNoSQL(t *testing.T) {
	inFixture(t, 10, func(t *testing.T, w *fixture) {
		waits, linked := w.start(t, "tv", false), w.start(t, "phone", true)
		w.link(t, linked.Code, w.mia)
		for _, p := range []pin.PIN{waits, linked} {
			if _, err := w.poll(t, p.ID, p.Device.ClientIdentifier); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Core.Close(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if tok, err := w.poll(t, waits.ID, "tv"); tok != "" || err != nil {
				t.Fatalf("polling a PIN that waits: %v", err)
			}
			if tok, err := w.poll(t, linked.ID, "phone"); tok == "" || err != nil {
				t.Fatalf("polling a linked PIN: %v", err)
			}
		}
		_, err := w.poll(t, 1, "tv")
		if err == nil || errors.Is(err, pin.ErrNotFound) {
			t.Errorf("an ID that was not polled before is answered without the store: %v", err)
		}
	})
}

// The document names the alphabet of short codes.
func TestAlphabetIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`"+pin.ShortAlphabet+"`") {
		t.Errorf("docs/protocol.md does not name the signs of a short code, %s", pin.ShortAlphabet)
	}
}
