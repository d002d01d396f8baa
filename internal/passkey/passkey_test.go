package passkey_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
)

// fixture is the services with two accounts.
type fixture struct {
	*testing.T
	*coretest.Core
	mia, noa account.Account
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	return newFixtureWith(t, core.Config{})
}

func newFixtureWith(t *testing.T, cfg core.Config) fixture {
	t.Helper()
	cfg.Now = time.Now
	c := coretest.New(t, cfg)
	return fixture{t, c, c.Add("mia"), c.Add("noa")}
}

func (w fixture) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w fixture) want(err, want error, attack string) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: error %v, want %v", attack, err, want)
	}
}

// visitor is the actor who signs in.
var visitor = audit.Actor{Address: "192.0.2.1"}

const origin = "http://localhost:32400"

var here = passkey.Party{ID: "localhost", Origins: []string{origin}}

// add adds a passkey to an account.
func (w fixture) add(a account.Account) *passkeytest.Key {
	w.Helper()
	options, err := w.Passkeys.BeginAdd(w.Context(), here, a, "browser")
	w.must(err)
	key, answer := passkeytest.Create(w, options, origin)
	w.must(w.Passkeys.FinishAdd(w.Context(), audit.Actor{AccountID: a.ID}, here, a, "browser", a.Username+"'s phone", answer))
	return key
}

// beginAlone begins a sign-in in a browser.
func (w fixture) beginAlone(browser string) []byte {
	w.Helper()
	options, err := w.Passkeys.BeginSignIn(w.Context(), here, browser, "192.0.2.1")
	w.must(err)
	return options
}

// alone signs in with a passkey alone, up to the session.
func (w fixture) alone(key *passkeytest.Key) error {
	w.Helper()
	return w.spend(w.Passkeys.FinishSignIn(w.Context(), visitor, here, "browser", key.Sign(w, w.beginAlone("browser"))))
}

// spend begins a session by a proof.
func (w fixture) spend(v account.Verified, err error) error {
	if err == nil {
		_, _, err = w.Sessions.Start(w.Context(), visitor, v.Proof, true, "")
	}
	return err
}

// second proves the second factor of an account with a passkey.
func (w fixture) second(a account.Account, key *passkeytest.Key) (account.Verified, error) {
	w.Helper()
	options, err := w.Passkeys.BeginSecondFactor(w.Context(), here, a.ID, "session")
	w.must(err)
	return w.Passkeys.FinishSecondFactor(w.Context(), visitor, here, a.ID, a.Revision, "session", key.Sign(w, options))
}

func TestAddAndUse(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	w.add(w.noa)
	list, err := w.Passkeys.List(t.Context(), w.mia.ID)
	w.must(err)
	if len(list) != 1 || list[0].Name != "mia's phone" || list[0].Party != "localhost" || !list[0].LastUsedAt.IsZero() {
		t.Fatalf("mia has %+v, want one passkey that was never used", list)
	}
	options := w.beginAlone("browser")
	proof, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", phone.Sign(t, options))
	w.must(err)
	if proof.AccountID() != w.mia.ID {
		t.Errorf("mia's phone signs in account %d, want %d", proof.AccountID(), w.mia.ID)
	}
	w.must(w.spend(proof, nil))
	proof, err = w.second(w.mia, phone)
	w.must(err)
	first, err := w.Accounts.VerifyPassword(t.Context(), visitor, account.Credentials{Login: "mia", Password: coretest.Password})
	w.must(err)
	_, half, err := w.Sessions.Start(t.Context(), visitor, first.Proof, false, "")
	w.must(err)
	_, err = w.Sessions.Complete(t.Context(), visitor, half, proof.Proof)
	w.must(err)
	if list, err = w.Passkeys.List(t.Context(), w.mia.ID); err != nil || list[0].LastUsedAt.IsZero() {
		t.Errorf("after use: %+v, %v; want the time of it", list, err)
	}
	if diff := cmp.Diff([]string{
		"passkey.added passkey 1, mia's phone", "passkey.added passkey 2, noa's phone",
		"passkey.used passkey 1, mia's phone", "session.started session 1",
		"sign-in.unfinished session 2",
		"passkey.used passkey 1, mia's phone", "session.started session 2",
	}, w.told()); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
}

// told returns the audit log after its first three rows, which are about the server and the
// two accounts.
func (w fixture) told() (lines []string) {
	w.Helper()
	list, err := w.Audit.List(w.Context(), audit.Query{After: 3, OldestFirst: true})
	w.must(err)
	for _, e := range list {
		lines = append(lines, string(e.Event)+" "+e.Detail)
	}
	return lines
}

// Attack: an intercepted response is sent again.
func TestReplay(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	options := w.beginAlone("browser")
	answer := phone.Sign(t, options)
	w.must(w.spend(w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", answer)))
	_, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", answer)
	w.want(err, passkey.ErrChallenge, "the same answer to no challenge")
	w.beginAlone("browser")
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", answer)
	w.want(err, passkey.ErrRejected, "the same answer to a new challenge")
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", phone.Sign(t, options))
	w.want(err, passkey.ErrChallenge, "a new answer after a wrong one to the same challenge")
}

// Attack: one browser requests a challenge, the victim answers it, and another
// browser submits the answer.
func TestAnotherBrowser(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	mine := w.beginAlone("attacker's browser")
	_, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "mia's browser", phone.Sign(t, mine))
	w.want(err, passkey.ErrChallenge, "a browser without a challenge")
	w.beginAlone("mia's browser")
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, here, "mia's browser", phone.Sign(t, mine))
	w.want(err, passkey.ErrRejected, "a browser with another challenge")
	options, err := w.Passkeys.BeginSecondFactor(t.Context(), here, w.mia.ID, "session 1")
	w.must(err)
	_, err = w.Passkeys.FinishSecondFactor(t.Context(), visitor, here, w.mia.ID, w.mia.Revision, "session 2", phone.Sign(t, options))
	w.want(err, passkey.ErrChallenge, "the second factor of another session")
}

// Attack: the answer to one ceremony is used for another: a second factor,
// without the person being verified, for a sign-in without a password.
func TestAnotherCeremony(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	options, err := w.Passkeys.BeginSecondFactor(t.Context(), here, w.mia.ID, "browser")
	w.must(err)
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", phone.Sign(t, options))
	w.want(err, passkey.ErrChallenge, "a second factor's challenge alone")
	_, answer := passkeytest.Create(t, w.beginAlone("browser"), origin)
	err = w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.mia.ID}, here, w.mia, "browser", "", answer)
	w.want(err, passkey.ErrChallenge, "a sign-in's challenge for a new passkey")
}

// Attack: someone who knows mia's password uses their own passkey as her second
// factor.
func TestAnotherAccountsPasskey(t *testing.T) {
	w := newFixture(t)
	w.add(w.mia)
	noas := w.add(w.noa)
	_, err := w.second(w.mia, noas)
	w.want(err, passkey.ErrRejected, "noa's passkey for mia")
	noas.User = []byte(w.mia.UUID)
	_, err = w.second(w.mia, noas)
	w.want(err, passkey.ErrRejected, "noa's passkey for mia, with mia's handle")
	w.want(w.alone(noas), passkey.ErrRejected, "noa's passkey alone, with mia's handle")
	noas.User = nil
	_, err = w.second(w.mia, noas)
	w.want(err, passkey.ErrRejected, "noa's passkey for mia, without a handle")

	options, err := w.Passkeys.BeginSecondFactor(t.Context(), here, w.noa.ID, "session")
	w.must(err)
	_, err = w.Passkeys.FinishSecondFactor(t.Context(), visitor, here, w.mia.ID, w.mia.Revision, "session", noas.Sign(t, options))
	w.want(err, passkey.ErrChallenge, "noa's challenge for mia")
}

// Attack: mia's challenge to add a passkey is answered for noa.
func TestAddForAnother(t *testing.T) {
	w := newFixture(t)
	options, err := w.Passkeys.BeginAdd(t.Context(), here, w.mia, "browser")
	w.must(err)
	_, answer := passkeytest.Create(t, options, origin)
	err = w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.noa.ID}, here, w.noa, "browser", "", answer)
	w.want(err, passkey.ErrChallenge, "mia's challenge for noa")

	phone := w.add(w.mia)
	options, err = w.Passkeys.BeginAdd(t.Context(), here, w.noa, "browser")
	w.must(err)
	err = w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.noa.ID}, here, w.noa, "browser", "", phone.Attest(t, passkeytest.Challenge(t, options)))
	w.want(err, passkey.ErrExists, "mia's passkey as noa's")
}

// Attack: a stolen security key that asks for nothing signs in alone.
func TestUnverified(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	phone.Unverified = true
	w.want(w.alone(phone), passkey.ErrRejected, "alone, unverified")
	if _, err := w.second(w.mia, phone); err != nil {
		t.Errorf("after the password, unverified: %v", err)
	}
	options, err := w.Passkeys.BeginAdd(t.Context(), here, w.mia, "browser")
	w.must(err)
	err = w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.mia.ID}, here, w.mia, "browser", "", phone.Attest(t, passkeytest.Challenge(t, options)))
	w.want(err, passkey.ErrRejected, "adding one, unverified")
}

// Attack: a passkey that was removed, because its phone was stolen, signs in, even if
// it had responded before.
func TestRemoved(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	proof, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", phone.Sign(t, w.beginAlone("browser")))
	w.must(err)
	list, err := w.Passkeys.List(t.Context(), w.mia.ID)
	w.must(err)
	w.want(w.Passkeys.Remove(t.Context(), audit.Actor{AccountID: w.noa.ID}, w.noa.ID, list[0].ID), passkey.ErrNotFound, "noa removes mia's passkey")
	w.must(w.Passkeys.Remove(t.Context(), audit.Actor{AccountID: w.mia.ID}, w.mia.ID, list[0].ID))
	w.want(w.spend(proof, nil), passkey.ErrRejected, "a proof from before")
	w.want(w.alone(phone), passkey.ErrRejected, "an answer from after")
	_, err = w.Passkeys.BeginSecondFactor(t.Context(), here, w.mia.ID, "session")
	w.want(err, passkey.ErrNoPasskey, "a second factor")
	w.want(w.Passkeys.Remove(t.Context(), audit.Actor{AccountID: w.mia.ID}, w.mia.ID, list[0].ID), passkey.ErrNotFound, "removing it twice")
}

// Attack: someone copied the authenticator, and uses the copy after the original has
// signed.
func TestCopiedAuthenticator(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	copied := *phone
	w.must(w.alone(phone))
	w.must(w.alone(phone))
	w.want(w.alone(&copied), passkey.ErrCloned, "the copy, whose count is behind")
	w.want(w.alone(&copied), passkey.ErrCloned, "the copy, whose count is the same")
	w.must(w.alone(phone))
	told := w.told()
	if !slices.ContainsFunc(told, func(line string) bool { return strings.Contains(line, "there may be a copy of it") }) {
		t.Errorf("the audit log does not tell of the copy: %q", told)
	}
}

// Attack: two responses of one authenticator are spent concurrently, so that neither
// sees the other's count.
func TestConcurrentResponses(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	copied := *phone
	first, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "one", phone.Sign(t, w.beginAlone("one")))
	w.must(err)
	second, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "two", copied.Sign(t, w.beginAlone("two")))
	w.must(err)
	w.must(w.spend(first, nil))
	w.want(w.spend(second, nil), passkey.ErrRejected, "the second of two with the same count")
}

// A passkey that is synchronised between devices has no signature counter.
func TestPasskeyWithoutCounter(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	for range 3 {
		phone.Count = ^uint32(0) // the next signature is number zero
		w.must(w.alone(phone))
	}
}

// Attack: a disabled account signs in by passkey.
func TestDisabledAccount(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	proof, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", phone.Sign(t, w.beginAlone("browser")))
	w.must(err)
	w.must(w.Accounts.Disable(t.Context(), audit.Actor{Name: "test"}, w.mia.ID))
	w.want(w.spend(proof, nil), passkey.ErrRejected, "a proof from before")
	w.want(w.alone(phone), passkey.ErrRejected, "alone")
	_, err = w.second(w.mia, phone)
	w.want(err, passkey.ErrRejected, "as the second factor")
}

// Attack: someone who knows the old password waits for the second factor while
// the password is changed.
func TestPasswordChangedMeanwhile(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	proof, err := w.second(w.mia, phone)
	w.must(err)
	w.must(w.Accounts.SetPassword(t.Context(), audit.Actor{AccountID: w.mia.ID}, w.mia.ID, "another password"))
	w.want(w.spend(proof, nil), passkey.ErrRejected, "a proof from before")
	_, err = w.second(w.mia, phone)
	w.want(err, passkey.ErrRejected, "an answer for the revision from before")
	w.must(w.alone(phone))
}

// Attack: a page of another site makes the user respond to usher's challenge.
func TestPhishing(t *testing.T) {
	for name, change := range map[string]func(*passkeytest.Key){
		"another origin": func(k *passkeytest.Key) { k.Origin = "http://localhost.example.com" },
		"another port":   func(k *passkeytest.Key) { k.Origin = "http://localhost:8080" },
		"another site":   func(k *passkeytest.Key) { k.Party = "example.com" },
		"another key":    func(k *passkeytest.Key) { k.ID = []byte("made up") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			phone := w.add(w.mia)
			change(phone)
			w.want(w.alone(phone), passkey.ErrRejected, "alone")
			_, err := w.second(w.mia, phone)
			w.want(err, passkey.ErrRejected, "as the second factor")
		})
	}
}

// A passkey of one site is not offered, and does not work, at another.
func TestAnotherSite(t *testing.T) {
	w := newFixture(t)
	phone := w.add(w.mia)
	there := passkey.Party{ID: "usher.example.org", Origins: []string{"https://usher.example.org"}}
	if has, err := w.Passkeys.Has(t.Context(), there, w.mia.ID); has || err != nil {
		t.Errorf("mia has a passkey there: %v, %v", has, err)
	}
	if has, err := w.Passkeys.Has(t.Context(), here, w.mia.ID); !has || err != nil {
		t.Errorf("mia has a passkey here: %v, %v, want true", has, err)
	}
	if has, err := w.Passkeys.Has(t.Context(), here, w.noa.ID); has || err != nil {
		t.Errorf("noa has a passkey here: %v, %v, want false", has, err)
	}
	options, err := w.Passkeys.BeginSignIn(t.Context(), there, "browser", "192.0.2.1")
	w.must(err)
	phone.Party, phone.Origin = there.ID, there.Origins[0]
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, there, "browser", phone.Sign(t, options))
	w.want(err, passkey.ErrRejected, "signing for it all the same")
}

func TestGarbage(t *testing.T) {
	w := newFixture(t)
	for _, answer := range []string{"", "{}", "null", "[]", `{"id":"","rawId":"","type":"public-key","response":{}}`} {
		w.beginAlone("browser")
		_, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", []byte(answer))
		w.want(err, passkey.ErrRejected, "signing in by "+answer)
		_, err = w.Passkeys.BeginAdd(t.Context(), here, w.mia, "browser")
		w.must(err)
		err = w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.mia.ID}, here, w.mia, "browser", "", []byte(answer))
		w.want(err, passkey.ErrRejected, "adding "+answer)
	}
}

func TestChallengeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		phone := w.add(w.mia)
		answer := phone.Sign(t, w.beginAlone("browser"))
		time.Sleep(5*time.Minute - time.Second)
		w.must(w.spend(w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", answer)))
		answer = phone.Sign(t, w.beginAlone("browser"))
		time.Sleep(5 * time.Minute)
		_, err := w.Passkeys.FinishSignIn(t.Context(), visitor, here, "browser", answer)
		w.want(err, passkey.ErrChallenge, "five minutes later")
	})
}

// Attack: an attacker fills the memory with challenges, or thereby prevents others from
// signing in.
func TestFlood(t *testing.T) {
	w := newFixtureWith(t, core.Config{FailedTries: 1}) // ten sign-ins may begin
	for i := range 10 {                                 // from one household
		_, err := w.Passkeys.BeginSignIn(w.Context(), here, "attacker's browser", "2001:db8::"+strconv.Itoa(i+1))
		w.must(err)
	}
	_, err := w.Passkeys.BeginSignIn(w.Context(), here, "attacker's browser", "2001:db8::b")
	if !errors.Is(err, passkey.ErrRateLimited) || fault.WaitOf(err) <= 0 {
		t.Errorf("the eleventh is answered by %v", err)
	}
	w.beginAlone("mia's browser")

	w = newFixture(t)
	phone := w.add(w.mia)
	first := phone.Sign(t, w.beginAlone("mia's browser"))
	for i := range 10_000 {
		w.beginAlone(strconv.Itoa(i))
	}
	_, err = w.Passkeys.FinishSignIn(t.Context(), visitor, here, "mia's browser", first)
	w.want(err, passkey.ErrChallenge, "the oldest of 10,001 challenges")
	w.must(w.alone(phone))
}

func TestTooMany(t *testing.T) {
	w := newFixture(t)
	for range 25 {
		w.add(w.mia)
	}
	options, err := w.Passkeys.BeginAdd(t.Context(), here, w.mia, "browser")
	w.must(err)
	_, answer := passkeytest.Create(t, options, origin)
	w.want(w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.mia.ID}, here, w.mia, "browser", "", answer), passkey.ErrFull, "the 26th")
}

func TestNames(t *testing.T) {
	w := newFixture(t)
	for name, want := range map[string]string{
		"": "Passkey", "  my \t phone ": "my phone", "\x00\u202e": "Passkey", "my\ue000key": "mykey", strings.Repeat("é", 70): strings.Repeat("é", 64),
	} {
		options, err := w.Passkeys.BeginAdd(t.Context(), here, w.mia, "browser")
		w.must(err)
		_, answer := passkeytest.Create(t, options, origin)
		w.must(w.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: w.mia.ID}, here, w.mia, "browser", name, answer))
		list, err := w.Passkeys.List(t.Context(), w.mia.ID)
		w.must(err)
		if got := list[len(list)-1].Name; got != want {
			t.Errorf("%q is named %q, want %q", name, got, want)
		}
	}
}

func TestParty(t *testing.T) {
	for _, row := range []struct {
		public, host string
		secure       bool
		id           string // empty: none
		origins      []string
	}{
		{"", "localhost:32400", false, "localhost", []string{"https://localhost:32400", "http://localhost:32400"}},
		{"", "Usher.Example.org:443", true, "usher.example.org", []string{"https://usher.example.org"}},
		{"https://usher.example.org", "192.0.2.1:32400", false, "usher.example.org", []string{"https://usher.example.org"}},
		{"https://usher.example.org:8443/", "x", false, "usher.example.org", []string{"https://usher.example.org:8443"}},
		{"http://localhost:80", "x", false, "localhost", []string{"http://localhost"}},
		{"", "192.0.2.1:32400", false, "", nil},
		{"", "[::1]:32400", false, "", nil},
		{"", "[::1]", true, "", nil},
		{"http://127.0.0.1:32400", "localhost", false, "", nil},
		{"", "", false, "", nil},
		{"", "nas:32400", false, "", nil},
		{"", "a b", false, "", nil},
	} {
		got, ok := passkey.NewParty(row.public, row.host, row.secure)
		want := passkey.Party{ID: row.id, Origins: row.origins}
		if diff := cmp.Diff(want, got); diff != "" || ok != (row.id != "") {
			t.Errorf("NewParty(%q, %q, %v): ok %v (-want +got):\n%s", row.public, row.host, row.secure, ok, diff)
		}
	}
}
