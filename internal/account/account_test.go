package account_test

import (
	"context"
	"encoding/base32"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/plexauth"
)

// cheap is a cost that lets tests hash often.
var cheap = account.Cost{Memory: 64, Time: 1, Threads: 1}

const password = coretest.Password

// visitor signs in, and operator changes accounts.
var (
	visitor  = audit.Actor{Address: "192.0.2.1"}
	operator = audit.Actor{Name: "test"}
)

// fixture is the service with one account.
type fixture struct {
	*account.Service
	ctx  context.Context // of the test
	core *coretest.Core
	dir  string
	mia  account.Account
}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	cfg.Dir, cfg.HashCost = t.TempDir(), cheap
	c := coretest.New(t, cfg)
	w := &fixture{Service: c.Accounts, ctx: t.Context(), core: c, dir: cfg.Dir}
	var err error
	w.mia, err = w.Add(t.Context(), operator, account.NewAccount{Username: "Mia", Email: "Mia@Example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *fixture) now() time.Time { return w.core.Clock.Now() }

// enrol adds a second factor to mia's account.
func (w *fixture) enrol(t *testing.T) (e account.Enrolment, backup []plexauth.Secret) {
	t.Helper()
	e = account.NewEnrolment("usher", "Mia")
	backup, err := w.Enrol(t.Context(), operator, w.mia.ID, e, "")
	if err != nil {
		t.Fatal(err)
	}
	return e, backup
}

// code is the code in another program's authenticator.
func code(t *testing.T, e account.Enrolment, at time.Time) plexauth.Secret {
	t.Helper()
	c, err := totp.GenerateCode(string(e.Secret), at)
	if err != nil {
		t.Fatal(err)
	}
	return plexauth.Secret(c)
}

func (w *fixture) verify(login string, password, code plexauth.Secret) (account.Verified, error) {
	return w.Verify(context.Background(), visitor, account.Credentials{Login: login, Password: password, Code: code})
}

// signIn verifies and spends the proof, as a sign-in does.
func (w *fixture) signIn(t *testing.T, password, code plexauth.Secret) error {
	t.Helper()
	v, err := w.verify("mia", password, code)
	if err != nil {
		return err
	}
	_, err = w.core.Tokens.SignIn(t.Context(), visitor, v.Proof, device.Device{ClientIdentifier: "test"})
	return err
}

func TestVerifyPassword(t *testing.T) {
	w := newFixture(t, core.Config{})
	for _, test := range []struct {
		name, login, password string
		want                  error
	}{
		{"username", "Mia", password, nil},
		{"username in another case", "mIA", password, nil},
		{"e-mail", "Mia@Example.org", password, nil},
		{"e-mail in another case", "mia@EXAMPLE.ORG", password, nil},
		{"white space around it", " mia ", password, nil},
		{"wrong password", "mia", "wrong", account.ErrCredentials},
		{"password in another case", "mia", strings.ToUpper(password), account.ErrCredentials},
		{"no password", "mia", "", account.ErrCredentials},
		{"unknown login", "noa", password, account.ErrCredentials},
		{"no login", "", password, account.ErrCredentials},
		{"digits after the password, without a second factor", "mia", password + "123456", account.ErrCredentials},
		{"control characters", "mia\x00", password, account.ErrCredentials},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := w.verify(test.login, plexauth.Secret(test.password), ""); !errors.Is(err, test.want) {
				t.Errorf("Verify returned %v, want %v", err, test.want)
			}
		})
	}
}

// A password typed with another keyboard, which composes its accents
// differently, is the same password.
func TestPasswordsAreNormalised(t *testing.T) {
	w := newFixture(t, core.Config{})
	if err := w.SetPassword(t.Context(), operator, w.mia.ID, "Zoe\u0308 und Ren\u00e9"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.verify("mia", "Zo\u00eb und Rene\u0301", ""); err != nil {
		t.Error(err)
	}
}

func TestDisabledAccountCannotSignIn(t *testing.T) {
	w := newFixture(t, core.Config{})
	if err := w.Disable(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	_, disabled := w.verify("mia", password, "")
	_, unknown := w.verify("noa", password, "")
	if !errors.Is(disabled, account.ErrCredentials) || disabled.Error() != unknown.Error() {
		t.Errorf("a disabled account returned %q, an unknown one %q: want the same", disabled, unknown)
	}
}

func TestSecondFactor(t *testing.T) {
	w := newFixture(t, core.Config{})
	e, backup := w.enrol(t)
	steps := []struct {
		name           string
		password, code plexauth.Secret
		want           error
	}{
		{"needed", password, "", account.ErrCode},
		{"wrong", password, "000000", account.ErrCode},
		{"given", password, code(t, e, w.now()), nil},
		{"attack: the same code again", password, code(t, e, w.now()), account.ErrCode},
		{"attack: the code before it", password, code(t, e, w.now().Add(-30*time.Second)), account.ErrCode},
		{"the clock of the app is half a minute ahead", password, code(t, e, w.now().Add(30*time.Second)), nil},
		{"two minutes ahead", password, code(t, e, w.now().Add(2*time.Minute)), account.ErrCode},
		{"a wrong password before the code", "wrong" + code(t, e, w.now()), "", account.ErrCredentials},
		{"backup code", password, backup[0], nil},
		{"attack: the same backup code again", password, backup[0], account.ErrCode},
		{"backup code as people type it", password, " " + plexauth.Secret(strings.ToUpper(strings.ReplaceAll(string(backup[1]), "-", " "))), nil},
		{"backup code at the end of the password", password + backup[2], "", nil},
		{"attack: and again", password + backup[2], "", account.ErrCode},
		{"an unknown backup code", password, "0000-0000-0000", account.ErrCode},
	}
	for _, step := range steps {
		if err := w.signIn(t, step.password, step.code); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
	w.core.Clock.Advance(5 * time.Minute)
	if err := w.signIn(t, password+code(t, e, w.now()), ""); err != nil {
		t.Errorf("code at the end of the password: %v", err)
	}
	if err := w.signIn(t, password+code(t, e, w.now()), ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("attack: the same code at the end again: %v, want ErrCode", err)
	}
}

// Of two sign-ins with one code at the same time, one succeeds.
func TestCodeWorksOnceAtOnce(t *testing.T) {
	w := newFixture(t, core.Config{})
	e, _ := w.enrol(t)
	c := code(t, e, w.now())
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- w.signIn(t, password, c) }()
	}
	good := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			good++
		} else if !errors.Is(err, account.ErrCode) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d sign-ins got in with one code", good)
	}
}

func TestEnrolConfirms(t *testing.T) {
	w := newFixture(t, core.Config{})
	e := account.NewEnrolment("usher", "Mia")
	if _, err := w.Enrol(t.Context(), operator, w.mia.ID, e, "000000"); !errors.Is(err, account.ErrCode) {
		t.Errorf("a wrong code returned %v, want ErrCode", err)
	}
	if err := w.signIn(t, password, ""); err != nil {
		t.Errorf("the account changed although the code was wrong: %v", err)
	}
	confirmed := code(t, e, w.now())
	backup, err := w.Enrol(t.Context(), operator, w.mia.ID, e, confirmed)
	if err != nil || len(backup) != 10 {
		t.Fatal(backup, err)
	}
	if err := w.signIn(t, password, confirmed); !errors.Is(err, account.ErrCode) {
		t.Errorf("the code that confirmed works again: %v", err)
	}
	if err := w.RemoveSecondFactor(t.Context(), operator, w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.signIn(t, password, ""); err != nil {
		t.Errorf("without the second factor: %v", err)
	}
}

// A new seed accepts its first code immediately, whatever codes the previous seed accepted.
// Attack: a seed that is set again accepts a code twice.
func TestCodesOfAnotherSeed(t *testing.T) {
	w := newFixture(t, core.Config{})
	first, _ := w.enrol(t)
	if err := w.signIn(t, password, code(t, first, w.now().Add(30*time.Second))); err != nil {
		t.Fatal(err)
	}
	second, _ := w.enrol(t)
	used := code(t, second, w.now())
	if err := w.signIn(t, password, used); err != nil {
		t.Errorf("the first code of a new seed: %v", err)
	}
	for _, step := range []string{"enrolled again", "removed and enrolled again"} {
		if step != "enrolled again" {
			if err := w.RemoveSecondFactor(t.Context(), operator, w.mia.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Enrol(t.Context(), operator, w.mia.ID, second, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.signIn(t, password, used); !errors.Is(err, account.ErrCode) {
			t.Errorf("attack: a used code of a seed that is %s: %v, want ErrCode", step, err)
		}
	}
}

// RFC 6238, appendix B, the SHA-1 rows cut to six digits.
func TestTOTPVectors(t *testing.T) {
	seed := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]plexauth.Secret{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		w := newFixture(t, core.Config{})
		w.core.Clock.Set(time.Unix(at, 0))
		if _, err := w.Enrol(t.Context(), operator, w.mia.ID, account.Enrolment{Secret: plexauth.Secret(seed)}, want); err != nil {
			t.Errorf("at %d code %s: %v", at, string(want), err)
		}
	}
}

func TestPasswordIsRehashed(t *testing.T) {
	w := newFixture(t, core.Config{})
	stronger := coretest.New(t, core.Config{Dir: w.dir, HashCost: account.Cost{Memory: 128, Time: 1, Threads: 1}})
	before := w.mia.PasswordHash
	for _, want := range []bool{true, false} {
		v, err := stronger.Accounts.Verify(t.Context(), visitor, account.Credentials{Login: "mia", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stronger.Tokens.SignIn(t.Context(), visitor, v.Proof, device.Device{ClientIdentifier: "test"})
		if err != nil {
			t.Fatal(err)
		}
		a, err := w.Get(t.Context(), w.mia.ID)
		if err != nil || !strings.HasPrefix(string(a.PasswordHash), "$argon2id$v=19$m=128,t=1,p=1$") {
			t.Errorf("the hash is %s (error %v)", string(a.PasswordHash), err)
		}
		if got := a.PasswordHash != before; got != want {
			t.Errorf("rehashed: %v, want %v", got, want)
		}
		before = a.PasswordHash
	}
}

// Attack: all guesses are sent at the same time, before the first of them has failed.
func TestConcurrentGuessingIsLimited(t *testing.T) {
	const free, slots, guesses = 5, 2, 40
	w := newFixture(t, core.Config{FailedTries: free, HashSlots: slots, HashQueue: guesses})
	var checked atomic.Int64
	var wg sync.WaitGroup
	for range guesses {
		wg.Go(func() {
			if _, err := w.verify("mia", "wrong", ""); errors.Is(err, account.ErrCredentials) {
				checked.Add(1)
			}
		})
	}
	wg.Wait()
	if n := checked.Load(); n != free {
		t.Errorf("%d guesses were checked, want %d", n, free)
	}
}

// All who sign in at the same time with the right password succeed.
func TestConcurrentSignInsSucceed(t *testing.T) {
	const people = 40
	w := newFixture(t, core.Config{FailedTries: 5, HashSlots: 2, HashQueue: people})
	var wg sync.WaitGroup
	for range people {
		wg.Go(func() {
			if _, err := w.verify("mia", password, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestGuessingIsLimited(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 5})
	e, _ := w.enrol(t)
	limited := func(err error) bool { return errors.Is(err, account.ErrRateLimited) && fault.WaitOf(err) > 0 }

	for range 5 {
		if _, err := w.verify("mia", "wrong", ""); !errors.Is(err, account.ErrCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := w.verify("mia", password, ""); !limited(err) {
		t.Errorf("attack: the sixth guess at a password: %v", err)
	}
	other := account.Credentials{Login: "mia", Password: password, Code: code(t, e, w.now())}
	if _, err := w.Verify(t.Context(), audit.Actor{Address: "192.0.2.2"}, other); err != nil {
		t.Errorf("attack: locking an account by guessing from another network: %v", err)
	}
	w.core.Clock.Advance(time.Hour)
	for range 5 {
		if err := w.signIn(t, password, "000000"); !errors.Is(err, account.ErrCode) {
			t.Fatal(err)
		}
	}
	if err := w.signIn(t, password, code(t, e, w.now())); !limited(err) {
		t.Errorf("attack: the sixth guess at a code: %v", err)
	}
	w.core.Clock.Advance(time.Hour)
	guesser := audit.Actor{Address: "192.0.2.9"}
	for i := range 100 {
		_, _ = w.Verify(t.Context(), guesser, account.Credentials{Login: strings.Repeat("x", i%50+1), Password: "spring2026"})
	}
	if _, err := w.Verify(t.Context(), guesser, account.Credentials{Login: "mia", Password: "spring2026"}); !limited(err) {
		t.Errorf("attack: one password tried on many accounts from one address: %v", err)
	}
}

// A flood of sign-ins is rejected, not queued for ever.
func TestVerifyIsAdmitted(t *testing.T) {
	w := newFixture(t, core.Config{HashSlots: 1, HashQueue: 1})
	admission := w.core.Hashing
	leave, err := admission.Enter(t.Context(), guard.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := w.Verify(ctx, visitor, account.Credentials{Login: "mia", Password: password})
		waiting <- err
	}()
	for n := 0; n == 0; {
		_, n = admission.Load()
		time.Sleep(time.Millisecond)
	}
	if _, err := w.verify("mia", password, ""); !errors.Is(err, guard.ErrBusy) {
		t.Errorf("one too many returned %v, want ErrBusy", err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that waited got %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	w := newFixture(t, core.Config{})
	good := account.NewAccount{Username: "noa", Email: "noa@example.org", Password: password}
	for name, change := range map[string]func(*account.NewAccount){
		"empty name":                   func(n *account.NewAccount) { n.Username = "" },
		"name with a space":            func(n *account.NewAccount) { n.Username = "noa noa" },
		"name that folds to an e-mail": func(n *account.NewAccount) { n.Username = "noa＠example.org" },
		"name that is an e-mail":       func(n *account.NewAccount) { n.Username = "noa@example.org" },
		"name with a line break":       func(n *account.NewAccount) { n.Username = "noa\n" },
		"name that is not text":        func(n *account.NewAccount) { n.Username = "\xff" },
		"very long name":               func(n *account.NewAccount) { n.Username = strings.Repeat("n", 65) },
		"short password":               func(n *account.NewAccount) { n.Password = "1234567" },
		"very long password":           func(n *account.NewAccount) { n.Password = plexauth.Secret(strings.Repeat("x", 2000)) },
		"unprintable password":         func(n *account.NewAccount) { n.Password = "12345678\x00" },
		"common password":              func(n *account.NewAccount) { n.Password = "password1" },
		"common password in capitals":  func(n *account.NewAccount) { n.Password = "PassWord1" },
		"common fullwidth password":    func(n *account.NewAccount) { n.Password = "ｐassword1" },
		"password of one character":    func(n *account.NewAccount) { n.Password = "cccccccccc" },
		"e-mail with a name":           func(n *account.NewAccount) { n.Email = "Noa <noa@example.org>" },
		"half an e-mail":               func(n *account.NewAccount) { n.Email = "noa@" },
	} {
		n := good
		change(&n)
		if _, err := w.Add(t.Context(), operator, n); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want an error of kind Invalid", name, err)
		} else if strings.Contains(err.Error(), string(n.Password)) {
			t.Errorf("%s: the error repeats the password", name)
		}
	}
	for name, change := range map[string]func(*account.NewAccount){
		"name in another case":   func(n *account.NewAccount) { n.Username = "MIA" },
		"e-mail in another case": func(n *account.NewAccount) { n.Email = "MIA@example.ORG" },
	} {
		n := good
		change(&n)
		if _, err := w.Add(t.Context(), operator, n); !errors.Is(err, account.ErrExists) {
			t.Errorf("%s: %v, want ErrExists", name, err)
		}
	}
	if _, err := w.AddFirst(t.Context(), operator, good); !errors.Is(err, account.ErrExists) {
		t.Errorf("a first account after the first: %v, want ErrExists", err)
	}
	if _, err := w.Add(t.Context(), operator, good); err != nil {
		t.Error(err)
	}
}

// The work, and so the time, must not reveal whether an account exists. Work is counted
// rather than timed: times on a busy machine mean nothing.
func TestUnknownLoginCostsTheSame(t *testing.T) {
	w := newFixture(t, core.Config{})
	w.enrol(t)
	for _, password := range []plexauth.Secret{"wrong", "wrong123456", "wrong0000-0000-0000"} {
		known := w.CountHashes(func() { w.verify("mia", password, "") })
		unknown := w.CountHashes(func() { w.verify("nobody", password, "") })
		if known != unknown || known == 0 {
			t.Errorf("a password of %d characters costs %d hashes for a known login and %d for an unknown one", len(password), known, unknown)
		}
	}
}

// Each rejected attempt has a row in the audit log, with the reason and, if it is known,
// the account. The row never contains the submitted values.
func TestFailedSignInsAreRecorded(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 2})
	e, backup := w.enrol(t)
	const typo = "a secret in the wrong box"
	right := code(t, e, w.now())
	for _, step := range []struct {
		name string
		do   func() error
		want string // the row; empty: none
	}{
		{"wrong password", func() error { _, err := w.verify("mia@example.org", "wrong", ""); return err }, "sign-in.refused|Mia|wrong password"},
		{"unknown login", func() error { _, err := w.verify(typo, password, ""); return err }, "sign-in.refused||no such account"},
		{"unknown login again", func() error { _, err := w.verify(typo, password, ""); return err }, "sign-in.refused||no such account"},
		{"attack: beyond the limit, the log is not filled", func() error { _, err := w.verify(typo, password, ""); return err }, ""},
		{"no code yet", func() error { return w.signIn(t, password, "") }, "sign-in.unfinished|Mia|"},
		{"wrong code", func() error { return w.signIn(t, password, "000000") }, "sign-in.refused|Mia|wrong verification code"},
		{"right code", func() error { return w.signIn(t, password, right) }, "sign-in|Mia|token 1, with a verification code"},
		{"right backup code", func() error { return w.signIn(t, password, backup[0]) }, "sign-in|Mia|token 2"},
		{"attack: a backup code a second time", func() error { return w.signIn(t, password, backup[0]) }, "sign-in.refused|Mia|wrong verification code"},
		{"disabled", func() error {
			if err := w.Disable(t.Context(), operator, w.mia.ID); err != nil {
				t.Fatal(err)
			}
			w.core.Clock.Advance(time.Hour)
			_, err := w.verify("mia", password, "")
			return err
		}, "sign-in.refused|Mia|the account is disabled"},
	} {
		before := w.rows(t)
		err := step.do()
		after := w.rows(t)
		last := after[len(after)-1]
		switch {
		case (err == nil) != strings.HasPrefix(step.want, "sign-in|"):
			t.Errorf("%s: the error is %v", step.name, err)
		case step.want == "" && len(after) != len(before):
			t.Errorf("%s: the log has %q", step.name, last)
		case step.want != "" && (len(after) == len(before) || last != step.want):
			t.Errorf("%s: the log ends with %q, want %q", step.name, last, step.want)
		}
	}
	for _, row := range w.rows(t) {
		for _, secret := range []string{typo, password, string(right), string(backup[0]), "xample.org"} {
			if strings.Contains(row, secret) {
				t.Errorf("the log has %q in it: %s", secret, row)
			}
		}
	}
}

// rows reads the audit log, as "event|account|detail".
func (w *fixture) rows(t *testing.T) (rows []string) {
	t.Helper()
	list, err := w.core.Audit.List(t.Context(), audit.Query{OldestFirst: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		rows = append(rows, string(e.Event)+"|"+e.Account+"|"+e.Detail)
	}
	return rows
}
