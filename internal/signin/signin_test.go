package signin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// fixture is the services with one account.
type fixture struct {
	*coretest.Core
	t   *testing.T
	mia account.Account

	enrolment account.Enrolment
	backup    []plexauth.Secret
	key       *passkeytest.Key
}

// by is the actor who signs in.
var by = audit.Actor{Device: "Player", Address: "192.0.2.1"}

// site is the site of the passkeys.
var site = passkey.Party{ID: "localhost", Origins: []string{"http://localhost"}}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	c := coretest.New(t, cfg)
	return &fixture{Core: c, t: t, mia: c.Add("mia")}
}

// withFactors returns a fixture with a second factor and a passkey.
func withFactors(t *testing.T) *fixture {
	t.Helper()
	w := newFixture(t, core.Config{})
	w.enrol()
	options, err := w.Passkeys.BeginAdd(t.Context(), site, w.mia, "browser")
	w.must(err)
	var answer []byte
	w.key, answer = passkeytest.Create(t, options, "http://localhost")
	w.must(w.Passkeys.FinishAdd(t.Context(), by, site, w.mia, "browser", "phone", answer))
	return w
}

func (w *fixture) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) enrol() {
	w.t.Helper()
	var err error
	w.enrolment = account.NewEnrolment("usher", "mia")
	w.backup, err = w.Accounts.Enrol(w.t.Context(), by, w.mia.ID, w.enrolment, "")
	w.must(err)
}

// totp returns the code that mia's authenticator shows.
func (w *fixture) totp() plexauth.Secret {
	w.t.Helper()
	code, err := totp.GenerateCode(string(w.enrolment.Secret), w.Clock.Now())
	w.must(err)
	return plexauth.Secret(code)
}

// password returns the proof of mia's password, with a code if there is one.
func (w *fixture) password(code plexauth.Secret) signin.Proof {
	w.t.Helper()
	v, err := w.Accounts.VerifyPassword(w.t.Context(), by, account.Credentials{
		Login: "mia", Password: coretest.Password, Code: code,
	})
	w.must(err)
	return v.Proof
}

// passkey returns the proof of mia's passkey, in a browser.
func (w *fixture) passkey(browser string) signin.Proof {
	w.t.Helper()
	options, err := w.Passkeys.BeginSignIn(w.t.Context(), site, browser, by.Address)
	w.must(err)
	v, err := w.Passkeys.FinishSignIn(w.t.Context(), by, site, browser, w.key.Sign(w.t, options))
	w.must(err)
	return v.Proof
}

// toToken spends a proof on a token, and toSession on a session.
func (w *fixture) toToken(p signin.Proof) error {
	_, err := w.Tokens.SignIn(w.t.Context(), by, p, device.Device{ClientIdentifier: "tv"})
	return err
}

func (w *fixture) toSession(p signin.Proof) error {
	_, _, err := w.Sessions.Start(w.t.Context(), by, p, true, "Firefox")
	return err
}

func (w *fixture) wants(what string, err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// signedIn counts the tokens and sessions.
func (w *fixture) signedIn() int {
	w.t.Helper()
	tokens, err := w.Tokens.Count(w.t.Context())
	w.must(err)
	sessions, err := w.Sessions.Count(w.t.Context())
	w.must(err)
	return tokens.Access + sessions
}

// Attack: one proof is spent on more than one token or session.
func TestProofIsSpentOnce(t *testing.T) {
	for name, row := range map[string]struct {
		prove func(*fixture) signin.Proof
		want  error
	}{
		"a password, with a verification code": {func(w *fixture) signin.Proof { return w.password(w.totp()) }, account.ErrCode},
		"a password, with a backup code":       {func(w *fixture) signin.Proof { return w.password(w.backup[0]) }, account.ErrCode},
		"a passkey":                            {func(w *fixture) signin.Proof { return w.passkey("a") }, passkey.ErrRejected},
		"a password alone": {func(w *fixture) signin.Proof {
			w.must(w.Accounts.RemoveSecondFactor(w.t.Context(), by, w.mia.ID))
			return w.password("")
		}, account.ErrCredentials},
	} {
		for first, spend := range map[string]func(*fixture, signin.Proof) error{
			"on a token": (*fixture).toToken, "on a session": (*fixture).toSession,
		} {
			t.Run(name+" "+first, func(t *testing.T) {
				w := withFactors(t)
				p := row.prove(w)
				w.must(spend(w, p))
				w.wants("attack: spending it on a token after that", w.toToken(p), row.want)
				w.wants("attack: spending it on a session after that", w.toSession(p), row.want)
				if n := w.signedIn(); n != 1 {
					t.Errorf("it led to %d tokens and sessions, want 1", n)
				}
			})
		}
	}
	t.Run("the first account", func(t *testing.T) {
		c := coretest.New(t, core.Config{})
		v, err := c.Accounts.AddFirst(t.Context(), by, account.NewAccount{Username: "ada", Password: coretest.Password})
		if err != nil {
			t.Fatal(err)
		}
		w := &fixture{Core: c, t: t, mia: v.Account}
		w.must(w.toSession(v.Proof))
		w.wants("attack: spending it again", w.toToken(v.Proof), account.ErrCredentials)
	})
}

// spender returns a Spender for proofs that a test creates.
func (w *fixture) spender() *signin.Spender {
	return signin.New(signin.Config{DB: w.DB, Rows: store.Proofs{}, Audit: w.Audit})
}

// The error for a void proof is that of its claim, and nothing is written.
func TestVoid(t *testing.T) {
	w := newFixture(t, core.Config{})
	void := errors.New("void")
	asked := 0
	p := signin.NewProof(signin.Claim{
		AccountID: w.mia.ID, Void: func(_ context.Context, got audit.Actor) error {
			if asked++; got != by {
				t.Errorf("the actor is %+v, want %+v", got, by)
			}
			return void
		},
	})
	ran := 0
	do := func(_ context.Context, _ *db.Tx, spent signin.Spent) error {
		if ran++; spent != (signin.Spent{AccountID: w.mia.ID, Username: "mia"}) {
			t.Errorf("spent is %+v", spent)
		}
		return nil
	}
	w.must(w.spender().Spend(t.Context(), by, p, do))
	w.wants("the second time", w.spender().Spend(t.Context(), by, p, do), void)
	if ran != 1 || asked != 1 {
		t.Errorf("the write ran %d times and Void %d times, want once each", ran, asked)
	}
}

// PostgreSQL can end a transaction because of another one. The write then runs again, and
// the proof that it spends is not void.
func TestSpendRunsAgain(t *testing.T) {
	w := newFixture(t, core.Config{})
	p := signin.NewProof(signin.Claim{
		AccountID: w.mia.ID, Void: func(context.Context, audit.Actor) error { return errors.New("void") },
	})
	ran := 0
	do := func(context.Context, *db.Tx, signin.Spent) error {
		if ran++; ran == 1 {
			return &pgconn.PgError{Code: "40P01"} // deadlock_detected
		}
		return nil
	}
	w.must(w.spender().Spend(t.Context(), by, p, do))
	if ran != 2 {
		t.Errorf("the write ran %d times, want 2", ran)
	}
}

// The zero proof proves nothing, and is an error of the caller.
func TestZeroProof(t *testing.T) {
	w := newFixture(t, core.Config{})
	var p signin.Proof
	if p.AccountID() != 0 || p.Revision() != 0 {
		t.Errorf("it is about account %d at revision %d", p.AccountID(), p.Revision())
	}
	for what, err := range map[string]error{
		"a token": w.toToken(p), "a session": w.toSession(p),
		"the other half of a session": func() error {
			_, err := w.Sessions.Complete(t.Context(), by, session.Session{}, p)
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("attack: the zero proof leads to %s", what)
		}
	}
	if n := w.signedIn(); n != 0 {
		t.Errorf("there are %d tokens and sessions", n)
	}
}

// Attack: the password alone signs in to an account with a second factor, where
// a caller forgets to ask for the second factor.
func TestPartialProof(t *testing.T) {
	w := withFactors(t)
	ctx := t.Context()
	if err := w.toToken(w.password("")); err == nil {
		t.Error("it leads to a token")
	}
	if err := w.toSession(w.password("")); err == nil {
		t.Error("it leads to a complete session")
	}
	_, half, err := w.Sessions.Start(ctx, by, w.password(""), false, "Firefox")
	w.must(err)
	if _, err := w.Sessions.Complete(ctx, by, half, w.password("")); err == nil {
		t.Error("it completes a session that waits for the second factor")
	}
	if n := w.signedIn(); n != 0 {
		t.Errorf("there are %d tokens and sessions", n)
	}
	v, err := w.Accounts.VerifyCode(ctx, by, account.Caller{}, w.mia.ID, half.Revision, w.totp())
	w.must(err)
	if _, err = w.Sessions.Complete(ctx, by, half, v.Proof); err != nil {
		t.Errorf("after that, the second factor does not complete the session: %v", err)
	}
}

// changes are the changes that move an account to its next revision.
var changes = map[string]func(*fixture) error{
	"the password was changed": func(w *fixture) error {
		return w.Accounts.SetPassword(w.t.Context(), by, w.mia.ID, "another password")
	},
	"the password was set to the same": func(w *fixture) error {
		return w.Accounts.SetPassword(w.t.Context(), by, w.mia.ID, coretest.Password)
	},
	"a second factor was added": func(w *fixture) error {
		_, err := w.Accounts.Enrol(w.t.Context(), by, w.mia.ID, account.NewEnrolment("usher", "mia"), "")
		return err
	},
	"the second factor was removed": func(w *fixture) error {
		return w.Accounts.RemoveSecondFactor(w.t.Context(), by, w.mia.ID)
	},
}

// Attack: someone gets a proof just before the password or the second factor changes,
// and spends it after that.
func TestProofOfAnEarlierRevision(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			w := withFactors(t)
			partial := w.password("")
			proofs := map[error][]signin.Proof{
				account.ErrCode:     {w.password(w.totp()), w.password(w.backup[0])},
				passkey.ErrRejected: {w.passkey("browser")},
			}
			w.must(change(w))
			_, _, err := w.Sessions.Start(t.Context(), by, partial, false, "Firefox")
			w.wants("attack: spending it on a half session", err, account.ErrCredentials)
			for want, list := range proofs {
				for _, p := range list {
					w.wants("attack: spending it on a session", w.toSession(p), want)
					w.wants("attack: spending it on a token", w.toToken(p), want)
				}
			}
			if n := w.signedIn(); n != 0 {
				t.Errorf("there are %d tokens and sessions", n)
			}
			list, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SignInRefused}})
			if err != nil || len(list) != 7 || list[0].Device != by.Device || list[0].Account != "mia" {
				t.Errorf("the log has %d rows of these attempts, %v, want 7", len(list), err)
			}
		})
	}
	for name, change := range map[string]func(*fixture) error{
		"was renamed": func(w *fixture) error {
			return w.Accounts.SetIdentity(w.t.Context(), by, w.mia.ID, "Mia", "mia@example.org")
		},
		"was disabled and enabled": func(w *fixture) error {
			return errors.Join(
				w.Accounts.Disable(w.t.Context(), by, w.mia.ID), w.Accounts.Enable(w.t.Context(), by, w.mia.ID),
			)
		},
	} {
		t.Run("the account "+name, func(t *testing.T) {
			w := newFixture(t, core.Config{})
			p := w.password("")
			w.must(change(w))
			if err := w.toToken(p); err != nil {
				t.Errorf("the proof is void: %v", err)
			}
		})
	}
}

// Attack: someone has entered the old password before it was changed, and waits at the
// second factor. The half session is void immediately.
func TestHalfSessionOfAnEarlierRevision(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			w := withFactors(t)
			ctx := t.Context()
			cookie, half, err := w.Sessions.Start(ctx, by, w.password(""), false, "Firefox")
			w.must(err)
			early, err := w.Accounts.VerifyCode(ctx, by, account.Caller{}, w.mia.ID, half.Revision, w.backup[1])
			w.must(err)
			options, err := w.Passkeys.BeginSecondFactor(ctx, site, w.mia.ID, "browser")
			w.must(err)
			_, err = w.Sessions.Find(ctx, cookie, by.Address)
			w.must(err)

			w.must(change(w))
			_, err = w.Sessions.Find(ctx, cookie, by.Address)
			w.wants("attack: going on with the half session", err, session.ErrNotFound)
			_, err = w.Accounts.VerifyCode(ctx, by, account.Caller{}, w.mia.ID, half.Revision, w.totp())
			w.wants("attack: a right code as the second step", err, account.ErrCredentials)
			_, err = w.Accounts.VerifyCode(ctx, by, account.Caller{}, w.mia.ID, half.Revision, w.backup[0])
			w.wants("attack: a backup code as the second step", err, account.ErrCredentials)
			_, err = w.Passkeys.FinishSecondFactor(
				ctx, by, site, w.mia.ID, half.Revision, "browser", w.key.Sign(t, options))
			w.wants("attack: a passkey as the second step", err, passkey.ErrRejected)
			_, err = w.Sessions.Complete(ctx, by, half, early.Proof)
			w.wants("attack: a second step that was taken before the change", err, account.ErrCode)
			_, err = w.Sessions.Complete(ctx, by, half, w.passkey("another"))
			w.wants("attack: a proof of after the change", err, session.ErrNotFound)
			if n := w.signedIn(); n != 0 {
				t.Errorf("there are %d tokens and sessions", n)
			}
		})
	}
}

// Attack: many concurrent requests in two processes use the same one-time code. One
// succeeds.
func TestConcurrentCodeIsSpentOnce(t *testing.T) {
	const n = 20
	for name, row := range map[string]struct {
		code func(*fixture) plexauth.Secret
		want error
	}{
		"a verification code": {(*fixture).totp, account.ErrCode},
		"a backup code":       {func(w *fixture) plexauth.Secret { return w.backup[0] }, account.ErrCode},
		"a passkey":           {nil, passkey.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			w := withFactors(t)
			other := w.Core.Restart()
			proofs := make([]signin.Proof, n)
			for i := range proofs {
				if row.code == nil {
					proofs[i] = w.passkey(fmt.Sprint("browser ", i))
				} else {
					proofs[i] = w.password(row.code(w))
				}
			}
			errs := make([]error, n)
			var wg sync.WaitGroup
			for i, p := range proofs {
				wg.Go(func() {
					switch i % 3 {
					case 0:
						errs[i] = w.toToken(p)
					case 1:
						errs[i] = w.toSession(p)
					default:
						_, errs[i] = other.Tokens.SignIn(t.Context(), by, p, device.Device{ClientIdentifier: "phone"})
					}
				})
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					w.wants("attack: the same code again", err, row.want)
				}
			}
			if got := w.signedIn(); won != 1 || got != 1 {
				t.Errorf("%d succeeded and there are %d tokens and sessions, want one each", won, got)
			}
		})
	}
}

// If the transaction that spends a proof fails, its codes are not used up.
func TestFailedWriteUsesNothing(t *testing.T) {
	failed := errors.New("failed on purpose")
	for name, code := range map[string]func(*fixture) plexauth.Secret{
		"a verification code": (*fixture).totp,
		"a backup code":       func(w *fixture) plexauth.Secret { return w.backup[0] },
	} {
		t.Run(name, func(t *testing.T) {
			w := withFactors(t)
			err := w.spender().Spend(t.Context(), by, w.password(code(w)),
				func(context.Context, *db.Tx, signin.Spent) error { return failed })
			w.wants("spending it on what fails", err, failed)
			if err := w.toToken(w.password(code(w))); err != nil {
				t.Errorf("the code was used: %v", err)
			}
		})
	}
}

// A proved sign-in is completed even if the client disconnects, and a failed one is
// recorded.
func TestCallerHangsUp(t *testing.T) {
	w := newFixture(t, core.Config{})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	p := w.password("")
	_, err := w.Tokens.SignIn(gone, by, p, device.Device{ClientIdentifier: "tv"})
	w.must(err)
	_, err = w.Tokens.SignIn(gone, by, p, device.Device{ClientIdentifier: "tv"})
	w.wants("the second time", err, account.ErrCredentials)
	list, err := w.Audit.List(t.Context(), audit.Query{Limit: 2})
	if err != nil || len(list) != 2 || list[0].Event != audit.SignInRefused || list[1].Event != audit.SignIn {
		t.Errorf("the log ends with %+v, %v", list, err)
	}
}

// The content of a proof never reaches a log.
func TestProofIsNotShown(t *testing.T) {
	secret := "$argon2id$secret"
	p := signin.NewProof(signin.Claim{
		AccountID: 424242, Revision: 434343, NewPasswordHash: plexauth.Secret(secret), TOTPStep: 454545,
		BackupCode: signin.Hash([]byte(strings.Repeat("b", 32))), UsedBackup: true,
		Passkey: signin.PasskeyUse{ID: 464646, Was: []byte("was this"), Is: []byte("is this")},
	})
	shown := []string{p.String(), p.GoString()}
	for _, v := range []any{p, &p, []signin.Proof{p}, struct{ P signin.Proof }{p}, account.Verified{Proof: p}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "proof", p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "proof", p)
	shown = append(shown, log.String())
	hidden := []string{secret, "argon2id", "424242", "434343", "454545", "464646", "bbbb", "was this", "is this"}
	for _, text := range shown {
		for _, part := range hidden {
			if strings.Contains(text, part) || strings.Contains(text, fmt.Sprintf("%x", part)) {
				t.Errorf("%q is shown in %s", part, text)
			}
		}
	}
}
