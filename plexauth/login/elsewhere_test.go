package login_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauth/login"
	"github.com/usher-auth/usher/plexauthtest"
)

// withoutProofs makes the account plane behave like one that adds no proofs, such as the real
// service: it does not see the parameter that requests one.
func withoutProofs(cfg *login.Config) {
	cfg.Client.HTTPClient = &http.Client{Transport: oldPlane{}}
}

// oldPlane removes the parameters that an older account plane would ignore.
type oldPlane struct{}

func (oldPlane) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("X-Plex-Pin-Proof")
	if r.Body != nil && r.URL.Path == "/api/v2/pins" {
		_ = r.Body.Close()
		r.Body, r.ContentLength = http.NoBody, 0
	}
	return http.DefaultTransport.RoundTrip(r)
}

// swapProof returns a callback URL with the proof of another one.
func (s *site) swapProof(callback, other string) string {
	s.t.Helper()
	from, err := url.Parse(other)
	if err != nil || from.Query().Get("pinProof") == "" {
		s.t.Fatalf("there is no proof in %s: %v", other, err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		s.t.Fatal(err)
	}
	query := u.Query()
	query.Set("pinProof", from.Query().Get("pinProof"))
	u.RawQuery = query.Encode()
	return u.String()
}

// tokens counts the programs of the member that are signed in.
func (s *site) tokens() int {
	s.t.Helper()
	c := s.srv.Client(s.srv.Member)
	list, err := c.Devices(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, d := range list {
		if d.ClientIdentifier == "plexauthtest" {
			n++
		}
	}
	return n
}

// Attack: the attacker starts a sign-in at the program, keeps the cookie, and
// sends the victim the link to the account plane. The victim allows access to
// the program. The attacker then opens the callback with the cookie, and would
// be the victim.
func TestConsentInAnotherBrowser(t *testing.T) {
	s := newSite(t, false, nil)
	attacker := s.browser()
	code, callback := s.start(attacker)
	s.srv.Member.LinkPIN(code) // the page of the victim has not gone on yet
	polls := len(s.srv.Requests())
	s.get(s.browser(), callback)
	s.mustFail(login.ErrInvalidState)
	s.get(attacker, callback)
	s.mustFail(login.ErrAccessDenied)
	if n := len(s.srv.Requests()); n != polls { // there is no use in polling without a proof
		t.Errorf("the program sent %d requests", n-polls)
	}
	s.get(attacker, callback)
	s.mustFail(login.ErrInvalidState)

	// The browser of the victim returned with the proof. That cancels the
	// sign-in, even if the attacker has seen the whole address.
	code, callback = s.start(attacker)
	forward := s.srv.Member.LinkPIN(code)
	s.get(s.browser(), forward)
	s.mustFail(login.ErrInvalidState)
	for _, address := range []string{forward, callback} {
		s.get(attacker, address)
		s.mustFail(login.ErrInvalidState)
	}
	if n := s.tokens(); n != 1 { // the token of the first attempt, which no program received
		t.Errorf("%d tokens are left, want 1", n)
	}
}

// Attack: the proof of another sign-in, of another account, a forged one, or the same one
// twice.
func TestForgedProof(t *testing.T) {
	s := newSite(t, false, nil)
	forge := map[string]func(callback, own string) string{
		"none":             func(callback, _ string) string { return callback },
		"empty":            func(callback, _ string) string { return callback + "&pinProof=" },
		"made up":          func(callback, _ string) string { return callback + "&pinProof=AAAAAAAAAAAAAAAAAAAAAA" },
		"a control":        func(callback, _ string) string { return callback + "&pinProof=A%0d%0aX-Plex-Token:%20x" },
		"long":             func(callback, _ string) string { return callback + "&pinProof=" + strings.Repeat("A", 10_000) },
		"of another PIN":   s.swapProof,
		"twice, own first": func(callback, own string) string { return s.swapProof(callback, own) + "&pinProof=x" },
	}
	for what, address := range forge {
		attacker, own := s.browser(), s.browser()
		ownCode, _ := s.start(own)
		ownForward := s.srv.Admin.LinkPIN(ownCode)
		code, callback := s.start(attacker)
		s.srv.Member.LinkPIN(code)
		s.get(attacker, address(callback, ownForward))
		if got := s.last(); got.account != nil || !errors.Is(got.err, login.ErrAccessDenied) {
			t.Errorf("%s: it ended with %+v", what, got)
		}
		s.get(own, ownForward)
		if got := s.last(); got.err != nil || got.account.Username != "admin" {
			t.Errorf("%s: the sign-in of the proof ended with %+v", what, got)
		}
	}
}

// Attack: an attacker who knows the state of a pending sign-in tries to cancel it, or
// to keep the program from its account plane with forged proofs.
func TestForgedProofsRevokeNothing(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, callback := s.start(browser)
	for range 20 {
		s.get(s.browser(), callback+"&pinProof=AAAAAAAAAAAAAAAAAAAAAA")
		s.mustFail(login.ErrInvalidState)
	}
	s.get(browser, s.srv.Member.LinkPIN(code))
	if got := s.last(); got.err != nil {
		t.Errorf("it ended with %v", got.err)
	}
}

// With an account plane that adds no proofs, a callback in another browser than
// the one that started is the only detectable part of the attack: it cancels the
// sign-in, and signs out the token.
func TestCallbackInAnotherBrowserWithoutProofs(t *testing.T) {
	for what, cookie := range map[string]string{"no cookie": "", "another cookie": "AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		s := newSite(t, false, withoutProofs)
		attacker, victim := s.browser(), s.browser()
		code, callback := s.start(attacker)
		if forward := s.srv.Member.LinkPIN(code); forward != "" {
			t.Fatalf("the account plane adds a proof: %s", forward)
		}
		if n := s.tokens(); n != 1 {
			t.Fatalf("%s: there are %d tokens", what, n)
		}
		if cookie != "" {
			u, err := url.Parse(callback)
			if err != nil {
				t.Fatal(err)
			}
			name := attacker.Jar.Cookies(u)[0].Name
			victim.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: cookie, Path: "/signed-in"}})
		}
		s.get(victim, callback)
		s.mustFail(login.ErrInvalidState)
		if n := s.tokens(); n != 0 {
			t.Errorf("%s: %d tokens are left", what, n)
		}
		s.get(attacker, callback)
		s.mustFail(login.ErrInvalidState)
	}
}

// waitForPoll waits until the program polls for a token.
func (s *site) waitForPoll() {
	s.t.Helper()
	for range 500 {
		if slices.ContainsFunc(s.srv.Requests(), func(r plexauthtest.Request) bool { return strings.HasPrefix(r.Path, "/api/v2/pins/") }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("there was no poll")
}

// Attack: the attacker opens the callback while the program still waits for
// the token that it will sign out.
func TestCallbackDuringSignOut(t *testing.T) {
	s := newSite(t, false, func(cfg *login.Config) {
		withoutProofs(cfg)
		cfg.TokenTimeout = 3 * time.Second
	})
	attacker, other := s.browser(), s.browser()
	code, callback := s.start(attacker)
	var victim sync.WaitGroup
	victim.Go(func() {
		res, err := other.Get(callback)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	})
	s.waitForPoll()
	s.get(attacker, callback)
	s.mustFail(login.ErrInvalidState)
	s.srv.Member.LinkPIN(code)
	victim.Wait()
	if n := s.tokens(); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
}

// The user closes the page. The token is signed out nevertheless.
func TestSignOutAfterThePageIsClosed(t *testing.T) {
	s := newSite(t, false, func(cfg *login.Config) {
		withoutProofs(cfg)
		cfg.TokenTimeout = 5 * time.Second
	})
	code, callback := s.start(s.browser())
	ctx, closePage := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, callback, nil)
	if err != nil {
		t.Fatal(err)
	}
	var victim sync.WaitGroup
	victim.Go(func() {
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			t.Error("the page was not closed")
		}
	})
	s.waitForPoll()
	closePage()
	victim.Wait()
	s.srv.Member.LinkPIN(code)
	for range 500 {
		if s.tokens() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the token is left")
}

// An account plane that adds no proofs works as before.
func TestSignInWithoutProofs(t *testing.T) {
	s := newSite(t, false, withoutProofs)
	browser := s.browser()
	code, callback := s.start(browser)
	s.srv.Member.LinkPIN(code)
	s.get(browser, callback+"&pinProof=ignored")
	if got := s.last(); got.err != nil || got.account.Username != "member" {
		t.Errorf("it ended with %+v", got)
	}
}

// The sign-in is cancelled even if its token cannot be signed out, and the program
// gets the error.
func TestSignOutFails(t *testing.T) {
	s := newSite(t, false, withoutProofs)
	attacker := s.browser()
	code, callback := s.start(attacker)
	s.srv.Member.LinkPIN(code)
	over := s.srv.InjectFault(plexauthtest.Fault{Path: "/api/v2/users/signout", Status: 503})
	s.get(s.browser(), callback)
	s.mustFail(login.ErrInvalidState)
	s.mustFail(plexauth.ErrServer)
	over()
	s.get(attacker, callback)
	s.mustFail(login.ErrInvalidState)
}

// Attack: a second cookie of the same name, which a site of the same domain may
// set, decides for the browser which sign-in it started.
func TestTwoCookiesOfOneName(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, callback := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	cookie := browser.Jar.Cookies(u)[0]
	for _, order := range [][]string{{cookie.Value, "planted"}, {"planted", cookie.Value}} {
		req, err := http.NewRequest(http.MethodGet, callback, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range order {
			req.AddCookie(&http.Cookie{Name: cookie.Name, Value: value})
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		s.mustFail(login.ErrInvalidState)
	}
	s.get(browser, forward)
	if got := s.last(); got.err != nil {
		t.Errorf("it ended with %v", got.err)
	}
}

// If many browsers open one address at the same time, the one that
// started is signed in or none is, and no token is left over.
func TestProofInManyBrowsers(t *testing.T) {
	for range 10 {
		s := newSite(t, false, nil)
		attacker := s.browser()
		code, _ := s.start(attacker)
		forward := s.srv.Member.LinkPIN(code)
		var all sync.WaitGroup
		for range 4 {
			victim := s.browser()
			all.Go(func() {
				res, err := victim.Get(forward)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			})
		}
		all.Wait()
		s.get(attacker, forward)
		s.mustFail(login.ErrInvalidState)
		if n := s.tokens(); n != 0 {
			t.Errorf("%d tokens are left", n)
		}
	}
}

// The program is below a path, behind a proxy that removes it, and its callback
// URL has parameters of its own.
func TestBehindAPath(t *testing.T) {
	for _, query := range []string{"", "?", "?lang=de&next=%2Fa%3Fb%3Dc", "?state=old&flag"} {
		srv := plexauthtest.New(t, plexauthtest.Config{})
		var done ending
		mux := http.NewServeMux()
		web := httptest.NewServer(http.StripPrefix("/apps/my", mux))
		t.Cleanup(web.Close)
		start, callback, err := login.Handlers(login.Config{
			Client: srv.AnonymousClient(), CallbackURL: web.URL + "/apps/my/signed-in" + query,
			Done: func(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error) {
				done = ending{account, err}
				_, _ = io.WriteString(w, r.URL.RawQuery)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/sign-in", start)
		mux.Handle("/signed-in", callback)
		s := &site{t: t, srv: srv, web: web}
		browser := s.browser()
		res := s.get(browser, web.URL+"/apps/my/sign-in")
		_, text, _ := strings.Cut(res.Header.Get("Location"), "#?")
		link, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		forward := srv.Member.LinkPIN(link.Get("code"))
		if want := link.Get("forwardUrl") + "&pinProof="; !strings.HasPrefix(forward, want) {
			t.Errorf("it leads back to %s, want %s…", forward, want)
		}
		s.get(browser, forward)
		if done.err != nil || done.account.Username != "member" {
			t.Errorf("%q: it ended with %+v", query, done)
		}
	}
}

// Attack: the proof is read from the log of a proxy before the account plane, or
// from a Referer header.
func TestProofIsInNoOtherAddress(t *testing.T) {
	s := newSite(t, false, nil)
	browser := s.browser()
	code, _ := s.start(browser)
	forward := s.srv.Member.LinkPIN(code)
	u, err := url.Parse(forward)
	if err != nil {
		t.Fatal(err)
	}
	proof := u.Query().Get("pinProof")
	if res := s.get(browser, forward); res.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("answered with %v", res.Header)
	}
	if got := s.last(); got.err != nil {
		t.Fatal(got.err)
	}
	requests := s.srv.Requests()
	if !slices.ContainsFunc(requests, func(r plexauthtest.Request) bool { return strings.HasPrefix(r.Path, "/api/v2/pins/") }) {
		t.Fatal("there was no poll")
	}
	for _, r := range requests {
		if strings.Contains(r.Path+"?"+r.Query.Encode(), proof) {
			t.Errorf("the proof is in %s?%s", r.Path, r.Query.Encode())
		}
	}
}
