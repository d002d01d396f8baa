package token_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// fixture is the services with one account and one server.
type fixture struct {
	*token.Service
	*coretest.Core
	mia account.Account
	den source.Source

	code   plexauth.Secret   // mia's verification code
	backup []plexauth.Secret // her backup codes
}

func newFixture(t testing.TB, cfg core.Config) *fixture {
	t.Helper()
	cfg.Dir = t.TempDir()
	c := coretest.New(t, cfg)
	w := &fixture{Service: c.Tokens, Core: c, mia: c.Add("mia")}
	w.den = c.AddSource(source.Source{
		Kind: source.Server, Identifier: "den", Name: "Den", OwnerID: w.mia.ID,
		Connections: []source.Connection{{URI: "http://192.0.2.5:32400"}},
	})
	return w
}

func (w *fixture) signIn(t testing.TB, client string) plexauth.Secret {
	t.Helper()
	tok, err := w.SignIn(t.Context(), w.by(), w.Prove(w.mia).Proof, device.Device{ClientIdentifier: client})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// by is mia as an actor.
func (w *fixture) by() audit.Actor { return audit.Actor{AccountID: w.mia.ID} }

// serverToken is the token with which a principal's device reaches a server.
func (w *fixture) serverToken(t testing.TB, p token.Principal, id int64) (plexauth.Secret, error) {
	t.Helper()
	return w.Sources.Token(t.Context(), w.by(), p, id)
}

// verify is Verify for a token that must be valid.
func (w *fixture) verify(t testing.TB, tok plexauth.Secret) token.Principal {
	t.Helper()
	p, err := w.Verify(t.Context(), tok)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return p
}

// mint is MintTransient without the expiry.
func (w *fixture) mint(p token.Principal, sourceID int64) plexauth.Secret {
	tok, _ := w.MintTransient(p, sourceID)
	return tok
}

// refused fails the test unless the token is invalid.
func refused(t testing.TB, s *token.Service, what string, tok plexauth.Secret) {
	t.Helper()
	if p, err := s.Verify(t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("%s: Verify returned %+v, %v, want ErrInvalid", what, p, err)
	}
}

func TestAccessToken(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	if !regexp.MustCompile(`^[0-9A-Za-z]{20}$`).MatchString(string(tok)) {
		t.Errorf("the token is not 20 letters and digits, which clients match: %s", string(tok))
	}
	for range 2 { // from the database, then from the cache
		p := w.verify(t, tok)
		if p.Kind != token.Access || p.AccountID != w.mia.ID || p.Admin || !p.ActsForAccount() || !p.ExpiresAt.IsZero() {
			t.Errorf("principal %+v", p)
		}
	}
	for what, bad := range map[string]plexauth.Secret{
		"empty": "", "another": "00000000000000000000", "cut": tok[:19], "longer": tok + "x",
		"other case": plexauth.Secret(strings.ToLower(string(tok))), "nul": tok + "\x00",
	} {
		refused(t, w.Service, what, bad)
	}
	if s := w.Stats(); s.Hits == 0 || s.Misses == 0 || s.Cached != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestTransientToken(t *testing.T) {
	w := newFixture(t, core.Config{})
	access := w.signIn(t, "tv")
	parent := w.verify(t, access)
	transient := w.mint(parent, 0)
	p := w.verify(t, transient)
	if p.Kind != token.Transient || p.AccountID != parent.AccountID || p.Admin != parent.Admin || p.ActsForAccount() {
		t.Errorf("principal %+v", p)
	}
	if got := p.ExpiresAt.Sub(w.Clock.Now()); got != token.MaxTransientTTL {
		t.Errorf("it lives %v, want %v", got, token.MaxTransientTTL)
	}
	if !strings.HasPrefix(string(transient), "transient-") {
		t.Errorf("it does not begin with transient-: %s", string(transient))
	}
	if transient == w.mint(parent, 0) {
		t.Error("two are the same")
	}

	// A chain of transient tokens does not live longer than its first.
	w.Clock.Advance(47 * time.Hour)
	second := w.mint(w.verify(t, transient), 0)
	w.verify(t, second)
	w.Clock.Advance(time.Hour - time.Millisecond)
	w.verify(t, transient)
	w.Clock.Advance(time.Millisecond)
	refused(t, w.Service, "after 48 hours", transient)
	refused(t, w.Service, "attack: renewing a transient token with itself", second)
	w.verify(t, access)
}

func TestTransientTokenEnds(t *testing.T) {
	t.Run("with a restart", func(t *testing.T) {
		w := newFixture(t, core.Config{})
		access := w.signIn(t, "tv")
		transient := w.mint(w.verify(t, access), 0)
		w.Service = w.Restart().Tokens
		refused(t, w.Service, "minted before the restart", transient)
		w.verify(t, access)
	})
	t.Run("with its parent", func(t *testing.T) {
		w := newFixture(t, core.Config{})
		p := w.verify(t, w.signIn(t, "tv"))
		transient := w.mint(p, 0)
		second := w.mint(w.verify(t, transient), 0)
		if err := w.SignOut(t.Context(), w.by(), p); err != nil {
			t.Fatal(err)
		}
		refused(t, w.Service, "child", transient)
		refused(t, w.Service, "child's child", second)
	})
	t.Run("with its account", func(t *testing.T) {
		w := newFixture(t, core.Config{})
		access := w.signIn(t, "tv")
		transient := w.mint(w.verify(t, access), 0)
		if err := w.Accounts.Disable(t.Context(), w.by(), w.mia.ID); err != nil {
			t.Fatal(err)
		}
		refused(t, w.Service, "access token of a disabled account", access)
		refused(t, w.Service, "transient token of a disabled account", transient)
		if err := w.Accounts.Enable(t.Context(), w.by(), w.mia.ID); err != nil {
			t.Fatal(err)
		}
		w.verify(t, transient)
		if err := w.Accounts.Remove(t.Context(), w.by(), w.mia.ID); err != nil {
			t.Fatal(err)
		}
		refused(t, w.Service, "transient token of a removed account", transient)
	})
	t.Run("sooner when so configured", func(t *testing.T) {
		w := newFixture(t, core.Config{TransientTTL: time.Minute})
		transient := w.mint(w.verify(t, w.signIn(t, "tv")), 0)
		w.Clock.Advance(time.Minute)
		refused(t, w.Service, "after its minute", transient)
	})
}

// Every single byte of a transient token is covered by its seal.
func TestTransientTokenCannotBeChanged(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	transient := w.mint(p, 0)
	for i := range len(transient) {
		changed := []byte(transient)
		if changed[i]++; changed[i] == '{' {
			changed[i] = 'A'
		}
		refused(t, w.Service, fmt.Sprintf("attack: byte %d changed", i), plexauth.Secret(changed))
	}
	another := newFixture(t, core.Config{})
	refused(t, another.Service, "attack: minted by another instance", transient)
	refused(t, w.Service, "nothing after the prefix", "transient-")
	refused(t, w.Service, "padded", transient+"=")
}

func TestServerToken(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	tok, err := w.serverToken(t, p, w.den.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := w.serverToken(t, p, w.den.ID); again != tok {
		t.Error("it differs from listing to listing")
	}
	if after, _ := w.Restart().Sources.Token(t.Context(), w.by(), p, w.den.ID); after != tok {
		t.Error("it differs after a restart")
	}
	if !regexp.MustCompile(`^[0-9A-Za-z]{20}$`).MatchString(string(tok)) {
		t.Errorf("it is not 20 letters and digits: %s", string(tok))
	}
	got := w.verify(t, tok)
	if got.Kind != token.Server || got.SourceID != w.den.ID || got.ActsForAccount() || got.Reaches(w.den.ID+1) || !got.Reaches(w.den.ID) {
		t.Errorf("principal %+v", got)
	}
	transient := w.verify(t, w.mint(got, 0))
	if transient.SourceID != w.den.ID {
		t.Errorf("attack: extending a server token with a transient one returned %+v", transient)
	}
	other := w.verify(t, w.signIn(t, "phone"))
	if another, _ := w.serverToken(t, other, w.den.ID); another == tok {
		t.Error("two devices have the same")
	}
	if _, err := w.serverToken(t, p, w.den.ID+1); !errors.Is(err, source.ErrReach) {
		t.Errorf("a server that does not exist: %v, want ErrReach", err)
	}
	if err := w.SignOut(t.Context(), w.by(), p); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Service, "after its parent's end", tok)
	if err := w.SignOut(t.Context(), w.by(), p); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("signing out a token that was revoked since it was verified: %v, want ErrInvalid", err)
	}
	if _, err := w.serverToken(t, p, w.den.ID); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("attack: a listing that was running when its token was revoked gets a server token: %v", err)
	}
}

// A revocation takes effect immediately for concurrent lookups: once
// Revoke has returned, no Verify may succeed, whatever was read before.
func TestRevocationIsSeenAtOnce(t *testing.T) {
	w := newFixture(t, core.Config{})
	for round := range 30 {
		tok := w.signIn(t, fmt.Sprint("device", round))
		id := w.verify(t, tok).TokenID
		var revoked atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 500 {
					before := revoked.Load()
					_, err := w.Verify(t.Context(), tok)
					if before && err == nil {
						t.Error("a revoked token was valid")
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		if err := w.Revoke(t.Context(), w.by(), id); err != nil {
			t.Error(err)
		}
		revoked.Store(true)
		refused(t, w.Service, "after Revoke", tok)
		wg.Wait()
	}
	if err := w.Revoke(t.Context(), w.by(), 1); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("revoking it again returned %v, want ErrNotFound", err)
	}
}

// A flood of tokens does not grow the cache beyond its bound.
func TestCacheIsBounded(t *testing.T) {
	w := newFixture(t, core.Config{TokenCache: 64})
	for i := range 300 {
		w.verify(t, w.signIn(t, fmt.Sprint("device", i)))
	}
	if n := w.Stats().Cached; n > 64 {
		t.Errorf("%d tokens are cached, want 64 at the most", n)
	}
}

// When a token was last used reaches the database, once a minute at the most.
func TestLastUse(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	w.Clock.Advance(time.Hour)
	w.verify(t, tok)
	w.Clock.Advance(30 * time.Second)
	w.verify(t, tok)
	w.Flush(t.Context())
	list, err := paging.Rows(w.List(t.Context(), w.mia.ID, paging.Request{}))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if got := list[0].LastUsedAt.Sub(list[0].CreatedAt); got != time.Hour {
		t.Errorf("it was last used %v after its creation, want an hour", got)
	}
}

// Sign-ins and changes do not wait until thousands of uses are written.
func TestUsesAreWrittenInParts(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	w.Flush(t.Context())
	w.Clock.Advance(time.Hour)
	w.verify(t, tok)
	const others = 1000
	w.AddUses(others)
	before := w.DB.Commits()
	w.Flush(t.Context())
	// One counts the check, and one is for the devices.
	if n := w.DB.Commits() - before; n != 5 {
		t.Errorf("%d uses were written in %d commits, want 3, and 2 others", others+1, n)
	}
	list, err := paging.Rows(w.List(t.Context(), w.mia.ID, paging.Request{}))
	if err != nil || len(list) != 1 || list[0].LastUsedAt.Sub(list[0].CreatedAt) != time.Hour {
		t.Errorf("the use of a token is lost: %v, %v", list, err)
	}
}

// How many tokens were checked reaches the database, each check once.
func TestChecksAreCounted(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	for _, step := range []struct{ tries, want int }{{3, 3}, {2, 5}, {0, 5}} {
		for range step.tries {
			w.verify(t, tok)
		}
		w.Flush(t.Context())
		got, err := w.Audit.Tallies(t.Context(), time.Time{})
		if err != nil || len(got) != 1 || got[0].What != audit.TokenChecks || got[0].N != int64(step.want) {
			t.Errorf("counted are %v, %v, want %d", got, err, step.want)
		}
	}
}

// Generated tokens have every letter and digit about equally often.
func TestTokensAreUniform(t *testing.T) {
	const n = 20000
	count := make(map[byte]int)
	for range n {
		for _, c := range []byte(token.NewToken()) {
			count[c]++
		}
	}
	if len(count) != 62 {
		t.Errorf("%d different characters, want 62", len(count))
	}
	for c, got := range count {
		if want := n * 20 / 62; got < want*9/10 || got > want*11/10 {
			t.Errorf("%c comes up %d times, want about %d", c, got, want)
		}
	}
}

// Only minted tokens are valid.
func FuzzVerify(f *testing.F) {
	w := newFixture(f, core.Config{})
	access := w.signIn(f, "tv")
	transient := w.mint(w.verify(f, access), 0)
	f.Add("transient-")
	f.Add("transient-AAAA")
	f.Add("00000000000000000000")
	f.Add(strings.Repeat("transient-", 100))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := w.Verify(t.Context(), plexauth.Secret(text))
		minted := text == string(access) || text == string(transient)
		if minted != (err == nil) || err != nil && !errors.Is(err, token.ErrInvalid) {
			t.Errorf("Verify(%q) = %v", text, err)
		}
	})
}

func BenchmarkVerifyCached(b *testing.B) {
	w := newFixture(b, core.Config{})
	tok := w.signIn(b, "tv")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(b.Context(), tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyUncached(b *testing.B) {
	w := newFixture(b, core.Config{})
	var tokens []plexauth.Secret
	for i := range 100 {
		tokens = append(tokens, w.signIn(b, fmt.Sprint("device-", i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(tokens) == 0 {
			b.StopTimer()
			err := w.DB.Write(b.Context(), func(_ context.Context, tx *db.Tx) error {
				tx.Touch(account.Topic, db.IDKey(w.mia.ID))
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if _, err := w.Verify(b.Context(), tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyTransient(b *testing.B) {
	w := newFixture(b, core.Config{})
	tok := w.mint(w.verify(b, w.signIn(b, "tv")), 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(b.Context(), tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMintTransient(b *testing.B) {
	w := newFixture(b, core.Config{})
	p := w.verify(b, w.signIn(b, "tv"))
	b.ReportAllocs()
	for b.Loop() {
		w.mint(p, 0)
	}
}
