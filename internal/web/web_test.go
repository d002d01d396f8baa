package web_test

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

const password = coretest.Password

// operator is the actor of changes outside the browsers.
var operator = audit.Actor{Name: "operator"}

// fixture is a complete server with a database in memory. Browsers reach it at base.
type fixture struct {
	*testing.T
	*coretest.Core
	server  *server.Server
	base    string
	address string
	tls     bool
}

// config is what a test can change in the configuration of the services and of the server.
type config struct {
	core.Config
	Server server.Config
	// Mail creates the sender of e-mails. If it is nil, none are sent.
	Mail func(*core.Core) *mail.Sender
}

// newFixture starts a server without accounts.
func newFixture(t *testing.T, change func(*config)) *fixture {
	t.Helper()
	return startFixture(t, false, change)
}

func startFixture(t *testing.T, tls bool, change func(*config)) *fixture {
	t.Helper()
	cfg := config{Config: core.Config{Self: &source.Self{MachineIdentifier: "self"}, Now: time.Now}}
	if change != nil {
		change(&cfg)
	}
	c := coretest.New(t, cfg.Config)
	if cfg.Mail != nil {
		cfg.Server.Mail = cfg.Mail(c.Core)
	}
	srv := server.New(c.Core, cfg.Server)
	listening := httptest.NewUnstartedServer(srv.Handler())
	scheme := "http"
	if tls {
		scheme = "https"
		listening.StartTLS()
	} else {
		listening.Start()
	}
	t.Cleanup(listening.Close)
	address := listening.Listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, c, srv, scheme + "://localhost:" + port, address, tls}
}

// newTown returns a fixture with an admin, olga, and two members, mia and noa.
func newTown(t *testing.T) *fixture {
	t.Helper()
	w := newFixture(t, nil)
	w.people()
	return w
}

func (w *fixture) people() {
	w.Helper()
	for _, name := range []string{"olga", "mia", "noa"} {
		if name == "olga" {
			w.AddAdmin(name)
			continue
		}
		w.Add(name)
	}
}

func (w *fixture) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *fixture) account(name string) account.Account {
	w.Helper()
	a, err := w.Accounts.Find(w.Context(), name)
	w.must(err)
	return a
}

// allow allows an origin.
func (w *fixture) allow(origin string) {
	w.Helper()
	_, err := w.Origins.Allow(w.Context(), operator, origin)
	w.must(err)
}

// browser stores cookies and does not follow redirects.
type browser struct {
	*fixture
	http.Client
	jar *cookiejar.Jar
	// base is the scheme and host in its address bar.
	base string
}

func (w *fixture) browser() *browser {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, w.address)
	}
	if w.tls {
		transport.TLSClientConfig.InsecureSkipVerify = true
	}
	w.Cleanup(transport.CloseIdleConnections)
	return &browser{fixture: w, jar: jar, base: w.base, Client: http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// seen is a response with its body.
type seen struct {
	*http.Response
	text string
}

// location is the target of a redirect.
func (s seen) location() string { return s.Header.Get("Location") }

func (b *browser) do(method, path string, form url.Values, header http.Header) seen {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	b.must(err)
	req.Header = header.Clone()
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.Do(req)
	b.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.must(err)
	return seen{res, isolating.Replace(string(text))}
}

// isolating removes the elements that isolate the direction of a name from the text around
// it.
var isolating = strings.NewReplacer("<bdi>", "", "</bdi>", "")

func (b *browser) get(path string) seen {
	b.Helper()
	return b.do(http.MethodGet, path, nil, http.Header{})
}

// post submits a form like the server's own pages do.
func (b *browser) post(path string, form url.Values) seen {
	b.Helper()
	return b.do(http.MethodPost, path, form, http.Header{"Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"}})
}

// wantPage checks a response's status, and that it contains each of the texts.
func (b *browser) wantPage(s seen, status int, texts ...string) {
	b.Helper()
	if s.StatusCode != status {
		b.Errorf("%s %s: status %d (to %q), want %d:\n%s", s.Request.Method, s.Request.URL, s.StatusCode, s.location(), status, s.text)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(s.text), text) {
			b.Errorf("%s %s: the page has no %q:\n%s", s.Request.Method, s.Request.URL, text, s.text)
		}
	}
}

// wantNot checks that a page contains none of the texts.
func (b *browser) wantNot(s seen, texts ...string) {
	b.Helper()
	if s.StatusCode >= 300 {
		b.Errorf("%s %s: status %d", s.Request.Method, s.Request.URL, s.StatusCode)
	}
	for _, text := range texts {
		if strings.Contains(html.UnescapeString(s.text), text) {
			b.Errorf("%s %s: the page has %q:\n%s", s.Request.Method, s.Request.URL, text, s.text)
		}
	}
}

// linkedPath is the prefix of where a browser is sent after linking a device.
const linkedPath = "/auth/done?device="

// wantTo checks that a response redirects to a path.
func (b *browser) wantTo(s seen, path string) {
	b.Helper()
	if path == linkedPath && strings.HasPrefix(s.location(), path) {
		path = s.location()
	}
	if s.StatusCode != http.StatusSeeOther || s.location() != path {
		b.Errorf("%s %s: status %d to %q, want 303 to %q:\n%s", s.Request.Method, s.Request.URL, s.StatusCode, s.location(), path, s.text)
	}
}

// cookie returns the value of a cookie that the browser would send to a path.
func (b *browser) cookie(name, path string) string {
	b.Helper()
	u, err := url.Parse(b.base + path)
	b.must(err)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

const sessionCookie = "usher_session"

func (b *browser) signIn(name string) *browser {
	b.Helper()
	b.wantTo(b.post("/auth/sign-in", url.Values{"login": {name}, "password": {password}}), "/account")
	return b
}

// enrol turns on an account's second factor.
func (w *fixture) enrol(name string) (seed plexauth.Secret, backup []plexauth.Secret) {
	w.Helper()
	e := account.NewEnrolment("usher", name)
	backup, err := w.Accounts.Enrol(w.Context(), operator, w.account(name).ID, e, "")
	w.must(err)
	return e.Secret, backup
}

func (w *fixture) code(seed plexauth.Secret) string {
	w.Helper()
	code, err := totp.GenerateCode(string(seed), time.Now())
	w.must(err)
	return code
}

// start creates a PIN like a television.
func (w *fixture) start(strong bool) pin.PIN {
	w.Helper()
	p, err := w.PINs.Start(w.Context(), device.Device{
		ClientIdentifier: "tv", Product: "Player & Co", Version: "1.2", Platform: "Roku", Name: "Living room", Address: "192.0.2.7",
	}, strong, "")
	w.must(err)
	return p
}

// token polls the PIN. The token is empty while the PIN is pending. gone reports whether
// the PIN no longer exists.
func (w *fixture) token(p pin.PIN) (token plexauth.Secret, gone bool) {
	w.Helper()
	_, token, err := w.PINs.Get(w.Context(), p.ID, "tv", "192.0.2.7")
	return token, err != nil
}

func TestSetUp(t *testing.T) {
	w := newFixture(t, nil)
	b := w.browser()
	b.wantPage(b.get("/"), 200, "Not set up yet")
	b.wantPage(b.get("/setup"), 403, "The set-up link works once")
	old := string(w.server.Pages().SetupPath())
	link := string(w.server.Pages().SetupPath())
	b.wantPage(b.get("/setup?key=guessed"), 403)
	b.wantPage(b.get(old), 403)
	b.wantPage(b.post("/setup", url.Values{"username": {"olga"}, "password": {password}}), 403)
	b.wantTo(b.get(link), "/setup")
	b.wantPage(b.get("/setup"), 200, "Welcome")
	b.wantPage(b.post("/setup", url.Values{"username": {"olga"}, "password": {"short"}}), 400, "at least 8", `value="olga"`)
	// The invalid field has the focus, and is described by the problem.
	field := regexp.MustCompile(`<input id="setup-(\w+)" name="\w+" aria-invalid="true" autofocus aria-describedby="setup-(\w+)-wrong"`)
	for wrong, form := range map[string]url.Values{
		"username": {"username": {"ol ga"}, "email": {"olga@example.org"}, "password": {password}},
		"email":    {"username": {"olga"}, "email": {"olga"}, "password": {password}},
		"password": {"username": {"olga"}, "email": {"olga@example.org"}, "password": {"short"}},
	} {
		page := b.post("/setup", form)
		b.wantPage(page, 400, `<a href="#setup-`+wrong+`">`, `<p class="wrong" id="setup-`+wrong+`-wrong">`)
		found := field.FindAllStringSubmatch(page.text, -1)
		if len(found) != 1 || found[0][1] != wrong || strings.Count(page.text, "autofocus") != 1 {
			t.Errorf("the wrong field is %s, and the page marks %q:\n%s", wrong, found, page.text)
		}
	}
	form := url.Values{"username": {"olga"}, "password": {password}}
	b.wantTo(b.post("/setup", form), "/account")
	b.wantPage(b.get("/account"), 200, "olga")
	if !w.account("olga").Admin {
		t.Error("the first account is not an admin")
	}
	// The link works once.
	b = w.browser()
	b.wantTo(b.get(link), "/")
	b.wantPage(b.post("/setup", form), 403)
	b.wantPage(b.get("/"), 200, "Sign in")
}

func TestSignInAndOut(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantTo(b.get("/account"), "/auth?next=%2Faccount")
	b.wantPage(b.get("/auth?next=%2Flink"), 200, `name="next" value="/link"`)
	b.wantPage(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {"wrong"}, "next": {"/link"}}),
		401, "The name or the password is not right.", `value="mia"`, `name="next" value="/link"`)
	unknown := b.post("/auth/sign-in", url.Values{"login": {"nobody"}, "password": {password}})
	b.wantPage(unknown, 401, "The name or the password is not right.")
	if b.cookie(sessionCookie, "/") != "" {
		t.Error("a wrong password creates a session")
	}
	b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"MIA@example.org"}, "password": {password}, "next": {"/link"}}), "/link")
	b.wantPage(b.get("/account"), 200, "mia")
	b.wantPage(b.get("/account/browsers"), 200, "Firefox on Linux", "(this one)")
	b.wantTo(b.get("/"), "/account")
	kept := b.cookie(sessionCookie, "/")
	b.wantTo(b.post("/auth/sign-out", nil), "/")
	b.wantTo(b.get("/account"), "/auth?next=%2Faccount")

	// Attack: the cookie was copied before the sign-out.
	thief := w.browser()
	thief.keep(sessionCookie, kept)
	thief.wantTo(thief.get("/account"), "/auth?next=%2Faccount")
}

// keep sets a cookie in the browser.
func (b *browser) keep(name, value string) {
	b.Helper()
	u, err := url.Parse(b.base)
	b.must(err)
	b.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// Attack: an attacker plants a session cookie in a browser. A sign-in revokes the browser's
// session and sets a new cookie, so the planted one is invalid.
func TestSessionFixation(t *testing.T) {
	w := newTown(t)
	planted := w.browser().signIn("noa").cookie(sessionCookie, "/")
	b := w.browser()
	b.keep(sessionCookie, planted)
	b.signIn("mia")
	if b.cookie(sessionCookie, "/") == planted {
		t.Error("the cookie did not change")
	}
	thief := w.browser()
	thief.keep(sessionCookie, planted)
	thief.wantTo(thief.get("/account"), "/auth?next=%2Faccount")
}

func TestTooManyWrongPasswords(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 2 })
	w.people()
	b := w.browser()
	wrong := url.Values{"login": {"mia"}, "password": {"wrong"}}
	b.wantPage(b.post("/auth/sign-in", wrong), 401, "not right")
	b.wantPage(b.post("/auth/sign-in", wrong), 401, "not right")
	b.wantPage(b.post("/auth/sign-in", wrong), 401, "Too many failed tries. Wait a minute, then try again.")
}

// Attack: an attacker who has the password guesses backup codes.
func TestWrongBackupCodesAreCounted(t *testing.T) {
	w := newFixture(t, func(c *config) { c.FailedTries = 3 })
	w.people()
	w.enrol("mia")
	b := w.browser()
	guess := url.Values{"login": {"mia"}, "password": {password + "aaaa-bbbb-cccc"}}
	for range 3 {
		b.wantPage(b.post("/auth/sign-in", guess), 401, "The code is not right, or was used before.")
	}
	b.wantPage(b.post("/auth/sign-in", guess), 401, "Too many failed tries. Wait a minute, then try again.")
	rows, err := w.Audit.List(w.Context(), audit.Query{Events: []audit.Kind{audit.SignInRefused}})
	if err != nil || len(rows) != 3 {
		t.Errorf("the audit log has %d, %v, want 3", len(rows), err)
	}
}

func TestSecondStep(t *testing.T) {
	w := newTown(t)
	seed, backup := w.enrol("mia")
	b := w.browser()
	half := func() {
		t.Helper()
		b.wantTo(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {password}, "next": {"/link"}}), "/auth/code?next=%2Flink")
	}
	b.wantTo(b.get("/auth/code"), "/auth?next=%2Faccount")
	half()
	first := b.cookie(sessionCookie, "/")

	// Attack: an attacker who has the password skips the second factor.
	for _, row := range rows(t) {
		if row.SignedIn {
			if s := b.do(row.Method, row.Path, nil, http.Header{"Sec-Fetch-Site": {"same-origin"}}); !strings.HasPrefix(s.location(), "/auth?next=") {
				t.Errorf("after the first step, %s %s returns %d to %q", row.Method, row.Path, s.StatusCode, s.location())
			}
		}
	}
	b.wantTo(b.get("/auth?next=%2Flink"), "/auth/code?next=%2Flink")
	b.wantPage(b.get("/auth/code?next=%2Flink"), 200, "One more step", `value="/link"`)
	b.wantPage(b.post("/auth/code", url.Values{"code": {"000000"}, "next": {"/link"}}), 401, "not right", `value="/link"`)
	b.wantPage(b.post("/auth/code", url.Values{"code": {""}}), 401, "not right")
	code := w.code(seed)
	b.wantTo(b.post("/auth/code", url.Values{"code": {code[:3] + " " + code[3:]}, "next": {"/link"}}), "/link")
	b.wantPage(b.get("/account"), 200, "10 backup codes are left")

	// Attack: the cookie of the first step was copied, and is used when the session is
	// complete.
	thief := w.browser()
	thief.keep(sessionCookie, first)
	thief.wantTo(thief.get("/account"), "/auth?next=%2Faccount")

	b = w.browser()
	half()
	b.wantPage(b.post("/auth/code", url.Values{"code": {code}}), 401, "used before")
	b.wantTo(b.post("/auth/code", url.Values{"code": {string(backup[0])}}), "/account")
	b.wantPage(b.get("/account"), 200, "9 backup codes are left")
	b.wantPage(b.get("/account/sign-ins"), 200, "A backup code was used up",
		"The password was right, and the second factor was asked for")
	b = w.browser()
	half()
	b.wantPage(b.post("/auth/code", url.Values{"code": {string(backup[0])}}), 401, "used before")
}

func TestConsent(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	tv := w.start(true)
	ask := "/auth?" + url.Values{"code": {tv.Code}, "clientID": {"tv"}, "context[device][product]": {"Player & Co"}}.Encode()
	b.wantPage(b.get(ask), 200, "to go on with", "Player & Co")
	b.signIn("mia")
	b.wantPage(b.get(ask), 200, "“Player & Co” wants to sign in as mia", "Living room", "Roku", "192.0.2.7", "It does not get your password")
	b.wantPage(b.get("/auth?clientID=another&code="+tv.Code), 404, "This code was used already, has expired or was mistyped")
	b.wantPage(b.get("/auth?code=nothing"), 404, "This code was used already, has expired or was mistyped")
	if token, gone := w.token(tv); token != "" || gone {
		t.Error("opening the page linked or deleted the PIN")
	}
	form := url.Values{"code": {tv.Code}, "clientID": {"tv"}, "decision": {"allow"}}
	b.wantTo(b.post("/auth/consent", form), linkedPath)
	b.wantPage(b.get("/auth/done?device=1"), 200, "“Living room” is signed in as mia", "Undo")
	b.wantTo(b.get("/auth/done"), "/account/devices")
	if token, _ := w.token(tv); token == "" {
		t.Error("the television has no token")
	}
	b.wantPage(b.get("/account/devices"), 200, "Player & Co", "Living room")
	b.wantPage(b.get("/account/sign-ins"), 200, "A device was signed in by its code")
	b.wantPage(b.post("/auth/consent", form), 404) // a PIN can be linked only once
}

// The user who allowed a sign-in can undo it. A second click reports that it was undone.
func TestUndo(t *testing.T) {
	w := newTown(t)
	mia, noa := w.browser().signIn("mia"), w.browser().signIn("noa")
	tv := w.start(false)
	mia.sends("/auth/consent", linkedPath, "code", tv.Code, "decision", "allow")
	if token, _ := w.token(tv); token == "" {
		t.Fatal("the television has no token")
	}
	const undo, gone = "/account/devices/1/revoke", "This device is not signed in with your account, or not any more."
	// Attack: another user undoes it.
	noa.wantPage(noa.get("/auth/done?device=1"), 404, gone)
	noa.wantPage(noa.post(undo, url.Values{"sure": {"1"}}), 404, gone)
	if len(w.tokens(w.account("mia").ID)) != 1 {
		t.Fatal("another user has signed the device out")
	}
	mia.sends(undo, "/account/devices?done=device", "sure", "1")
	mia.wantPage(mia.post(undo, url.Values{"sure": {"1"}}), 404, gone)
	mia.wantPage(mia.post(undo, nil), 404, gone)
	mia.wantPage(mia.get("/auth/done?device=1"), 404, gone)
	if len(w.tokens(w.account("mia").ID)) != 0 {
		t.Error("the device is still signed in")
	}
}

// Programs may send no name. The page identifies them by what they do send.
func TestDevicesWithoutAName(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	for want, d := range map[string]device.Device{
		"Sign out Roku Ultra":   {Product: "Player", Device: "Roku Ultra"},
		"Sign out Player":       {Product: "Player"},
		"Sign out this program": {},
	} {
		d.ClientIdentifier = want
		p, err := w.PINs.Start(t.Context(), d, false, "")
		w.must(err)
		b.wantPage(b.get("/auth?code="+p.Code), 200, "wants to sign in")
		b.sends("/auth/consent", linkedPath, "code", p.Code, "decision", "allow")
		_, _, err = w.PINs.Get(t.Context(), p.ID, want, "192.0.2.7")
		w.must(err)
		b.reads("/account/devices", want)
	}
}

func TestRefuse(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	for _, decision := range []string{"refuse", ""} {
		tv := w.start(false)
		b.wantTo(b.post("/auth/consent", url.Values{"code": {tv.Code}, "decision": {decision}}), "/auth/refused")
		b.wantPage(b.get("/auth/refused"), 200, "Denied")
		if token, gone := w.token(tv); token != "" || !gone {
			t.Errorf("decision %q: the PIN is still pending, or has a token", decision)
		}
	}
	b.wantPage(b.get("/account/sign-ins"), 200, "You refused a device")
}

func TestLink(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantTo(b.get("/link?pin=ABCD"), "/auth?next=%2Flink%3Fpin%3DABCD")
	b.signIn("mia")
	s := b.get("/link?pin=abcd")
	b.wantPage(s, 200, `value="A"`, `value="D"`)
	b.wantPage(b.post("/link", url.Values{"code": {"C", "C", "C", "C"}}), 404, "No device shows this code now", `value="C"`)
	tv := w.start(false)
	letters := strings.Split(strings.ToLower(tv.Code), "")
	b.wantTo(b.post("/link", url.Values{"code": letters}), "/auth?code="+tv.Code)
	b.wantPage(b.get("/auth?code="+tv.Code), 200, tv.Code, "Living room")
}

// The links of some programs have a trailing slash.
func TestSlashAtTheEnd(t *testing.T) {
	b := newTown(t).browser()
	for path, want := range map[string]string{
		"/auth/":                  "/auth",
		"/link/?pin=ABCD":         "/link?pin=ABCD",
		"/admin/accounts/7/":      "/admin/accounts/7",
		"/auth/?next=//evil.test": "/auth?next=//evil.test",
	} {
		b.wantTo(b.get(path), want)
	}
}

func TestIdentityAndPassword(t *testing.T) {
	w := newTown(t)
	other := w.browser().signIn("mia")
	b := w.browser().signIn("mia")
	form := url.Values{"username": {"mia2"}, "email": {"mia@example.org"}, "current": {"wrong"}}
	b.wantPage(b.post("/account/identity", form), 400, "Your own password is not right.")
	form.Set("current", password)
	form.Set("username", "noa")
	b.wantPage(b.post("/account/identity", form), 400, "An account with this name")
	form.Set("username", "mia2")
	b.wantTo(b.post("/account/identity", form), "/account/profile?done=identity")
	b.wantPage(b.get("/account/profile?done=identity"), 200, "Saved.", "mia2")

	change := url.Values{"current": {"wrong"}, "new": {"another good one"}}
	b.wantPage(b.post("/account/password", change), 400, "Your own password is not right.")
	change.Set("current", password)
	b.wantTo(b.post("/account/password", change), "/account/security?done=password")
	other.wantPage(other.get("/account"), 200) // still signed in
	change = url.Values{"current": {"another good one"}, "new": {password}, "others": {"1"}}
	b.wantTo(b.post("/account/password", change), "/account/security?done=password")
	other.wantTo(other.get("/account"), "/auth?next=%2Faccount")
	b.wantPage(b.get("/account"), 200)
}

func TestRevoke(t *testing.T) {
	w := newTown(t)
	b, other := w.browser().signIn("mia"), w.browser().signIn("mia")
	noa := w.browser().signIn("noa")
	tv := w.start(false)
	b.wantTo(b.post("/auth/consent", url.Values{"code": {tv.Code}, "decision": {"allow"}}), linkedPath)
	token, _ := w.token(tv)
	works := func() bool {
		_, err := w.Tokens.Verify(t.Context(), token)
		return err == nil
	}
	if !works() {
		t.Fatal("the token does not work")
	}
	form := regexp.MustCompile(`/account/devices/\d+/revoke`).FindString(b.get("/account/devices").text)
	noa.wantPage(noa.post(form, nil), 404) // attack: the device of another account, by its id
	if !works() {
		t.Error("noa signed mia's television out")
	}
	b.confirms(form, "/account/devices?done=device")
	if works() {
		t.Error("the token of a revoked device works")
	}
	form = regexp.MustCompile(`/account/sessions/\d+/end`).FindString(b.get("/account/browsers").text)
	noa.wantPage(noa.post(form, nil), 404)
	other.wantPage(other.get("/account"), 200)
	b.confirms(form, "/account/browsers?done=browser")
	other.wantTo(other.get("/account"), "/auth?next=%2Faccount")
	other.signIn("mia")
	w.program("mia")
	if page := b.asks("/account/revoke-others"); !strings.Contains(page, "1 device or program, with 1 token") || !strings.Contains(page, "1 other browser") {
		t.Errorf("the confirmation page does not list what is revoked:\n%s", page)
	}
	b.confirms("/account/revoke-others", "/account/devices?done=others")
	other.wantTo(other.get("/account"), "/auth?next=%2Faccount")
	b.wantPage(b.get("/account/devices?done=others"), 200, "Everything but this browser is signed out.")
}

func TestRecent(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {"wrong"}})
	b.signIn("mia")
	w.browser().signIn("noa")
	s := b.get("/account/sign-ins")
	b.wantPage(s, 200, "Recent sign-ins", "A browser was signed in", "Refused: wrong password", "Firefox on Linux", "127.0.0.1")
	if n := strings.Count(s.text, "A browser was signed in"); n != 1 {
		t.Errorf("mia sees %d sign-ins, want her own one", n)
	}
}

// Attack: HTML in the fields that pages show. Every field is shown as text.
func TestMarkupIsText(t *testing.T) {
	w := newTown(t)
	const evil = `"><script>alert(1)</script>`
	b := w.browser()
	answers := []seen{
		b.get("/auth?" + url.Values{"code": {"x"}, "context[device][product]": {evil}}.Encode()),
		b.post("/auth/sign-in", url.Values{"login": {evil}, "password": {"x"}, "product": {evil}, "next": {"/" + evil}}),
		b.get("/auth?" + url.Values{"next": {"/" + evil}}.Encode()),
	}
	p, err := w.PINs.Start(t.Context(), device.Device{ClientIdentifier: evil, Product: evil, Version: evil, Platform: evil, Name: evil}, false, "")
	w.must(err)
	b.signIn("mia")
	answers = append(answers,
		b.get("/auth?code="+p.Code), b.get("/link?pin="+url.QueryEscape(evil)),
		b.get("/auth/done?forwardUrl="+url.QueryEscape("https://example.org/"+evil[2:8])),
		b.get("/auth/done?forwardUrl="+url.QueryEscape(`https://example.org/?"><script>`)),
		b.post("/auth/consent", url.Values{"code": {p.Code}, "decision": {"allow"}}), b.get("/account"),
	)
	for _, s := range answers {
		if strings.Contains(s.text, "<script>") {
			t.Errorf("%s %s: the page has a foreign script:\n%s", s.Request.Method, s.Request.URL, s.text)
		}
	}
}

// Attack: a guesser tries the most common passwords first. They are rejected at set-up, for
// a new account, when a user changes a password, and when an admin sets one.
func TestCommonPasswords(t *testing.T) {
	const text = "one of the commonest"
	empty := newFixture(t, nil)
	first := empty.browser()
	first.get(string(empty.server.Pages().SetupPath()))
	setup := url.Values{"username": {"olga"}, "password": {"Passw0rd"}}
	first.wantPage(first.post("/setup", setup), 400, text)
	setup.Set("password", "not a common one")
	first.wantTo(first.post("/setup", setup), "/account")

	w := newTown(t)
	olga := w.browser().signIn("olga")
	for _, common := range []string{"password1", "PASSWORD1", "zzzzzzzz"} {
		change := url.Values{"current": {password}, "new": {common}}
		olga.wantPage(olga.post("/account/password", change), 400, text)
		olga.wantPage(olga.post("/admin/accounts/2/password", change), 400, text)
		add := url.Values{"current": {password}, "username": {"ida"}, "password": {common}}
		olga.wantPage(olga.post("/admin/accounts", add), 400, text)
	}
}
