package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

const (
	factorPath  = "/account/second-factor"
	presentText = "This requires a code of your second factor, or a passkey"
)

var shownKey = regexp.MustCompile(`or type this key: <code>([A-Z2-7 ]+)</code>`)

// keyOn returns the key for an authenticator app that a page shows, or "" if it shows none.
func keyOn(s seen) plexauth.Secret {
	found := shownKey.FindStringSubmatch(s.text)
	if found == nil {
		return ""
	}
	return plexauth.Secret(strings.ReplaceAll(found[1], " ", ""))
}

// key opens a page that shows a key, and returns the key.
func (b *browser) key(path string) plexauth.Secret {
	b.Helper()
	s := b.get(path)
	b.wantPage(s, 200, "data:image/png;base64,")
	key := keyOn(s)
	if key == "" {
		b.Fatalf("%s shows no key:\n%s", path, s.text)
	}
	return key
}

func TestEnrol(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	key := b.key(factorPath)
	if again := b.key(factorPath); again != key {
		t.Error("the page shows a different key when it is reloaded")
	}
	code := w.code(key)
	for text, form := range map[string]url.Values{
		"Your own password is not right.": {"code": {code}, "current": {"wrong"}},
		"The code is not right":           {"code": {"000000"}, "current": {password}},
		"The code is not right: ":         {"code": {""}, "current": {password}},
		"The code is not right: s":        {"current": {password}},
	} {
		s := b.post(factorPath, form)
		b.wantPage(s, 400, text)
		if keyOn(s) != key {
			t.Errorf("after a wrong code, the page shows a different key")
		}
	}
	b.wantPage(b.post(factorPath, url.Values{"code": {code[:3] + " " + code[3:]}, "current": {password}}), 200, "Keep these backup codes")
	if !w.account("mia").HasSecondFactor() {
		t.Fatal("the second factor is not on")
	}
	if b.key(factorPath) == key {
		t.Error("the page shows the key in use")
	}
}

// Attack: a form contains its own key, which an attacker knows, or a code for the key that
// another browser shows.
func TestKeyIsTheServers(t *testing.T) {
	w := newTown(t)
	b, other := w.browser().signIn("mia"), w.browser().signIn("mia")
	mine, theirs := b.key(factorPath), other.key(factorPath)
	if mine == theirs {
		t.Fatal("two sessions set up the same key")
	}
	chosen := account.NewEnrolment("usher", "mia").Secret
	for what, key := range map[string]plexauth.Secret{"chosen by the form": chosen, "shown in another browser": theirs} {
		form := url.Values{"secret": {string(key)}, "code": {w.code(key)}, "current": {password}}
		b.wantPage(b.post(factorPath, form), 400, "The code is not right")
		if w.account("mia").HasSecondFactor() {
			t.Errorf("a key %s is in use", what)
		}
	}
	// A session that never opened the form has no key.
	fresh := w.browser().signIn("mia")
	fresh.wantPage(fresh.post(factorPath, url.Values{"code": {w.code(mine)}, "current": {password}}), 400, "The code is not right")
	form := url.Values{"secret": {string(chosen)}, "code": {w.code(mine)}, "current": {password}}
	b.wantPage(b.post(factorPath, form), 200, "Keep these backup codes")
	// The other browser's key is invalid: a form that is still open does not activate it.
	_, codes := w.enrol("mia")
	other.wantPage(other.post(factorPath, url.Values{
		"code": {w.code(theirs)}, "current": {password}, "present": {string(codes[0])},
	}), 400, "The code is not right")
}

// Attack: an attacker who has the password and an open browser turns the second factor off,
// replaces it, adds a passkey to bypass it, or removes a passkey.
func TestChangesTakeThePresentFactor(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	phone := b.addPasskey("phone")
	seed, codes := w.enrol("mia")
	remove := regexp.MustCompile(`/account/passkeys/\d+/remove`).FindString(b.get("/account/security").text)
	newCode := w.code(b.key(factorPath))
	before := w.account("mia")

	for what, present := range map[string]string{"nothing": "", "a wrong code": "000000", "the new key's code": newCode} {
		text := "The code is not right, or was used before"
		if present == "" {
			text = presentText
		}
		current := url.Values{"current": {password}, "code": {present}}
		b.wantPage(b.post(factorPath+"/remove", current), 400, text)
		b.wantPage(b.post(remove, current), 400, text)
		b.wantScript("/account/passkeys/challenge", current, "", text)
		s := b.post(factorPath, url.Values{"current": {password}, "code": {newCode}, "present": {present}})
		b.wantPage(s, 400, text)
		if a := w.account("mia"); a.Revision != before.Revision || string(a.TOTPSeed) != string(before.TOTPSeed) || a.BackupCodes != 10 {
			t.Fatalf("%s changed the second factor", what)
		}
	}
	for what, answer := range map[string]string{
		"none":                 "{}",
		"one without question": string(phone.Sign(t, []byte(`{"publicKey":{"challenge":"AAAA","rpId":"localhost"}}`))),
	} {
		s := b.post(factorPath+"/remove", url.Values{"current": {password}, "answer": {answer}})
		b.wantPage(s, 400)
		if !w.account("mia").HasSecondFactor() {
			t.Fatalf("the passkey response, %s, turned the second factor off", what)
		}
	}
	b.wantPage(b.post(factorPath+"/remove", url.Values{"current": {"wrong"}, "code": {w.code(seed)}}), 400, "Your own password is not right.")

	// With a code, each change works.
	b.sends(remove, "/account/security?done=passkey-removed", "current", password, "code", string(codes[0]))
	b.addPasskey("another", "code", string(codes[1]))
	s := b.post(factorPath, url.Values{"current": {password}, "code": {newCode}, "present": {w.code(seed)}})
	b.wantPage(s, 200, "Keep these backup codes")
	b.wantPage(b.post(factorPath+"/remove", url.Values{"current": {password}, "code": {string(codes[2])}}), 400, "not right")
	_, codes = w.enrol("mia")
	b.sends(factorPath+"/remove", "/account/security?done=factor", "current", password, "code", string(codes[0]))
	if w.account("mia").HasSecondFactor() {
		t.Error("the second factor is still on")
	}
}

// A passkey of the account replaces the code, once.
func TestPasskeyInsteadOfACode(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	b.wantScript(factorPath+"/challenge", nil, "", "no passkey")
	phone := b.addPasskey("phone")
	noa := w.browser().signIn("noa")
	noas := noa.addPasskey("noa's")
	w.enrol("mia")
	b.wantPage(b.get("/account/security"), 200, `data-passkey="confirm"`, "data-passkey-empty")
	answer := func(key *passkeytest.Key) string {
		t.Helper()
		return string(key.Sign(t, b.options(factorPath+"/challenge", nil)))
	}

	used := answer(phone)
	other := w.browser() // another browser of mia's
	other.wantScript("/auth/passkey", url.Values{"answer": {string(phone.Sign(t, other.options("/auth/passkey/challenge", nil)))}}, "/account", "")
	other.wantPage(other.post(factorPath+"/remove", url.Values{"current": {password}, "answer": {used}}), 400, "took too long")
	b.wantPage(b.post(factorPath+"/remove", url.Values{"current": {password}, "answer": {answer(noas)}}), 400, "not accepted")
	b.wantPage(b.post(factorPath+"/remove", url.Values{"current": {"wrong"}, "answer": {answer(phone)}}), 400, "Your own password is not right.")

	key := b.key(factorPath)
	used = answer(phone)
	b.wantPage(b.post(factorPath, url.Values{"current": {password}, "code": {w.code(key)}, "answer": {used}}), 200, "Keep these backup codes")
	b.wantPage(b.post(factorPath+"/remove", url.Values{"current": {password}, "answer": {used}}), 400, "took too long")
	b.addPasskey("another", "answer", answer(phone))
	b.sends(factorPath+"/remove", "/account/security?done=factor", "current", password, "answer", answer(phone))
}

// link has an admin create a link for an account's second factor.
func (b *browser) link(name string) (path string) {
	b.Helper()
	s := b.post("/admin/accounts/"+strconv.FormatInt(b.account(name).ID, 10)+"/second-factor", url.Values{"current": {password}})
	b.wantPage(s, 200, "A link for "+name, `class="qr"`, `data-copy="code.link"`)
	path = regexp.MustCompile(`/second-factor\?key=[A-Z2-7]+`).FindString(s.text)
	if path == "" || keyOn(s) != "" {
		b.Fatalf("the page has no link, or a key:\n%s", s.text)
	}
	if !strings.Contains(s.text, "<code class=\"link\">"+b.base+path+"</code>") {
		b.Errorf("the link is not one of this server:\n%s", s.text)
	}
	return path
}

// An admin helps a user who has no second factor or has lost it. Attack: the admin opens
// the link, and would see the key.
func TestLinkedFactor(t *testing.T) {
	for name, lost := range map[string]bool{"without a second factor": false, "with a lost one": true} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			if lost {
				w.enrol("mia")
			}
			olga := w.browser().signIn("olga")
			olga.refused("/admin/accounts/2/second-factor", "Your own password is not right", "current", "a guess")
			olga.refused("/admin/accounts/1/second-factor", "This is your own account", "current", password)
			replaced, link := olga.link("mia"), olga.link("mia")
			const once = "This link was used already, has expired or was replaced by a newer one"
			olga.wantPage(olga.get(replaced), 403, once)
			olga.wantPage(olga.get("/second-factor"), 403, once)
			olga.wantPage(olga.get("/second-factor?key=GUESSED"), 403, once)
			olga.wantTo(olga.get(link), "/second-factor")
			s := olga.get("/second-factor")
			olga.wantPage(s, 409, "for another account")
			olga.wantPage(olga.post("/second-factor", url.Values{"code": {"000000"}, "current": {password}}), 409, "for another account")
			stranger := w.browser()
			stranger.wantTo(stranger.get(link), "/second-factor")
			stranger.wantTo(stranger.get("/second-factor"), "/auth?next=%2Fsecond-factor")
			stranger.wantTo(stranger.post("/second-factor", url.Values{"code": {"000000"}}), "/auth?next=%2Fsecond-factor")

			mia := w.browser()
			mia.wantTo(mia.get(link), "/second-factor")
			mia.sends("/auth/sign-in", "/second-factor", "login", "mia", "password", password, "next", "/second-factor")
			if lost {
				mia.wantTo(mia.get("/auth?next=%2Fsecond-factor"), "/second-factor")
				mia.wantTo(mia.get("/account"), "/auth?next=%2Faccount") // and no further
			}
			key := mia.key("/second-factor")
			mia.wantPage(mia.post("/second-factor", url.Values{"code": {"000000"}, "current": {password}}), 400, "The code is not right")
			mia.wantPage(mia.post("/second-factor", url.Values{"code": {w.code(key)}, "current": {"wrong"}}), 400, "Your own password is not right.")
			chosen := account.NewEnrolment("usher", "mia").Secret
			mia.wantPage(mia.post("/second-factor", url.Values{"secret": {string(chosen)}, "code": {w.code(chosen)}, "current": {password}}), 400, "The code is not right")
			s = mia.post("/second-factor", url.Values{"code": {w.code(key)}, "current": {password}})
			mia.wantPage(s, 200, "Keep these backup codes")
			backup := regexp.MustCompile(`<li><code>([0-9a-z-]+)</code>`).FindStringSubmatch(s.text)[1]
			mia.wantPage(mia.get(link), 403, once)
			stranger.wantPage(stranger.get("/second-factor"), 403, once)

			again := w.browser()
			again.sends("/auth/sign-in", "/auth/code?next=%2Faccount", "login", "mia", "password", password)
			again.sends("/auth/code", "/account", "code", backup)
			again.wantPage(again.get("/account/security"), 200, "On, 9 backup codes are left.")
		})
	}
}

// Attack: a link that was created before the second factor changed replaces the current
// second factor.
func TestLinkIsVoidAfterAChange(t *testing.T) {
	w := newTown(t)
	olga := w.browser().signIn("olga")
	wantVoid := func(what, link string) {
		t.Helper()
		if s := w.browser().get(link); s.StatusCode != http.StatusForbidden {
			t.Errorf("after the second factor was %s, the link returns %d", what, s.StatusCode)
		}
	}
	link := olga.link("mia")
	w.enrol("mia")
	wantVoid("set up", link)
	link = olga.link("mia")
	olga.confirms("/admin/accounts/2/second-factor/remove", "/admin/accounts/2?done=factor")
	wantVoid("removed", link)
}

// A thief of the password guesses codes. A browser that signed in before can still sign in,
// and its owner sees the notice until they have confirmed it.
func TestGuessesAreShown(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 3 })
	w.people()
	const title, note = "Somebody may know your password", "gave 3 wrong codes"
	mia := w.browser().signIn("mia")
	_, codes := w.enrol("mia")
	mia.sends("/auth/sign-out", "/")
	thief := w.browser()
	thief.sends("/auth/sign-in", "/auth/code?next=%2Faccount", "login", "mia", "password", password)
	for range 3 {
		thief.wantPage(thief.post("/auth/code", url.Values{"code": {"000000"}}), 401, "The code is not right")
	}
	thief.wantPage(thief.post("/auth/code", url.Values{"code": {string(codes[0])}}), 401, "Too many failed tries. Wait a minute, then try again.")

	mia.sends("/auth/sign-in", "/auth/code?next=%2Faccount", "login", "mia", "password", password)
	mia.sends("/auth/code", "/account", "code", string(codes[0]))
	mia.reads("/account", title, note)
	mia.reads("/account/sign-ins", "Many wrong codes were entered after your password")
	noa := w.browser().signIn("noa")
	if strings.Contains(noa.reads("/account"), title) {
		t.Error("noa sees guesses at mia's codes")
	}
	noa.sends("/account/second-factor/guesses", "/account?done=guesses")
	mia.reads("/account", title)
	mia.sends("/account/second-factor/guesses", "/account?done=guesses")
	if strings.Contains(mia.reads("/account?done=guesses", "The notice is gone."), title) {
		t.Error("the notice is still shown")
	}
	thief.wantPage(thief.post("/auth/code", url.Values{"code": {string(codes[1])}}), 401, "Too many failed tries")
}

// A browser that signed in before is known, whichever way it signed in, and stays known
// when it signs out. Attack: a thief who fails from the same address locks it out.
func TestKnownBrowser(t *testing.T) {
	for name, signIn := range map[string]func(w *fixture, b *browser){
		"by password": func(_ *fixture, b *browser) { b.signIn("mia") },
		"by the second step": func(w *fixture, b *browser) {
			_, codes := w.enrol("mia")
			b.sends("/auth/sign-in", "/auth/code?next=%2Faccount", "login", "mia", "password", password)
			if b.cookie("usher_known", "/") != "" {
				t.Error("a half signed-in session makes the browser known")
			}
			b.sends("/auth/code", "/account", "code", string(codes[0]))
			w.must(w.Accounts.RemoveSecondFactor(w.Context(), operator, w.account("mia").ID))
		},
		"by passkey": func(w *fixture, b *browser) {
			phone := w.browser().signIn("mia").addPasskey("phone")
			b.wantAlone(phone, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(c *config) { c.FailedTries = 3 })
			w.people()
			mia, stranger, thief := w.browser(), w.browser(), w.browser()
			signIn(w, mia)
			mia.sends("/auth/sign-out", "/")
			for range 4 {
				thief.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {"wrong"}})
			}
			form := url.Values{"login": {"MIA@example.org"}, "password": {password}}
			stranger.wantPage(stranger.post("/auth/sign-in", form), 401, "Too many failed tries")
			mia.wantTo(mia.post("/auth/sign-in", form), "/account")
		})
	}
}

// A lock may last for a day, which would be unreadable in minutes.
func TestWaitText(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Second:                    "Wait a moment",
		time.Minute:                    "Wait a minute",
		61 * time.Second:               "Wait 2 minutes",
		2 * time.Hour:                  "Wait 120 minutes",
		2*time.Hour + 10*time.Second:   "Wait 3 hours",
		23*time.Hour + time.Nanosecond: "Wait 24 hours",
		24 * time.Hour:                 "Wait 24 hours",
	} {
		if got := web.WaitText(wait).String(); got != want+", then try again." {
			t.Errorf("a wait of %v is written as %q, want %q", wait, got, want)
		}
	}
}
