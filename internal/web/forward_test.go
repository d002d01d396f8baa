package web_test

import (
	"bytes"
	"html"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/plexauth"
)

// ask starts a PIN for a program that receives a proof at an address.
func (w *fixture) ask(forward string, strong bool) pin.PIN {
	w.Helper()
	p, err := w.PINs.Start(w.Context(), device.Device{
		ClientIdentifier: "program", Product: "Shelf", Address: "192.0.2.7",
	}, strong, forward)
	w.must(err)
	return p
}

// redeem returns the token that the program gets for a proof, or "".
func (w *fixture) redeem(p pin.PIN, proof string) plexauth.Secret {
	w.Helper()
	_, token, err := w.PINs.Redeem(w.Context(), p.ID, "program", "192.0.2.7", plexauth.Secret(proof))
	if err != nil && token != "" {
		w.Errorf("a token and the error %v", err)
	}
	return token
}

var goOn = regexp.MustCompile(`<a class="button" href="([^"]+)"`)

// leadsTo returns where the page's button leads the visitor.
func (s seen) leadsTo() string {
	m := goOn.FindStringSubmatch(s.text)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// consent allows access for a PIN, and returns the page with the link to the program.
func (b *browser) consent(p pin.PIN, forward string) seen {
	b.Helper()
	s := b.post("/auth/consent", url.Values{
		"code": {p.Code}, "clientID": {"program"}, "forwardUrl": {forward}, "decision": {"allow"},
	})
	b.wantTo(s, "/auth/done?code="+p.Code)
	return b.get(s.location())
}

// The page shows which account the program gets access to, and which program: the one at
// the address that receives the proof, or the one that started the PIN.
func TestConsentNamesAccountAndProgram(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	mail := w.account("mia").Email
	if mail == "" {
		mail = "mia"
	}
	const address = "https://shelf.example.org:8443/back?state=1"
	p := w.ask(address, true)
	for _, query := range []string{"", "&forwardUrl=" + url.QueryEscape(address)} {
		s := b.get("/auth?code=" + p.Code + query)
		b.wantPage(s, 200, "<dt>Your account</dt><dd><strong>mia</strong>", mail,
			"<dt>It is given to</dt><dd>the program at <strong>shelf.example.org:8443</strong>, in this browser only",
			"<dt>Then you go to</dt><dd><code>"+address+"</code>")
		if strings.Contains(s.text, "did not prove") {
			t.Errorf("the page warns:\n%s", s.text)
		}
	}
	tv := w.start(true)
	to := "<dt>It is given to</dt><dd>the device or program that asks"
	b.wantPage(b.get("/auth?code="+tv.Code), 200, "<dt>Your account</dt><dd><strong>mia</strong>", to)
	b.wantPage(b.get("/auth?code="+tv.Code+"&forwardUrl="+url.QueryEscape(address)), 200, to,
		"The program did not prove that it is the one at <code>shelf.example.org:8443</code>")
}

// The address that the program sent gets a proof if it has room for one, and is not changed
// otherwise. The page shows the address without the proof.
func TestForwardWithProof(t *testing.T) {
	w := newTown(t)
	w.allow("https://allowed.example.org")
	b := w.browser().signIn("mia")
	for address, want := range map[string]string{
		"https://app.example.org":                               "https://app.example.org?pinProof=PROOF",
		"https://app.example.org/":                              "https://app.example.org/?pinProof=PROOF",
		"https://app.example.org/a/b%2Fc/back":                  "https://app.example.org/a/b%2Fc/back?pinProof=PROOF",
		"https://app.example.org/back?":                         "https://app.example.org/back?pinProof=PROOF",
		"https://app.example.org/back?x=%2f&y=a+b;z&&=":         "https://app.example.org/back?x=%2f&y=a+b;z&&=&pinProof=PROOF",
		"https://app.example.org/back?x=1#top":                  "https://app.example.org/back?x=1&pinProof=PROOF#top",
		"https://app.example.org/#/signed-in?x=1":               "https://app.example.org/?pinProof=PROOF#/signed-in?x=1",
		"http://192.168.1.5:8080/back?next=https://a.example/?": "http://192.168.1.5:8080/back?next=https://a.example/?&pinProof=PROOF",
		"https://allowed.example.org/back?state=1":              "https://allowed.example.org/back?state=1&pinProof=PROOF",
		"http://[2001:db8::1]:8080/back":                        "http://[2001:db8::1]:8080/back?pinProof=PROOF",
	} {
		for _, strong := range []bool{true, false} {
			p := w.ask(address, strong)
			s := b.consent(p, address)
			target, err := url.Parse(s.leadsTo())
			w.must(err)
			proof := target.Query().Get("pinProof")
			if len(proof) != 22 || target.String() != strings.Replace(want, "PROOF", proof, 1) {
				t.Errorf("%s leads to %s, want %s", address, target, want)
				continue
			}
			if strings.Count(s.text, proof) != 1 {
				t.Errorf("the page shows the proof:\n%s", s.text)
			}
			b.wantPage(s, 200, "<code class=\"target\">"+strings.TrimSuffix(address, "?"))
			refresh := ""
			if strings.HasPrefix(address, "https://allowed.") {
				refresh = "0; url=" + target.String()
			}
			if got := s.Header.Get("Refresh"); got != refresh {
				t.Errorf("%s: Refresh is %q, want %q", address, got, refresh)
			}
			if policy := s.Header.Get("Referrer-Policy"); policy != "same-origin" || s.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("the page has %v", s.Header)
			}
			if tok := w.redeem(p, proof); tok == "" {
				t.Errorf("%s: the proof is rejected", address)
			}
			b.wantPage(b.get("/auth/done?code="+p.Code), 404) // the program has the token
		}
	}
}

// Attack: the attacker starts a sign-in at a program, and sends the victim a link that
// sends the proof to the attacker, or withholds it from the program.
func TestChangedForward(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	const address = "https://app.example.org/back?state=1"
	p := w.ask(address, true)
	for _, other := range []string{
		"https://evil.example/", "https://app.example.org/back", "https://app.example.org/back?state=2", address + "&x=1",
		address + "#x", "http://app.example.org/back?state=1", "https://app.example.org:8443/back?state=1",
		"https://app.example.org/open-redirect?to=https://evil.example",
	} {
		query := url.Values{"code": {p.Code}, "clientID": {"program"}, "forwardUrl": {other}}
		b.wantPage(b.get("/auth?"+query.Encode()), 400, "another address than the one that the program asked for")
		query.Set("decision", "allow")
		b.wantPage(b.post("/auth/consent", query), 400, "another address than the one that the program asked for")
	}
	// Without an address in the link, the visitor is sent to the program's address.
	if to := b.consent(p, "").leadsTo(); !strings.HasPrefix(to, address+"&pinProof=") {
		t.Errorf("it leads to %q", to)
	}
}

// Attack: a person other than the one who consented opens the page with the proof. Or that
// person opens it before consenting, or after the PIN is used.
func TestWhoGetsTheProof(t *testing.T) {
	w := newTown(t)
	mia, noa, nobody := w.browser().signIn("mia"), w.browser().signIn("noa"), w.browser()
	const address = "https://app.example.org/back"
	p, plain := w.ask(address, true), w.start(true)
	done := "/auth/done?code=" + p.Code
	for _, b := range []*browser{mia, noa} {
		b.wantPage(b.get(done), 404)
	}
	proof := func(s seen) string {
		u, err := url.Parse(s.leadsTo())
		w.must(err)
		return u.Query().Get("pinProof")
	}
	mine := proof(mia.consent(p, address))
	if again := proof(mia.get(done)); again != mine { // a page can be reloaded
		t.Errorf("the proof was %q, and is now %q", mine, again)
	}
	noa.wantPage(noa.get(done), 404)
	nobody.wantTo(nobody.get(done), "/auth?next="+url.QueryEscape(done))
	mia.wantTo(mia.post("/auth/consent", url.Values{"code": {plain.Code}, "decision": {"allow"}}), linkedPath)
	mia.wantPage(mia.get("/auth/done?code="+plain.Code), 404) // a PIN without a proof

	// The proof of another account, or of another PIN, is invalid.
	other := w.ask(address, true)
	theirs := proof(noa.consent(other, address))
	for what, tok := range map[string]plexauth.Secret{
		"another PIN's": w.redeem(p, theirs), "none": w.redeem(p, ""), "cut": w.redeem(p, mine[:21]), "longer": w.redeem(p, mine+"A"),
	} {
		if tok != "" {
			t.Errorf("attack: %s proof gets a token", what)
		}
	}
	if w.redeem(other, theirs) == "" || w.redeem(p, mine) == "" {
		t.Error("the right proof is rejected")
	}
	if w.redeem(p, mine) != "" {
		t.Error("attack: a proof works twice")
	}
	mia.wantPage(mia.get(done), 404)

	// A visitor is not redirected with the proof for a revoked token.
	p = w.ask(address, true)
	mine = proof(mia.consent(p, address))
	w.must(w.Accounts.Disable(w.Context(), operator, w.account("mia").ID))
	w.must(w.Accounts.Enable(w.Context(), operator, w.account("mia").ID))
	list, err := paging.Rows(w.Tokens.List(w.Context(), w.account("mia").ID, paging.Request{}))
	w.must(err)
	for _, tok := range list {
		w.must(w.Tokens.Revoke(w.Context(), operator, tok.ID))
	}
	mia = w.browser().signIn("mia")
	mia.wantPage(mia.get("/auth/done?code="+p.Code), 404)
	if w.redeem(p, mine) != "" {
		t.Error("attack: the proof of a revoked token gets it")
	}
}

// Attack: while a visitor reads the consent page, its four-character code is assigned to
// another device.
func TestCodeReassignedDuringConsent(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	tv := w.start(false)
	s := b.get("/auth?code=" + tv.Code)
	form := url.Values{"decision": {"allow"}}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`).FindAllStringSubmatch(s.text, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	w.Clock.Advance(time.Millisecond)
	other := w.start(false)
	form.Set("code", other.Code)
	b.wantPage(b.post("/auth/consent", form), 404)
	if token, gone := w.token(other); token != "" || gone {
		t.Error("the other device is signed in, or its PIN was deleted")
	}
	form.Set("code", tv.Code)
	b.wantTo(b.post("/auth/consent", form), linkedPath)
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Attack: the proof is read from usher's log.
func TestProofIsNotLogged(t *testing.T) {
	var log lockedBuffer
	w := startFixture(t, false, func(c *config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.people()
	b := w.browser().signIn("mia")
	p := w.ask("https://app.example.org/back", true)
	u, err := url.Parse(b.consent(p, "").leadsTo())
	w.must(err)
	proof := u.Query().Get("pinProof")
	if w.redeem(p, proof) == "" {
		t.Fatal("the proof is rejected")
	}
	if !strings.Contains(log.String(), "/auth/done") {
		t.Fatalf("the log has no requests:\n%s", log.String())
	}
	if strings.Contains(log.String(), proof) {
		t.Errorf("the log has the proof:\n%s", log.String())
	}
}

// The consent page and the next page show the host that browsers connect to.
func TestForwardHostIsShown(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	tv := w.start(true)
	for text, shown := range map[string]string{
		"https://аррӏе.com/back":             "https://xn--80ak6aa92e.com/back",
		"https://example.org。evil.example/x": "https://example.org.evil.example/x",
	} {
		query := url.Values{"code": {tv.Code}, "forwardUrl": {text}}
		for _, s := range []seen{
			b.get("/auth?" + query.Encode()), b.get("/auth/done?forwardUrl=" + url.QueryEscape(text)),
			b.get("/auth?led=1&code=CCCC&forwardUrl=" + url.QueryEscape(text)),
		} {
			b.wantPage(s, 200, shown)
			if strings.Contains(s.text, text[8:12]) && strings.ContainsAny(s.text, "аӏ。") {
				t.Errorf("%s: the page shows the host as it was written", s.Request.URL)
			}
		}
	}
	// For a host that an admin allowed, the page redirects to the form that browsers use.
	w.allow("https://xn--80ak6aa92e.com")
	s := b.get("/auth/done?forwardUrl=" + url.QueryEscape("https://аррӏе.com/back"))
	if got := s.Header.Get("Refresh"); !strings.Contains(got, "https://xn--80ak6aa92e.com/back") {
		t.Errorf("the page has Refresh %q", got)
	}
}
