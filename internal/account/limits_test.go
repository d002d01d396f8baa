package account_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/plexauth"
)

// outcome is the result of a sign-in attempt for the caller.
func outcome(err error) string {
	switch {
	case err == nil:
		return "in"
	case errors.Is(err, account.ErrRateLimited) && fault.WaitOf(err) > 0:
		return "limited"
	case errors.Is(err, account.ErrTooMany) && fault.WaitOf(err) > 0:
		return "too many"
	case errors.Is(err, account.ErrCredentials):
		return "wrong"
	case errors.Is(err, account.ErrCode):
		return "code"
	}
	return err.Error()
}

// tries returns how many attempts had each outcome: "wrong 5, limited 3".
func tries(n int, try func(i int) error) string {
	var order []string
	count := make(map[string]int)
	for i := range n {
		o := outcome(try(i))
		if count[o]++; count[o] == 1 {
			order = append(order, o)
		}
	}
	for i, o := range order {
		order[i] = fmt.Sprintf("%s %d", o, count[o])
	}
	return strings.Join(order, ", ")
}

// Attack: ten guesses by the username, then ten by the e-mail address, then ten in
// capitals. A name without an account is limited in the same way: the limit does not
// reveal whether there is one.
func TestNamesOfAnAccountShareTheLimit(t *testing.T) {
	for name, logins := range map[string][]string{
		"case":                         {"mia", "MIA", "mIa"},
		"white space":                  {"mia", " mia", "mia\t"},
		"full-width letters":           {"mia", "ｍｉａ"},
		"name and address":             {"Mia", "mia@example.org", "MIA@EXAMPLE.ORG"},
		"address and name":             {"mia@example.org", "mia"},
		"nobody, case":                 {"zoe", "ZOE", "zoE"},
		"nobody, white space":          {"zoe", " zoe", "zoe\t"},
		"nobody, full-width letters":   {"zoe", "ｚｏｅ"},
		"nobody, composed accents":     {"zo\u00eb", "zoe\u0308", "ZO\u00cb"},
		"nobody, sharp s":              {"straße", "STRASSE", "strasse"},
		"nobody, name and address":     {"Zoe", "zoe@example.org", "ZOE@EXAMPLE.ORG"},
		"nobody, address and name":     {"zoe@example.org", "zoe"},
		"an account, and no address":   {"mia", "mia@nowhere.example"},
		"no address, and an account":   {"mia@nowhere.example", "mia"},
		"nobody at one place, another": {"zoe@example.org", "zoe@nowhere.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{FailedTries: 4})
			got := tries(12, func(i int) error {
				_, err := w.verify(logins[i%len(logins)], "wrong", "")
				return err
			})
			if got != "wrong 4, limited 8" {
				t.Errorf("the outcomes of the attempts are %s", got)
			}
		})
	}
}

// An account whose name and address have nothing in common has one limit as well.
func TestDifferentNamesOfAnAccountShareTheLimit(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 4})
	if err := w.SetEmail(t.Context(), operator, w.mia.ID, "captain@example.org"); err != nil {
		t.Fatal(err)
	}
	got := tries(12, func(i int) error {
		_, err := w.verify([]string{"mia", "captain@example.org"}[i%2], "wrong", "")
		return err
	})
	if got != "wrong 4, limited 8" {
		t.Errorf("the outcomes of the attempts are %s", got)
	}
}

// Attack: an attacker with an account clears the limit of a name by signing in, and the
// next limit reveals whether the name belongs to an account.
func TestOwnSignInClearsNoOthersLimit(t *testing.T) {
	for _, name := range []string{"mia", "zoe"} { // of an account, and of none
		w := newFixture(t, core.Config{FailedTries: 4})
		_, err := w.Add(t.Context(), operator, account.NewAccount{
			Username: "eve", Email: name + "@attacker.example", Password: password,
		})
		if err != nil {
			t.Fatal(err)
		}
		got := tries(8, func(i int) error {
			login, secret := name, plexauth.Secret("wrong")
			if i == 3 {
				login, secret = name+"@attacker.example", password
			}
			_, err := w.verify(login, secret, "")
			return err
		})
		if got != "wrong 4, in 1, limited 3" {
			t.Errorf("%s: the outcomes of the attempts are %s", name, got)
		}
	}
}

// A limited attempt costs no hash, whether there is an account or not.
func TestLimitedTriesCostNothing(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 1})
	for _, login := range []string{"mia", "zoe"} {
		_, _ = w.verify(login, "wrong", "")
		if n := w.CountHashes(func() { _, _ = w.verify(login, "wrong", "") }); n != 0 {
			t.Errorf("a limited try at %s costs %d hashes", login, n)
		}
	}
}

// Attack: all guesses are sent at the same time, before the first of them has failed.
func TestGuessesAtOnceDoNotExceedTheLimit(t *testing.T) {
	const free, guesses = 10, 150
	for name, try := range map[string]func(w *fixture, i int) error{
		"passwords":    func(w *fixture, _ int) error { _, err := w.verify("mia", "wrong", ""); return err },
		"TOTP codes":   func(w *fixture, i int) error { return w.signInAt(visitor, "", fmt.Sprintf("%06d", i)) },
		"backup codes": func(w *fixture, i int) error { return w.signInAt(visitor, "", fmt.Sprintf("0000-0000-%04d", i)) },
		"both kinds of code": func(w *fixture, i int) error {
			return w.signInAt(visitor, "", []string{"000000", "0000-0000-0000"}[i%2])
		},
		"codes at the end of the password": func(w *fixture, _ int) error {
			_, err := w.verify("mia", password+"0000-0000-0000", "")
			return err
		},
		"codes from many networks": func(w *fixture, i int) error {
			return w.signInAt(audit.Actor{Address: fmt.Sprintf("192.0.2.%d", i)}, "", "000000")
		},
		"codes of the second step": func(w *fixture, _ int) error {
			a, err := w.Get(w.ctx, w.mia.ID)
			if err == nil {
				_, err = w.VerifyCode(w.ctx, visitor, account.Caller{}, a.ID, a.Revision, "0000-0000-0000")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{FailedTries: free, HashSlots: 16, HashQueue: guesses})
			w.enrol(t)
			var checked, limited atomic.Int64
			var wg sync.WaitGroup
			for i := range guesses {
				wg.Go(func() {
					switch err := try(w, i); outcome(err) {
					case "wrong", "code":
						checked.Add(1)
					case "limited", "too many":
						limited.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if checked.Load() != free || limited.Load() != guesses-free {
				t.Errorf("%d guesses were checked and %d limited, want %d and %d", checked.Load(), limited.Load(), free, guesses-free)
			}
		})
	}
}

// signInAt signs mia in with her password and a code, on a device that calls
// itself client.
func (w *fixture) signInAt(by audit.Actor, client string, code string) error {
	v, err := w.Verify(w.ctx, by, account.Credentials{
		Login: "mia", Password: password, Code: plexauth.Secret(code), Caller: account.Caller{ClientIdentifier: client},
	})
	if err != nil {
		return err
	}
	d := device.Device{ClientIdentifier: client, Address: by.Address}
	if client == "" {
		d.ClientIdentifier = "new"
	}
	_, err = w.core.Tokens.SignIn(w.ctx, by, v.Proof, d)
	return err
}

// Attack: a thief of the password guesses at codes for ever, at the slow pace that
// a limit allows. Each wrong code doubles the wait, up to a day, and a restart does
// not shorten it.
func TestGuessingCodesSlowly(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	w.core.Clock.Set(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	e, _ := w.enrol(t)
	wrong := func() error { return w.signInAt(visitor, "", "000000") }
	if got := tries(5, func(int) error { return wrong() }); got != "code 3, limited 2" {
		t.Fatalf("the outcomes of the attempts are %s", got)
	}
	for lock := time.Minute; lock <= 2*24*time.Hour; lock *= 2 {
		lock := min(lock, 24*time.Hour)
		if wait := fault.WaitOf(wrong()); wait != lock {
			t.Errorf("the wait is %v, want %v", wait, lock)
		}
		w.restart()
		if wait := fault.WaitOf(wrong()); wait != lock {
			t.Errorf("after a restart the wait is %v, want %v", wait, lock)
		}
		w.core.Clock.Advance(lock)
		if got := outcome(wrong()); got != "code" {
			t.Errorf("after %v the try returned %s", lock, got)
		}
	}
	// In a year, that is fewer guesses than are needed for a chance of one in 800.
	start, guesses := w.now(), 0
	for w.now().Before(start.AddDate(1, 0, 0)) {
		err := wrong()
		if outcome(err) == "code" {
			guesses++
		}
		w.core.Clock.Advance(max(time.Minute, fault.WaitOf(err)))
	}
	if guesses > 366 {
		t.Errorf("a thief gets %d guesses in a year", guesses)
	}
	// A correct code removes the lock.
	w.core.Clock.Advance(24 * time.Hour)
	if err := w.signInAt(visitor, "", string(code(t, e, w.now()))); err != nil {
		t.Fatal(err)
	}
	if got := tries(5, func(int) error { return wrong() }); got != "code 3, limited 2" {
		t.Errorf("after a right code the outcomes of the attempts are %s", got)
	}
}

// restart replaces the services by those of a new process on the same database.
func (w *fixture) restart() {
	w.core.Core = w.core.Restart()
	w.Service = w.core.Accounts
}

// Attack: a thief of the password enters wrong codes, or wrong passwords, until the owner
// is locked out. A device or browser that signed in before has its own attempts.
func TestThiefLocksNoKnownDeviceOut(t *testing.T) {
	home, away := audit.Actor{Address: "192.0.2.1"}, audit.Actor{Address: "198.51.100.9"}
	from := func(client string, marks plexauth.Secret) account.Caller {
		return account.Caller{ClientIdentifier: client, Marks: marks}
	}
	for name, row := range map[string]struct {
		thief    audit.Actor
		thiefs   string // client identifier
		stranger bool   // the owner's device has never signed in
		owner    audit.Actor
		locked   bool
	}{
		"a thief elsewhere":                                 {thief: away, owner: home},
		"a thief behind the same router":                    {thief: home, owner: home},
		"a thief elsewhere, the owner on the way":           {thief: away, owner: audit.Actor{Address: "203.0.113.5"}},
		"a thief elsewhere who knows the client identifier": {thief: away, thiefs: "phone", owner: home},
		"a new device of the owner's":                       {thief: away, stranger: true, owner: home, locked: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, core.Config{FailedTries: 3})
			e, _ := w.enrol(t)
			if err := w.signInAt(home, "phone", string(code(t, e, w.now()))); err != nil {
				t.Fatal(err)
			}
			marks := w.MarkBrowser(w.mia, "")
			w.core.Clock.Advance(5 * time.Minute)
			verify := func(by audit.Actor, from account.Caller, password, code plexauth.Secret) error {
				_, err := w.Verify(t.Context(), by, account.Credentials{Login: "mia", Password: password, Code: code, Caller: from})
				return err
			}
			guess := func(password, code plexauth.Secret) {
				t.Helper()
				got := tries(10, func(int) error { return verify(row.thief, from(row.thiefs, ""), password, code) })
				if !strings.Contains(got, "limited 7") {
					t.Fatalf("the thief's tries give %s", got)
				}
			}
			guess(password, "000000")
			if !row.stranger || row.thief == row.owner {
				guess("wrong", "")
			}
			callers := map[string]account.Caller{"device": from("phone", ""), "browser": from("", marks)}
			if row.stranger {
				callers = map[string]account.Caller{"new device": from("tablet", "")}
			}
			for what, caller := range callers {
				err := verify(row.owner, caller, password, code(t, e, w.now()))
				if (outcome(err) == "limited") != row.locked || !row.locked && err != nil {
					t.Errorf("the owner's %s: %v", what, err)
				}
			}
			if row.stranger {
				return
			}
			// The tries of a known device are bounded as well.
			for what, caller := range callers {
				got := tries(10, func(int) error { return verify(row.owner, caller, password, "000000") })
				if got != "code 3, limited 7" {
					t.Errorf("wrong codes of the owner's %s: %s", what, got)
				}
				got = tries(10, func(int) error { return verify(row.owner, caller, "wrong", "") })
				if got != "wrong 3, limited 7" {
					t.Errorf("wrong passwords of the owner's %s: %s", what, got)
				}
			}
		})
	}
}

// Attack: a thief of the password forges marks of browsers, or uses old ones and those
// of other accounts and servers, to get attempts for each.
func TestForgedMarks(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	noa, err := w.Add(t.Context(), operator, account.NewAccount{Username: "noa", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	other := newFixture(t, core.Config{Key: seal.NewKey([32]byte{2})})
	mark := string(w.MarkBrowser(w.mia, ""))
	name, rest, _ := strings.Cut(mark, ".")
	at, mac, _ := strings.Cut(rest, ".")
	for what, marks := range map[string]string{
		"none":                        "",
		"another account's":           string(w.MarkBrowser(noa, "")),
		"another server's":            string(other.MarkBrowser(w.mia, "")),
		"another name":                "A" + name[1:] + "x." + at + "." + mac,
		"another time":                name + "." + at + "0." + mac,
		"no time":                     name + ".." + mac,
		"no code":                     name + "." + at + ".",
		"a shorter code":              mark[:len(mark)-1],
		"the parts moved":             name + at[:1] + "." + at[1:] + "." + mac,
		"only separators":             "~~~...~~~",
		"a very long one":             strings.Repeat("x", 4000) + "." + at + "." + mac,
		"many, and then a right one":  strings.Repeat("x.y.z~", 100) + mark,
		"a right one and more behind": mark + mark,
	} {
		if w.Recognises(t.Context(), w.mia, marks) {
			t.Errorf("%s: the browser is known", what)
		}
	}
	if !w.Recognises(t.Context(), w.mia, mark) {
		t.Error("a browser is not known by its mark")
	}
	if w.Recognises(t.Context(), account.Account{}, mark) || w.Recognises(t.Context(), account.Account{}, string(w.MarkBrowser(account.Account{}, ""))) {
		t.Error("a browser is known to an unknown account")
	}
	w.core.Clock.Advance(account.MarkLife)
	if w.Recognises(t.Context(), w.mia, mark) {
		t.Error("a mark does not expire")
	}
}

// A browser with which several users sign in is known to each of their accounts. It has few
// marks, and they reveal nothing about the accounts.
func TestMarksOfASharedBrowser(t *testing.T) {
	w := newFixture(t, core.Config{})
	people := []account.Account{w.mia}
	for i := range 9 {
		a, err := w.Add(t.Context(), operator, account.NewAccount{Username: fmt.Sprint("child", i), Password: password})
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, a)
	}
	var marks plexauth.Secret
	for range 3 {
		for _, a := range people {
			marks = w.MarkBrowser(a, marks)
		}
	}
	for i, a := range people {
		if got, want := w.Recognises(t.Context(), a, string(marks)), i >= 2; got != want {
			t.Errorf("the browser is known to %s: %v, want %v", a.Username, got, want)
		}
		if strings.Contains(string(marks), a.UUID) || strings.Contains(string(marks), a.Username) {
			t.Errorf("the marks name %s", a.Username)
		}
	}
	if len(marks) > 600 {
		t.Errorf("the marks have %d bytes", len(marks))
	}
}

// Attack: one member signs in again and again, which costs a hash each time. Correct
// passwords are limited by account and network, or by device. Nobody else is affected.
func TestRightPasswordsAreLimited(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 2})
	if _, err := w.Add(t.Context(), operator, account.NewAccount{Username: "noa", Password: password}); err != nil {
		t.Fatal(err)
	}
	verify := func(by audit.Actor, login, client string, password plexauth.Secret) error {
		_, err := w.Verify(t.Context(), by, account.Credentials{
			Login: login, Password: password, Caller: account.Caller{ClientIdentifier: client},
		})
		return err
	}
	if err := w.signInAt(visitor, "phone", ""); err != nil {
		t.Fatal(err)
	}
	if got := tries(30, func(int) error { return verify(visitor, "mia", "", password) }); got != "in 19, too many 11" {
		t.Errorf("sign-ins without end: %s", got) // the first one was the phone's
	}
	if n := w.CountHashes(func() { _ = verify(visitor, "mia", "", password) }); n != 0 {
		t.Errorf("a sign-in too many costs %d hashes", n)
	}
	for what, err := range map[string]error{
		"the e-mail address":          verify(visitor, "Mia@Example.org", "", password),
		"another account":             verify(visitor, "noa", "", password),
		"a device that is known":      verify(visitor, "mia", "phone", password),
		"another network":             verify(audit.Actor{Address: "192.0.2.2"}, "mia", "", password),
		"an unknown device elsewhere": verify(audit.Actor{Address: "192.0.2.3"}, "mia", "tablet", password),
	} {
		if limited := outcome(err) == "too many"; limited != (what == "the e-mail address") || !limited && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.core.Clock.Advance(2 * time.Second)
	if got := tries(5, func(int) error { return verify(visitor, "mia", "", password) }); got != "in 2, too many 3" {
		t.Errorf("two seconds later, sign-ins: %s", got)
	}
	// Wrong passwords use up no sign-ins.
	w.core.Clock.Advance(time.Hour)
	_ = verify(visitor, "mia", "", "wrong")
	if got := tries(30, func(int) error { return verify(visitor, "mia", "", password) }); got != "in 20, too many 10" {
		t.Errorf("after a wrong one, sign-ins: %s", got)
	}
}

// Attack: a member signs in again and again on devices and browsers, each of which is known
// after its first sign-in and has its own limit.
func TestKnownDevicesAreLimitedTogether(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 2})
	visitors := func(i int) audit.Actor { return audit.Actor{Address: fmt.Sprintf("192.0.2.%d", i%200)} }
	for name, signIn := range map[string]func(i int) account.Caller{
		"devices": func(i int) account.Caller {
			client := fmt.Sprint("device ", i)
			if err := w.signInAt(visitors(i), client, ""); err != nil {
				t.Fatal(err)
			}
			return account.Caller{ClientIdentifier: client}
		},
		"browsers": func(int) account.Caller { return account.Caller{Marks: w.MarkBrowser(w.mia, "")} },
	} {
		got := tries(50, func(i int) error {
			_, err := w.Verify(t.Context(), visitors(i), account.Credentials{Login: "mia", Password: password, Caller: signIn(i)})
			return err
		})
		if got != "in 20, too many 30" {
			t.Errorf("sign-ins on known %s: %s", name, got)
		}
		w.core.Clock.Advance(time.Hour)
	}
	// One browser stays one, however often it is marked.
	var marks plexauth.Secret
	got := tries(50, func(i int) error {
		_, err := w.Verify(t.Context(), visitors(i), account.Credentials{
			Login: "mia", Password: "wrong", Caller: account.Caller{Marks: marks},
		})
		marks = w.MarkBrowser(w.mia, marks)
		return err
	})
	if got != "wrong 3, limited 47" { // the first try is not known yet
		t.Errorf("failures of a browser that is marked each time give %s", got)
	}
}

// The owner sees guesses at the codes until they have read the notice, even if a
// correct code follows. A mistyped code is not a guess.
func TestGuessesAreTold(t *testing.T) {
	w := newFixture(t, core.Config{FailedTries: 3})
	e, _ := w.enrol(t)
	guesses := func() account.Guesses {
		t.Helper()
		g, err := w.Guesses(t.Context(), w.mia.ID)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	tries(2, func(int) error { return w.signInAt(visitor, "", "000000") })
	if g := guesses(); g != (account.Guesses{}) {
		t.Errorf("after two wrong codes the owner sees %v", g)
	}
	first := w.now()
	tries(3, func(int) error { return w.signInAt(visitor, "", "000000") })
	w.core.Clock.Advance(time.Minute)
	tries(3, func(int) error { return w.signInAt(visitor, "", "0000-0000-0000") })
	if g := guesses(); g.Wrong != 4 || !g.First.Equal(first) || !g.Latest.Equal(w.now()) {
		t.Errorf("the owner sees %v, want 4 from %v to %v", g, first, w.now())
	}
	var told int
	for _, row := range w.rows(t) {
		if strings.HasPrefix(row, "second-factor.guessed|Mia|") {
			told++
		}
	}
	if told != 2 {
		t.Errorf("the log tells of guesses %d times, want 2", told)
	}
	w.core.Clock.Advance(time.Hour)
	if err := w.signInAt(visitor, "", string(code(t, e, w.now()))); err != nil {
		t.Fatal(err)
	}
	if g := guesses(); g.Wrong != 4 {
		t.Errorf("after a right code the owner sees %v", g)
	}
	if err := w.ReadGuesses(t.Context(), w.mia.ID); err != nil {
		t.Fatal(err)
	}
	if g := guesses(); g != (account.Guesses{}) {
		t.Errorf("after it was read the owner sees %v", g)
	}
}
