package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/passkey/passkeytest"
)

// script posts a form like the pages' script, and returns the path or the problem in the
// answer.
func (b *browser) script(path string, form url.Values) (to, problem string) {
	b.Helper()
	s := b.post(path, form)
	var answer struct{ To, Problem string }
	if err := json.Unmarshal([]byte(s.text), &answer); err != nil || s.Header.Get("Content-Type") != "application/json" {
		b.Fatalf("%s returns %d %q: %v", path, s.StatusCode, s.text, err)
	}
	if (s.StatusCode == 200) != (answer.Problem == "") || s.StatusCode >= 500 {
		b.Errorf("%s returns %d %s", path, s.StatusCode, s.text)
	}
	return answer.To, answer.Problem
}

// options are the server's options for a WebAuthn ceremony.
func (b *browser) options(path string, form url.Values) []byte {
	b.Helper()
	s := b.post(path, form)
	b.wantPage(s, 200, `"challenge"`)
	return []byte(s.text)
}

func (b *browser) wantScript(path string, form url.Values, wantTo, wantProblem string) {
	b.Helper()
	to, problem := b.script(path, form)
	if to != wantTo || wantProblem == "" && problem != "" || !strings.Contains(problem, wantProblem) {
		b.Errorf("%s leads to %q, problem %q; want %q, %q", path, to, problem, wantTo, wantProblem)
	}
}

// addPasskey adds a passkey to the signed-in account. present has the form's fields for the
// current second factor.
func (b *browser) addPasskey(name string, present ...string) *passkeytest.Key {
	b.Helper()
	options := b.options("/account/passkeys/challenge", values(append(present, "current", password)))
	key, answer := passkeytest.Create(b, options, b.base)
	b.wantScript("/account/passkeys", url.Values{"name": {name}, "answer": {string(answer)}}, "/account/security?done=passkey", "")
	return key
}

// alone signs in with a passkey only.
func (b *browser) alone(key *passkeytest.Key, next string) (to, problem string) {
	b.Helper()
	answer := key.Sign(b, b.options("/auth/passkey/challenge", nil))
	return b.script("/auth/passkey", url.Values{"answer": {string(answer)}, "next": {next}})
}

func (b *browser) wantAlone(key *passkeytest.Key, problem string) {
	b.Helper()
	if to, got := b.alone(key, "/link"); (to == "/link") != (problem == "") || !strings.Contains(got, problem) {
		b.Errorf("the passkey leads to %q, problem %q; want problem %q", to, got, problem)
	}
}

func TestPasskeyAlone(t *testing.T) {
	w := newTown(t)
	seed, backup := w.enrol("mia") // the passkey replaces both factors
	mia := w.browser()
	mia.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}})
	mia.wantTo(mia.post("/auth/code", url.Values{"code": {w.code(seed)}}), "/account")
	mia.wantPage(mia.get("/account/security"), 200, "Passkeys", `data-passkey="add"`, "data-passkey-none")
	phone := mia.addPasskey("My phone", "code", string(backup[0]))
	mia.wantPage(mia.get("/account/security?done=passkey"), 200, "The passkey is added.", "My phone", "for localhost", "not used yet")

	b := w.browser()
	b.wantPage(b.get("/auth?next=%2Flink"), 200, `data-passkey="sign-in" data-next="/link" hidden`, "passkeys.js")
	b.wantAlone(phone, "")
	s := b.get("/account/security")
	b.wantPage(s, 200, "last used")
	b.wantPage(b.get("/account/sign-ins"), 200, "A passkey was used")
	if b.cookie("usher_passkey", "/auth/passkey") != "" {
		t.Error("the cookie of the challenge was not deleted")
	}
	for _, next := range elsewhere {
		b := w.browser()
		if to, problem := b.alone(phone, next); to != "/account" {
			t.Errorf("next=%q leads to %q, %q", next, to, problem)
		}
	}
}

func TestPasskeyAsSecondFactor(t *testing.T) {
	w := newTown(t)
	mia, noa := w.browser().signIn("mia"), w.browser().signIn("noa")
	phone, noas := mia.addPasskey("phone"), noa.addPasskey("noa's")
	w.enrol("mia")
	w.enrol("olga")
	half := func(name string) *browser {
		t.Helper()
		b := w.browser()
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {name}, "password": {password}}), "/auth/code?next=%2Faccount")
		return b
	}
	b := half("mia")
	b.wantPage(b.get("/auth/code?next=%2Flink"), 200, `data-passkey="second" data-next="/link" hidden`)
	const challenge, answer = "/auth/code/passkey/challenge", "/auth/code/passkey"
	give := func(key *passkeytest.Key) url.Values {
		t.Helper()
		return url.Values{"answer": {string(key.Sign(t, b.options(challenge, nil)))}, "next": {"/link"}}
	}
	b.wantScript(answer, give(noas), "", "not accepted")
	phone.Unverified = true // after the password, possession is enough
	form := give(phone)
	first := b.cookie(sessionCookie, "/")
	half("mia").wantScript(answer, form, "", "took too long") // attack: from another browser after its first step
	b.wantScript(answer, form, "/link", "")
	b.wantPage(b.get("/account"), 200)
	if b.cookie(sessionCookie, "/") == first {
		t.Error("the cookie did not change when its session got more access")
	}
	b.wantTo(b.post(answer, form), "/auth?next=%2Flink&late=1") // the session is complete now

	olga := half("olga")
	olga.wantScript(challenge, nil, "", "no passkey")
	if strings.Contains(olga.get("/auth/code").text, "data-passkey") {
		t.Error("olga is offered a passkey that she does not have")
	}
}

// Attack: a response is replayed, or sent by another browser than the one that requested
// the challenge.
func TestPasskeyReplay(t *testing.T) {
	w := newTown(t)
	phone := w.browser().signIn("mia").addPasskey("phone")
	mia, thief := w.browser(), w.browser()
	form := url.Values{"answer": {string(phone.Sign(t, mia.options("/auth/passkey/challenge", nil)))}}
	thief.wantScript("/auth/passkey", form, "", "took too long")
	thief.options("/auth/passkey/challenge", nil)
	thief.wantScript("/auth/passkey", form, "", "not accepted")
	mia.wantScript("/auth/passkey", form, "/account", "")
	mia.wantScript("/auth/passkey", form, "", "took too long")
	thief.options("/auth/passkey/challenge", nil)
	thief.wantScript("/auth/passkey", form, "", "not accepted")
	thief.wantTo(thief.get("/account"), "/auth?next=%2Faccount")
}

// Attack: a stolen key without its PIN, a cloned key, a key of a disabled account,
// and a removed key.
func TestPasskeyRefused(t *testing.T) {
	w := newTown(t)
	mia := w.browser().signIn("mia")
	phone := mia.addPasskey("phone")
	copied := *phone
	b := w.browser()
	phone.Unverified = true
	b.wantAlone(phone, "not accepted")
	phone.Unverified = false
	b.wantAlone(phone, "")
	b.wantPage(b.get("/account/sign-ins"), 200, "Refused: wrong answer of a passkey")
	copied.Count = 0
	b.wantAlone(&copied, "a copy of it")
	w.must(w.Accounts.Disable(t.Context(), operator, w.account("mia").ID))
	b.wantAlone(phone, "not accepted")
	w.must(w.Accounts.Enable(t.Context(), operator, w.account("mia").ID))
	b.wantAlone(phone, "")
	b.wantPage(b.get("/account/sign-ins"), 200, "there may be a copy of it", "Refused: the account is disabled")

	remove := regexp.MustCompile(`/account/passkeys/\d+/remove`).FindString(mia.get("/account/security").text)
	noa := w.browser().signIn("noa")
	noa.wantPage(noa.post(remove, url.Values{"current": {password}}), 404)
	mia.wantPage(mia.post(remove, url.Values{"current": {"wrong"}}), 400, "Your own password is not right.")
	b.wantAlone(phone, "")
	mia.wantTo(mia.post(remove, url.Values{"current": {password}}), "/account/security?done=passkey-removed")
	b.wantAlone(phone, "not accepted")
	mia.wantPage(mia.post(remove, url.Values{"current": {password}}), 404)
}

// Attack: flood the server with requests for challenges.
func TestPasskeyFlood(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 1 })
	b := w.browser()
	for range 10 {
		b.options("/auth/passkey/challenge", nil)
	}
	s := b.post("/auth/passkey/challenge", nil)
	b.wantPage(s, http.StatusTooManyRequests, "Too many sign-ins by passkey from this address. Wait a moment, then try again.")
}

// Attack: an intruder at an open browser adds their own passkey.
func TestAddPasskeyTakesThePassword(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	const challenge, add = "/account/passkeys/challenge", "/account/passkeys"
	b.wantScript(challenge, url.Values{"current": {"wrong"}}, "", "password is not right")
	b.wantScript(add, url.Values{"answer": {"{}"}}, "", "took too long")
	key, answer := passkeytest.Create(t, b.options(challenge, url.Values{"current": {password}}), b.base)
	other := w.browser().signIn("mia")
	other.wantScript(add, url.Values{"answer": {string(answer)}}, "", "took too long")
	b.wantScript(add, url.Values{"answer": {string(answer)}}, "/account/security?done=passkey", "")
	b.wantPage(b.get("/account/security"), 200, "Firefox on Linux</span>") // the default name
	_ = b.options(challenge, url.Values{"current": {password}})
	b.wantScript(add, url.Values{"answer": {"not JSON"}}, "", "not accepted")
	again := key.Attest(t, passkeytest.Challenge(t, b.options(challenge, url.Values{"current": {password}})))
	b.wantScript(add, url.Values{"answer": {string(again)}}, "", "added already")
}

// A passkey is bound to a host name. An IP address is not a host name. The public URL's
// host name is used instead of the request's.
func TestPasskeyNames(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.base = "http://" + w.address
	b.signIn("mia")
	port := w.address[strings.LastIndex(w.address, ":"):]
	s := b.get("/account/security")
	b.wantPage(s, 200, "not an IP address or a short name. On the computer that usher runs on, open http://localhost"+port)
	if strings.Contains(s.text, "data-passkey") || strings.Contains(w.by(b.base).get("/auth").text, "data-passkey") {
		t.Error("a passkey is offered at an IP address")
	}
	b.wantScript("/account/passkeys/challenge", url.Values{"current": {password}}, "", "IP address")
	b.wantScript("/auth/passkey/challenge", nil, "", "IP address")

	w = newFixture(t, func(c *config) { c.Server.PublicURL = "https://usher.example.org" })
	b = w.browser()
	b.wantPage(b.post("/auth/passkey/challenge", nil), 200, `"rpId":"usher.example.org"`)
}

// Attack: another program on this computer, at another port, requests a user's passkey and
// relays the response to this server.
func TestPasskeyOfAnotherPort(t *testing.T) {
	w := newTown(t)
	phone := w.browser().signIn("mia").addPasskey("phone")
	w.browser().wantAlone(phone, "")

	b := w.by("http://localhost:9999")
	b.wantScript("/auth/passkey/challenge", nil, "", "--public-url")
	if strings.Contains(b.get("/auth").text, "data-passkey") {
		t.Error("a passkey is offered at another program's port")
	}
	asked := w.browser() // the program itself requests a challenge, at the right port
	phone.Origin = b.base
	asked.wantAlone(phone, "not accepted")
	b.signIn("mia").wantPage(b.get("/account/security"), 200, "--public-url")

	// A proxy at the scheme's default port passes the Host header on.
	proxied := w.by("http://localhost")
	phone.Origin = proxied.base
	proxied.wantAlone(phone, "")

	w = newFixture(t, func(c *config) { c.Server.PublicURL = "http://localhost:9999" })
	w.people()
	b = w.by("http://localhost:9999")
	b.wantAlone(b.signIn("mia").addPasskey("phone"), "")
}

// by returns a browser that uses another address of the server.
func (w *fixture) by(base string) *browser {
	w.Helper()
	b := w.browser()
	b.base = base
	return b
}

// A script whose visitor is signed out gets a redirect instead of JSON, and opens what it
// leads to.
func TestScriptOfAStranger(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	for path, to := range map[string]string{
		"/account/passkeys/challenge": "/auth?next=%2Faccount%3Fdone%3Dunsaved", "/account/passkeys": "/auth?next=%2Faccount%3Fdone%3Dunsaved",
		"/auth/code/passkey/challenge": "/auth?next=%2Faccount&late=1", "/auth/code/passkey": "/auth?next=%2Faccount&late=1",
	} {
		s := b.post(path, nil)
		b.wantTo(s, to)
		if strings.Contains(s.Header.Get("Content-Type"), "json") || s.StatusCode == http.StatusOK {
			t.Errorf("%s returns %d %s", path, s.StatusCode, s.Header.Get("Content-Type"))
		}
	}
}
