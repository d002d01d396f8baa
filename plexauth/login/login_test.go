package login_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauth/login"
	"github.com/usher-auth/usher/plexauthtest"
)

// site is a web program with a "Sign in" button, and the account plane that it
// uses.
type site struct {
	t       *testing.T
	srv     *plexauthtest.Server
	web     *httptest.Server
	mu      sync.Mutex
	ended   []ending        // the arguments of Done
	visited []*http.Request // every request of every browser to the program
}

type ending struct {
	account *plexauth.Account
	err     error
}

// newSite starts a site. change may be nil, and may change its configuration.
func newSite(t *testing.T, tls bool, change func(*login.Config)) *site {
	t.Helper()
	s := &site{t: t, srv: plexauthtest.New(t, plexauthtest.Config{})}
	mux := http.NewServeMux()
	s.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.visited = append(s.visited, r)
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	if tls {
		s.web.StartTLS()
	} else {
		s.web.Start()
	}
	t.Cleanup(s.web.Close)
	cfg := login.Config{Client: s.srv.AnonymousClient(), CallbackURL: s.web.URL + "/signed-in?lang=de", Done: s.done, TokenTimeout: 300 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	start, callback, err := login.Handlers(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/sign-in", start)
	mux.Handle("/signed-in", callback)
	return s
}

func (s *site) done(w http.ResponseWriter, _ *http.Request, account *plexauth.Account, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, ending{account, err})
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(w, "hello "+account.Username)
}

// last returns the result of the last sign-in.
func (s *site) last() ending {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) == 0 {
		s.t.Fatal("no sign-in has ended")
	}
	return s.ended[len(s.ended)-1]
}

// mustFail checks that the last sign-in failed with the given error.
func (s *site) mustFail(want error) {
	s.t.Helper()
	if got := s.last(); got.account != nil || !errors.Is(got.err, want) {
		s.t.Errorf("it ended with %+v, want %v", got, want)
	}
}

// browser is the browser of a user, with its cookies.
func (s *site) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: s.web.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

func (s *site) get(browser *http.Client, address string) *http.Response {
	s.t.Helper()
	res, err := browser.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res
}

// start clicks "Sign in". It returns the code and the callback URL, as the page
// of the account plane reads them.
func (s *site) start(browser *http.Client) (code, forward string) {
	s.t.Helper()
	res := s.get(browser, s.web.URL+"/sign-in")
	page, text, _ := strings.Cut(res.Header.Get("Location"), "#?")
	query, err := url.ParseQuery(text)
	if err != nil || res.StatusCode != http.StatusSeeOther || page != s.srv.AccountURL+"/auth" || query.Get("clientID") != "plexauthtest" {
		s.t.Fatalf("Sign in leads to %d %s: %v", res.StatusCode, res.Header.Get("Location"), err)
	}
	return query.Get("code"), query.Get("forwardUrl")
}

func TestSignIn(t *testing.T) {
	for _, tls := range []bool{false, true} {
		s := newSite(t, tls, nil)
		browser := s.browser()
		code, forward := s.start(browser)
		if len(code) != 25 || !strings.HasPrefix(forward, s.web.URL+"/signed-in?lang=de&state=") {
			t.Errorf("code %s, back to %s", code, forward)
		}
		forward = s.srv.Member.LinkPIN(code)
		res := s.get(browser, forward)
		got := s.last()
		if got.err != nil || got.account.Username != "member" || len(got.account.AuthToken) != 20 || res.StatusCode != http.StatusOK {
			t.Fatalf("it ended with %+v and %d", got, res.StatusCode)
		}
		theirs := s.srv.AnonymousClient()
		theirs.Token = plexauth.StaticToken(got.account.AuthToken)
		if account, err := theirs.TokenDetails(t.Context()); err != nil || account.Username != "member" {
			t.Errorf("the token is %+v's: %v", account, err)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("answered with %v", res.Header)
		}
		home, _ := url.Parse(forward)
		if left := browser.Jar.Cookies(home); len(left) != 0 {
			t.Errorf("the browser keeps %v", left)
		}
	}
}

// Attack: a token is read from a URL in a history, a log or a Referer header.
func TestNoTokenInAnyURL(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	s.get(browser, forward)
	token := string(s.last().account.AuthToken)
	var seen []string
	for _, r := range s.visited {
		seen = append(seen, r.URL.String(), r.Referer())
	}
	for _, r := range s.srv.Requests() {
		seen = append(seen, r.Path+"?"+r.Query.Encode())
	}
	if len(seen) < 7 {
		t.Fatalf("only %d addresses were checked", len(seen))
	}
	for _, address := range append(seen, forward) {
		if strings.Contains(address, token) {
			t.Errorf("the token is in %s", address)
		}
	}
}

// The cookie is restricted to this host, this path and the lifetime of the PIN.
func TestCookie(t *testing.T) {
	for _, tls := range []bool{false, true} {
		s := newSite(t, tls, nil)
		cookies := s.get(s.browser(), s.web.URL+"/sign-in").Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies %v", cookies)
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != tls || c.MaxAge != 30*60 || c.Domain != "" || len(c.Value) < 26 {
			t.Errorf("cookie %v", c)
		}
		wantPath := "/signed-in"
		if tls {
			wantPath = "/" // as the prefix demands
		}
		if c.Path != wantPath || strings.HasPrefix(c.Name, "__Host-") != tls {
			t.Errorf("cookie %v", c)
		}
	}
}

// Attack (login CSRF): an attacker starts a sign-in, completes it with the attacker's
// account, and makes the victim's browser open the callback URL. The victim would then work
// in the attacker's account.
func TestLoginCSRF(t *testing.T) {
	s := newSite(t, false, nil)
	attacker, victim := s.browser(), s.browser()
	code, _ := s.start(attacker)
	forward := s.srv.Member.LinkPIN(code)
	s.get(victim, forward)
	s.mustFail(login.ErrInvalidState)
	// A pending sign-in of the victim does not change that.
	_, back := s.start(victim)
	s.get(victim, forward)
	s.mustFail(login.ErrInvalidState)
	// Neither does its state, together with the proof of the attacker.
	s.get(victim, s.swapProof(back, forward))
	s.mustFail(login.ErrAccessDenied)
	if n := s.tokens(); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
}

// Attack: another host of the domain plants the cookie of the attacker in the
// browser of the victim. Browsers reject a __Host- cookie from there, and a
// cookie of another name is ignored.
func TestPlantedCookie(t *testing.T) {
	s := newSite(t, true, nil)
	attacker, victim := s.browser(), s.browser()
	res := s.get(attacker, s.web.URL+"/sign-in")
	cookie := res.Cookies()[0]
	_, text, _ := strings.Cut(res.Header.Get("Location"), "#?")
	query, _ := url.ParseQuery(text)
	req, err := http.NewRequest(http.MethodGet, s.srv.Member.LinkPIN(query.Get("code")), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: strings.TrimPrefix(cookie.Name, "__Host-"), Value: cookie.Value})
	if _, err := victim.Do(req); err != nil {
		t.Fatal(err)
	}
	s.mustFail(login.ErrInvalidState)
}

// Attack: a forged state. It is invented, truncated, of another sign-in, or has an invented
// key. With its state alone, nobody can cancel the sign-in of another browser.
func TestForgedState(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	u, err := url.Parse(forward)
	if err != nil {
		t.Fatal(err)
	}
	good := u.Query().Get("state")
	name := browser.Jar.Cookies(u)[0].Name
	for what, test := range map[string]struct{ state, cookie string }{
		"none":           {"", ""},
		"made up":        {"AAAAAAAAAAAAAAAAAAAAAAAAAA", ""},
		"cut short":      {good[:8], ""},
		"longer":         {good + "A", ""},
		"no name":        {"\x00;= ,\"", ""},
		"another key":    {good, "AAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"an empty key":   {good, "="},
		"itself for key": {good, good},
	} {
		req, err := http.NewRequest(http.MethodGet, s.web.URL+"/signed-in?state="+url.QueryEscape(test.state), nil)
		if err != nil {
			t.Fatal(err)
		}
		sender := browser
		if test.cookie != "" {
			sender = s.browser()
			req.AddCookie(&http.Cookie{Name: name, Value: strings.Trim(test.cookie, "=")})
		}
		res, err := sender.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := s.last(); got.account != nil || !errors.Is(got.err, login.ErrInvalidState) {
			t.Errorf("%s: it ended with %+v", what, got)
		}
	}
	s.get(browser, forward)
	if got := s.last(); got.err != nil {
		t.Errorf("afterwards, the real one is refused: %v", got.err)
	}
}

// Attack (replay): a callback URL from a log or a history is opened again, with or without
// the cookie, and many times concurrently.
func TestReplayedCallback(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	u, err := url.Parse(forward)
	if err != nil {
		t.Fatal(err)
	}
	cookie := browser.Jar.Cookies(u)[0]
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			req, err := http.NewRequest(http.MethodGet, forward, nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.AddCookie(cookie)
			res, err := (&http.Client{}).Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
		})
	}
	all.Wait()
	good := 0
	for _, e := range s.ended {
		if e.err == nil {
			good++
		} else if !errors.Is(e.err, login.ErrInvalidState) {
			t.Errorf("refused with %v", e.err)
		}
	}
	if good != 1 || len(s.ended) != 8 {
		t.Errorf("%d of %d were let in", good, len(s.ended))
	}
}

// Attack (open redirect): the addresses in a request do not change where the
// browser is redirected.
func TestOpenRedirect(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	req, err := http.NewRequest(http.MethodGet, s.web.URL+"/sign-in?forwardUrl=https://evil.example/&next=https://evil.example/&state=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Url", "Forwarded", "Referer", "Origin"} {
		req.Header.Set(name, "https://evil.example/")
	}
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	where := res.Header.Get("Location")
	if strings.Contains(where, "evil") || !strings.HasPrefix(where, s.srv.AccountURL+"/auth#?") {
		t.Errorf("Sign in leads to %s", where)
	}
	code, _ := s.start(browser)
	res = s.get(browser, s.srv.Member.LinkPIN(code)+"&forwardUrl=https://evil.example/&next=https://evil.example/")
	if got := s.last(); got.err != nil || res.Header.Get("Location") != "" {
		t.Errorf("it ended with %+v, and leads to %s", got, res.Header.Get("Location"))
	}
}

// A user can sign in in two tabs, and complete the first sign-in last.
func TestTwoTabs(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	first, _ := s.start(browser)
	second, _ := s.start(browser)
	secondBack := s.srv.Member.LinkPIN(second)
	firstBack := s.srv.Admin.LinkPIN(first)
	for back, want := range map[string]string{secondBack: "member", firstBack: "admin"} {
		s.get(browser, back)
		if got := s.last(); got.err != nil || got.account.Username != want {
			t.Errorf("it ended with %+v, want %s", got, want)
		}
	}
}

// The user returns without having allowed access. The sign-in fails, and
// quickly.
func TestNotAllowed(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, forward := s.start(browser)
	s.get(browser, forward)
	s.mustFail(login.ErrAccessDenied)
	s.srv.Member.LinkPIN(code) // too late
	s.get(browser, forward)
	s.mustFail(login.ErrInvalidState)
}

// The account plane is a little slower than the browser.
func TestTokenComesLate(t *testing.T) {
	s := newSite(t, false, func(cfg *login.Config) {
		withoutProofs(cfg)
		cfg.TokenTimeout = 0
	})
	browser := s.browser()
	code, forward := s.start(browser)
	late := time.AfterFunc(200*time.Millisecond, func() { s.srv.Member.LinkPIN(code) })
	defer late.Stop()
	s.get(browser, forward)
	if got := s.last(); got.err != nil || got.account.Username != "member" {
		t.Errorf("it ended with %+v", got)
	}
}

// A failure of the account plane is distinct from denied access, in each of the
// three calls.
func TestAccountPlaneDown(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	fault := plexauthtest.Fault{Status: 503}
	over := s.srv.InjectFault(fault)
	if res := s.get(browser, s.web.URL+"/sign-in"); res.Header.Get("Location") != "" {
		t.Errorf("it leads to %s", res.Header.Get("Location"))
	}
	s.mustFail(plexauth.ErrServer)
	over()
	for _, path := range []string{"", "/api/v2/user"} {
		code, _ := s.start(browser)
		forward := s.srv.Member.LinkPIN(code)
		fault.Path = path
		over := s.srv.InjectFault(fault)
		s.get(browser, forward)
		s.mustFail(plexauth.ErrServer)
		if got := s.last(); errors.Is(got.err, login.ErrAccessDenied) || errors.Is(got.err, login.ErrInvalidState) {
			t.Errorf("an outage is taken for a refusal: %v", got.err)
		}
		over()
	}
}

// A sign-in that took longer than the lifetime of its PIN fails.
func TestExpired(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	s.srv.Advance(time.Hour)
	s.get(browser, forward)
	s.mustFail(plexauth.ErrPINExpired)
	s.mustFail(login.ErrAccessDenied)
}

// Attack: an attacker starts sign-ins without end to exhaust the memory. The oldest are
// removed.
func TestPendingIsBounded(t *testing.T) {
	s := newSite(t, false, func(cfg *login.Config) { cfg.MaxPending = 3 })
	var browsers [5]*http.Client
	var backs [5]string
	for i := range browsers {
		browsers[i] = s.browser()
		_, backs[i] = s.start(browsers[i])
	}
	for i := range browsers {
		s.get(browsers[i], backs[i])
		want := login.ErrAccessDenied // it is still there
		if i < 2 {
			want = login.ErrInvalidState
		}
		if got := s.last(); !errors.Is(got.err, want) {
			t.Errorf("%d ended with %v, want %v", i, got.err, want)
		}
	}
}

// A prefetching browser or mail scanner neither starts a sign-in nor uses one
// up.
func TestOtherMethods(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	asked := len(s.srv.Requests())
	for _, test := range []struct{ method, address string }{
		{http.MethodHead, s.web.URL + "/sign-in"}, {http.MethodPut, s.web.URL + "/sign-in"}, {http.MethodOptions, s.web.URL + "/sign-in"},
		{http.MethodHead, forward}, {http.MethodPost, forward},
	} {
		req, err := http.NewRequest(test.method, test.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" || len(res.Cookies()) > 0 {
			t.Errorf("%s %s: %d %v", test.method, test.address, res.StatusCode, res.Header)
		}
	}
	if now := len(s.srv.Requests()); now != asked || len(s.ended) != 0 {
		t.Errorf("%d requests were made, and %d sign-ins ended", now-asked, len(s.ended))
	}
	s.get(browser, forward)
	if got := s.last(); got.err != nil {
		t.Errorf("it ended with %v", got.err)
	}
	res, err := browser.Post(s.web.URL+"/sign-in", "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusSeeOther {
		t.Errorf("a button that posts gets %d", res.StatusCode)
	}
}

func TestHandlersRefuse(t *testing.T) {
	good := login.Config{
		Client: &plexauth.Client{ClientIdentifier: "x"}, CallbackURL: "https://my.example.org/signed-in",
		Done: func(http.ResponseWriter, *http.Request, *plexauth.Account, error) {},
	}
	if _, _, err := login.Handlers(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*login.Config){
		"no client":            func(c *login.Config) { c.Client = nil },
		"no client identifier": func(c *login.Config) { c.Client = &plexauth.Client{Product: "x"} },
		"no Done":              func(c *login.Config) { c.Done = nil },
		"no callback":          func(c *login.Config) { c.CallbackURL = "" }, "a path": func(c *login.Config) { c.CallbackURL = "/signed-in" },
		"no host": func(c *login.Config) { c.CallbackURL = "https:///signed-in" }, "another scheme": func(c *login.Config) { c.CallbackURL = "ftp://h/" },
		"a user": func(c *login.Config) { c.CallbackURL = "https://a:b@h/" }, "a fragment": func(c *login.Config) { c.CallbackURL = "https://h/#x" },
		"no URL": func(c *login.Config) { c.CallbackURL = "https://%" },
	} {
		cfg := good
		change(&cfg)
		if start, callback, err := login.Handlers(cfg); err == nil || start != nil || callback != nil {
			t.Errorf("%s: taken", name)
		}
	}
}
