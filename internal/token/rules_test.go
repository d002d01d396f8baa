package token_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// alive reports whether a token is in the database.
func (w *fixture) alive(t testing.TB, tok plexauth.Secret) bool {
	t.Helper()
	_, err := w.Restart().Tokens.Verify(t.Context(), tok)
	if err != nil && !errors.Is(err, token.ErrInvalid) {
		t.Fatal(err)
	}
	return err == nil
}

// revoked returns the hashes of the tokens that are announced from now on.
func (w *fixture) revoked() func() []token.Hash {
	var mu sync.Mutex
	var hashes []token.Hash
	w.DB.Watch(func(changes []db.Change, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes {
			if c.Topic == token.Topic {
				hashes = append(hashes, token.Hash([]byte(c.Key)))
			}
		}
	})
	return func() []token.Hash {
		mu.Lock()
		defer mu.Unlock()
		return hashes
	}
}

func TestSignIn(t *testing.T) {
	w := newFixture(t, core.Config{})
	one, two := w.signIn(t, "tv"), w.signIn(t, "tv")
	if !w.alive(t, one) || !w.alive(t, two) {
		t.Error("signing in again from the same device revoked the token before")
	}
	devices, err := paging.Rows(w.Devices.List(t.Context(), w.mia.ID, paging.Request{}))
	if err != nil || len(devices) != 1 {
		t.Errorf("two sign-ins from one device are devices %v (error %v), want one", devices, err)
	}
	if p := w.verify(t, one); p.DeviceID != devices[0].ID || p.TokenID != 1 || p.AccountID != w.mia.ID {
		t.Errorf("principal %+v", p)
	}
}

// The basis of a proof can have changed by the time it is spent.
func TestSignInSpendsProof(t *testing.T) {
	for _, test := range []struct {
		name string
		// code returns the code for a sign-in. If nil, none is needed, because there is no
		// second factor.
		code func(current plexauth.Secret, backup []plexauth.Secret) plexauth.Secret
		// before happens between the check and the sign-in.
		before func(context.Context, *fixture) error
		want   error
	}{
		{"nothing happened", nil, nil, nil},
		{"the password was changed", nil, func(ctx context.Context, w *fixture) error {
			return w.Accounts.SetPassword(ctx, w.by(), w.mia.ID, "another password")
		}, account.ErrCredentials},
		{"the account was disabled", nil, func(ctx context.Context, w *fixture) error {
			return w.Accounts.Disable(ctx, w.by(), w.mia.ID)
		}, account.ErrCredentials},
		{"the account was removed", nil, func(ctx context.Context, w *fixture) error {
			return w.Accounts.Remove(ctx, w.by(), w.mia.ID)
		}, account.ErrCredentials},
		{"a code", func(current plexauth.Secret, _ []plexauth.Secret) plexauth.Secret { return current }, nil, nil},
		{"a code that another sign-in has used", func(current plexauth.Secret, _ []plexauth.Secret) plexauth.Secret {
			return current
		}, signInBeforehand, account.ErrCode},
		{"a backup code", func(_ plexauth.Secret, backup []plexauth.Secret) plexauth.Secret { return backup[0] }, nil, nil},
		{"a backup code that another sign-in has used", func(_ plexauth.Secret, backup []plexauth.Secret) plexauth.Secret {
			return backup[0]
		}, func(ctx context.Context, w *fixture) error {
			w.code = w.backup[0]
			return signInBeforehand(ctx, w)
		}, account.ErrCode},
		{"a backup code of a factor that was removed", func(_ plexauth.Secret, backup []plexauth.Secret) plexauth.Secret {
			return backup[0]
		}, func(ctx context.Context, w *fixture) error {
			return w.Accounts.RemoveSecondFactor(ctx, w.by(), w.mia.ID)
		}, account.ErrCode},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			proof := w.prove(t, "")
			if test.code != nil {
				w.code, w.backup = w.enrol(t)
				proof = w.prove(t, test.code(w.code, w.backup))
			}
			if test.before != nil {
				if err := test.before(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := w.Count(t.Context())
			tok, err := w.SignIn(t.Context(), audit.Actor{}, proof, device.Device{ClientIdentifier: "tv"})
			if !errors.Is(err, test.want) || (tok != "") != (test.want == nil) {
				t.Fatalf("SignIn returned %d letters, %v, want %v", len(tok), err, test.want)
			}
			after, err := w.Count(t.Context())
			if added := after.Access - before.Access; err != nil || (added == 1) != (test.want == nil) {
				t.Errorf("%d tokens were added, %v", added, err)
			}
			if test.want != nil || test.code == nil {
				return
			}
			again := w.proveErr(t, test.code(w.code, w.backup))
			if !errors.Is(again, account.ErrCode) {
				t.Errorf("attack: the same code again returned %v, want ErrCode", again)
			}
		})
	}
}

// signInBeforehand uses the code that mia has.
func signInBeforehand(ctx context.Context, w *fixture) error {
	v, err := w.Accounts.VerifyPassword(ctx, audit.Actor{}, account.Credentials{
		Login: "mia", Password: coretest.Password, Code: w.code,
	})
	if err != nil {
		return err
	}
	_, err = w.SignIn(ctx, audit.Actor{}, v.Proof, device.Device{ClientIdentifier: "another"})
	return err
}

// enrol adds a second factor to mia's account, and returns its code and the backup codes.
func (w *fixture) enrol(t *testing.T) (code plexauth.Secret, backup []plexauth.Secret) {
	t.Helper()
	e := account.NewEnrolment("usher", "mia")
	backup, err := w.Accounts.Enrol(t.Context(), w.by(), w.mia.ID, e, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := totp.GenerateCode(string(e.Secret), w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return plexauth.Secret(text), backup
}

// prove returns the proof of mia's password and of a code.
func (w *fixture) prove(t *testing.T, code plexauth.Secret) signin.Proof {
	t.Helper()
	v, err := w.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{
		Login: "mia", Password: coretest.Password, Code: code,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v.Proof
}

// proveErr signs in with a code and returns the error, of the check or of the
// spending.
func (w *fixture) proveErr(t *testing.T, code plexauth.Secret) error {
	t.Helper()
	v, err := w.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{
		Login: "mia", Password: coretest.Password, Code: code,
	})
	if err == nil {
		_, err = w.SignIn(t.Context(), audit.Actor{}, v.Proof, device.Device{ClientIdentifier: "tv"})
	}
	return err
}

// A sign-in and its row are one commit.
func TestSignInIsOneCommit(t *testing.T) {
	w := newFixture(t, core.Config{})
	proof := w.prove(t, "")
	before := w.DB.Commits()
	if _, err := w.SignIn(t.Context(), audit.Actor{}, proof, device.Device{ClientIdentifier: "tv"}); err != nil {
		t.Fatal(err)
	}
	if n := w.DB.Commits() - before; n != 1 {
		t.Errorf("it took %d commits, want 1", n)
	}
	list, err := w.Audit.List(t.Context(), audit.Query{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Event != audit.SignIn || list[0].Account != "mia" {
		t.Errorf("the log ends with %+v, %v", list, err)
	}
}

// Sign-ins that wait together share a commit, and one that fails undoes nothing
// of the others'.
func TestSignInsShareCommits(t *testing.T) {
	w := newFixture(t, core.Config{})
	const n = 200
	proofs := make([]signin.Proof, n)
	for i := range proofs {
		proofs[i] = w.prove(t, "")
		if i%10 == 0 { // is void, since it was spent
			if _, err := w.SignIn(t.Context(), audit.Actor{}, proofs[i], device.Device{ClientIdentifier: "old"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := w.DB.Commits()
	var wg sync.WaitGroup
	tokens, errs := make([]plexauth.Secret, n), make([]error, n)
	for i := range n {
		wg.Go(func() {
			d := device.Device{ClientIdentifier: fmt.Sprint("device", i)}
			tokens[i], errs[i] = w.SignIn(t.Context(), audit.Actor{}, proofs[i], d)
		})
	}
	wg.Wait()
	again := w.Restart().Tokens
	for i, err := range errs {
		_, dead := again.Verify(t.Context(), tokens[i])
		if bad := i%10 == 0; bad != errors.Is(err, account.ErrCredentials) || bad != (dead != nil) {
			t.Errorf("sign-in %d: error %v, and its token returned %v", i, err, dead)
		}
	}
	if commits := w.DB.Commits() - before; commits >= n {
		t.Errorf("%d sign-ins took %d commits: they did not share any", n, commits)
	}
}

func TestDeviceHoldsTenTokens(t *testing.T) {
	w := newFixture(t, core.Config{})
	revoked := w.revoked()
	tokens := make([]plexauth.Secret, token.PerDevice)
	for i := range tokens {
		tokens[i] = w.signIn(t, "tv")
		w.Clock.Advance(time.Minute)
	}
	// The first is used again: the second is now the least recently used,
	// although the use is not in the database yet.
	w.verify(t, tokens[0])
	phone := w.signIn(t, "phone")
	eleventh := w.signIn(t, "tv")
	for i, tok := range tokens {
		if got, want := w.alive(t, tok), i != 1; got != want {
			t.Errorf("token %d is there: %v, want %v", i, got, want)
		}
	}
	if !w.alive(t, phone) || !w.alive(t, eleventh) {
		t.Error("the new token or another device's was revoked")
	}
	if diff := cmp.Diff([]token.Hash{token.HashOf(tokens[1])}, revoked()); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	list, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.TokenRevoked}})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Detail, "1 of the device's") {
		t.Errorf("the log says %+v, %v", list, err)
	}
}

// A server token is revoked, and announced, with everything that it depends on.
func TestServerTokenEndsWithItsParent(t *testing.T) {
	for name, end := range map[string]func(context.Context, *fixture, token.Principal, source.Source) error{
		"token revoked": func(ctx context.Context, w *fixture, p token.Principal, _ source.Source) error {
			return w.Revoke(ctx, w.by(), p.TokenID)
		},
		"signed out": func(ctx context.Context, w *fixture, p token.Principal, _ source.Source) error {
			return w.SignOut(ctx, w.by(), p)
		},
		"device revoked": func(ctx context.Context, w *fixture, p token.Principal, _ source.Source) error {
			return w.RevokeDevice(ctx, w.by(), w.mia.ID, p.DeviceID)
		},
		"everything revoked": func(ctx context.Context, w *fixture, _ token.Principal, _ source.Source) error {
			return w.Sessions.RevokeOthers(ctx, w.by(), w.mia.ID, 0)
		},
		"evicted": func(ctx context.Context, w *fixture, _ token.Principal, _ source.Source) error {
			for range token.PerDevice {
				if _, err := w.SignIn(ctx, w.by(), w.Prove(w.mia).Proof, device.Device{ClientIdentifier: "tv"}); err != nil {
					return err
				}
				w.Clock.Advance(time.Minute)
			}
			return nil
		},
		"server removed": func(ctx context.Context, w *fixture, _ token.Principal, s source.Source) error {
			return w.Sources.Remove(ctx, w.by(), source.Ref{Kind: s.Kind, Identifier: s.Identifier})
		},
		"share removed": func(ctx context.Context, w *fixture, _ token.Principal, s source.Source) error {
			return w.Sources.Unshare(ctx, w.by(), s, w.mia.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			attic := w.AddSource(source.Source{
				Kind: source.Server, Identifier: "attic", Name: "Attic",
				Connections: []source.Connection{{URI: "http://192.0.2.6:32400"}},
			})
			p := w.verify(t, w.signIn(t, "tv"))
			if _, err := w.serverToken(t, p, attic.ID); !errors.Is(err, source.ErrReach) {
				t.Fatalf("attack: a token for a server that is not shared: %v, want ErrReach", err)
			}
			if err := w.Sources.Share(t.Context(), w.by(), attic, w.mia.ID); err != nil {
				t.Fatal(err)
			}
			child, err := w.serverToken(t, p, attic.ID)
			if err != nil {
				t.Fatal(err)
			}
			w.verify(t, child)
			revoked := w.revoked()
			if err := end(t.Context(), w, p, attic); err != nil {
				t.Fatal(err)
			}
			refused(t, w.Service, "the child", child)
			if w.alive(t, child) {
				t.Error("the child is still there")
			}
			var announced bool
			for _, h := range revoked() {
				announced = announced || h == token.HashOf(child)
			}
			if !announced {
				t.Errorf("revoking the child was not announced: %x", revoked())
			}
		})
	}
}

// Attack: the operator of a server stores a received token. It is revoked, and the next
// listing of the same program makes it valid again.
func TestRevokedServerTokenStaysRevoked(t *testing.T) {
	for name, revoke := range map[string]func(context.Context, *fixture, int64, source.Source) error{
		"revoked": func(ctx context.Context, w *fixture, id int64, _ source.Source) error {
			return w.Revoke(ctx, w.by(), id)
		},
		"not shared for a while": func(ctx context.Context, w *fixture, _ int64, s source.Source) error {
			return errors.Join(w.Sources.Unshare(ctx, w.by(), s, w.mia.ID), w.Sources.Share(ctx, w.by(), s, w.mia.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			var servers []source.Source
			for _, id := range []string{"attic", "cellar"} {
				src := w.AddSource(source.Source{
					Kind: source.Server, Identifier: id, Name: id, Connections: []source.Connection{{URI: "http://192.0.2.6:32400"}},
				})
				if err := w.Sources.Share(t.Context(), w.by(), src, w.mia.ID); err != nil {
					t.Fatal(err)
				}
				servers = append(servers, src)
			}
			list := func(p token.Principal, i int) plexauth.Secret {
				t.Helper()
				tok, err := w.serverToken(t, p, servers[i].ID)
				if err != nil {
					t.Fatal(err)
				}
				w.verify(t, tok)
				return tok
			}
			tv, phone := w.verify(t, w.signIn(t, "tv")), w.verify(t, w.signIn(t, "phone"))
			cellar := list(tv, 1)
			var old []plexauth.Secret
			for range 3 {
				tok := list(tv, 0)
				if slices.Contains(old, tok) || list(tv, 0) != tok {
					t.Fatal("a revoked token is returned again, or another one at each listing")
				}
				id := w.verify(t, tok).TokenID
				if err := revoke(t.Context(), w, id, servers[0]); err != nil {
					t.Fatal(err)
				}
				old = append(old, tok)
				list(tv, 0)
				list(phone, 0)
				again, err := w.Core.Core.Restart(t.Context()) // nothing of it is in memory only
				if err != nil {
					t.Fatal(err)
				}
				for _, tok := range old {
					refused(t, w.Service, "attack: a revoked token", tok)
					refused(t, again.Tokens, "attack: a revoked token, after a restart", tok)
				}
			}
			if list(tv, 1) != cellar {
				t.Error("the token for another server is another one")
			}
		})
	}
}

// Many concurrent requests for the same server token get the same one, and one row.
func TestServerTokenIsAddedOnce(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := w.verify(t, w.signIn(t, "tv"))
	tokens := make([]plexauth.Secret, 20)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			var err error
			if tokens[i], err = w.serverToken(t, p, w.den.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, tok := range tokens {
		if tok != tokens[0] {
			t.Error("two requests got different tokens")
		}
	}
	counts, err := w.Count(t.Context())
	if err != nil || counts != (token.Counts{Access: 1, Server: 1}) {
		t.Errorf("there are %+v, %v", counts, err)
	}
}

// Attack: revoking devices of other accounts by their numbers.
func TestRevokeAnothersDevice(t *testing.T) {
	w := newFixture(t, core.Config{})
	noa := w.Core.Add("noa")
	tok := w.signIn(t, "tv")
	p := w.verify(t, tok)
	err := w.RevokeDevice(t.Context(), audit.Actor{AccountID: noa.ID}, noa.ID, p.DeviceID)
	if !errors.Is(err, token.ErrNoDevice) {
		t.Errorf("it returned %v, want ErrNoDevice", err)
	}
	w.verify(t, tok)
}

// No device has the number 0. It must not mean all: /devices/0 signed out
// every device of the account.
func TestNumberZeroRevokesNothing(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	p := w.verify(t, tok)
	for name, err := range map[string]error{
		"a device":           w.RevokeDevice(t.Context(), w.by(), w.mia.ID, 0),
		"nobody's device":    w.RevokeDevice(t.Context(), w.by(), 0, p.DeviceID),
		"a device of nobody": w.RevokeDevice(t.Context(), w.by(), 0, 0),
	} {
		if !errors.Is(err, token.ErrNoDevice) {
			t.Errorf("%s: %v, want ErrNoDevice", name, err)
		}
	}
	err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		n, err := w.RevokeServer(ctx, tx, 0, w.mia.ID)
		if n != 0 {
			t.Errorf("revoking server 0: %d tokens", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.verify(t, tok)
}

// Changes are announced before the call that made them returns.
func TestWatch(t *testing.T) {
	w := newFixture(t, core.Config{})
	tok := w.signIn(t, "tv")
	var mu sync.Mutex
	var got []db.Change
	w.DB.Watch(func(changes []db.Change, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, changes...)
	})
	if err := w.Accounts.Disable(t.Context(), w.by(), w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.Revoke(t.Context(), w.by(), 1); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]db.Change{
		{Topic: account.Topic, Key: db.IDKey(w.mia.ID)}, {Topic: token.Topic, Key: token.HashOf(tok).Key()},
	}, got); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}

// An account can have device.PerAccount devices. One more replaces the one
// that was inactive for longest, whatever its tokens; other accounts' devices stay.
func TestAccountHoldsManyDevices(t *testing.T) {
	w := newFixture(t, core.Config{})
	name := func(i int) string { return fmt.Sprint("device ", i) }
	tokens := make([]plexauth.Secret, device.PerAccount)
	for i := range tokens {
		tokens[i] = w.signIn(t, name(i))
		w.Clock.Advance(time.Minute)
	}
	again := w.signIn(t, name(3)) // no more devices than before
	w.verify(t, tokens[0])        // seen again, which is not in the database yet
	revoked := w.revoked()
	newest := w.signIn(t, "the newest")
	for i, tok := range tokens {
		if got, want := w.alive(t, tok), i != 1; got != want {
			t.Errorf("the token of device %d is there: %v, want %v", i, got, want)
		}
	}
	if !w.alive(t, again) || !w.alive(t, newest) {
		t.Error("the newest tokens are gone")
	}
	if diff := cmp.Diff([]token.Hash{token.HashOf(tokens[1])}, revoked()); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	list, err := paging.Rows(w.Devices.List(t.Context(), w.mia.ID, paging.Request{Limit: 1000}))
	if err != nil || len(list) != device.PerAccount {
		t.Errorf("%d devices, %v, want %d", len(list), err, device.PerAccount)
	}
	// A signed-out device is evicted first, however recently it was seen.
	w.Clock.Advance(time.Minute)
	if err := w.SignOut(t.Context(), w.by(), w.verify(t, newest)); err != nil {
		t.Fatal(err)
	}
	w.signIn(t, "one more")
	if !w.alive(t, tokens[2]) {
		t.Error("a device with a token was evicted before one without")
	}
	log, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.TokenRevoked}})
	if err != nil || len(log) != 1 || !strings.Contains(log[0].Detail, "not seen for longest") {
		t.Errorf("the log says %+v, %v", log, err)
	}
}
