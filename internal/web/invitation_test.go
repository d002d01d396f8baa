package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/source"
)

// shownLink finds the link that a page shows.
var shownLink = regexp.MustCompile(`<code class="link">([^<]+)</code>`)

// shownLink returns the link on a page, without the address of this server.
func (b *browser) shownLink(s seen) string {
	b.Helper()
	m := shownLink.FindStringSubmatch(s.text)
	if s.StatusCode != 200 || m == nil {
		b.Fatalf("status %d, and no link:\n%s", s.StatusCode, s.text)
	}
	path, ok := strings.CutPrefix(m[1], b.base)
	if !ok {
		b.Errorf("the link is %s", m[1])
	}
	return path
}

// invited is a town with an invitation by olga.
func invited(t *testing.T, form url.Values) (w *fixture, link string) {
	t.Helper()
	w = newTown(t)
	w.AddSource(source.Source{Kind: source.Server, Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://10.0.0.1"}}})
	olga := w.browser().signIn("olga")
	form.Set("current", password)
	return w, olga.shownLink(olga.post("/admin/invitations", form))
}

func TestInvitation(t *testing.T) {
	w, link := invited(t, url.Values{"username": {"kim"}, "email": {"kim@example.org"}, "server": {"den"}, "days": {"3"}})
	olga := w.browser().signIn("olga")
	olga.wantPage(olga.get("/admin/invitations"), 200, "kim", "by olga", "Den", "Revoke")

	b := w.browser()
	s := b.get(link)
	b.wantTo(s, "/invitation") // no later address contains the secret
	for range 3 {              // programs that open links in e-mails do not use it up
		scanner := w.browser()
		scanner.wantTo(scanner.get(link), "/invitation")
		scanner.wantPage(scanner.get("/invitation"), 200, "Welcome")
		scanner.do(http.MethodHead, link, nil, http.Header{})
	}
	b.wantPage(b.get("/invitation"), 200, "<strong>olga</strong> invites you", `value="kim"`, "kim@example.org", "Den", `data-passkey="join"`)
	b.wantPage(b.post("/invitation", url.Values{"username": {"mia"}, "password": {password}}), 400, "exists already", `value="mia"`, "aria-invalid")
	b.wantPage(b.post("/invitation", url.Values{"username": {"kim"}, "password": {"short"}}), 400, "at least 8")
	b.wantTo(b.post("/invitation", url.Values{"username": {"kim"}, "password": {password}}), "/account")
	b.wantPage(b.get("/account"), 200, "kim")
	if b.cookie("usher_invitation", "/invitation") != "" {
		t.Error("the cookie of the link was not deleted")
	}
	again := w.browser()
	again.get(link)
	again.wantPage(again.get("/invitation"), 403, "used already")
	again.wantPage(again.post("/invitation", url.Values{"username": {"lea"}, "password": {password}}), 403, "used already")
}

func TestInvitationByPasskey(t *testing.T) {
	w, link := invited(t, url.Values{})
	b := w.browser()
	b.get(link)
	b.wantScript("/invitation/passkey/challenge", url.Values{"username": {"mia"}}, "", "exists already")
	options := b.options("/invitation/passkey/challenge", url.Values{"username": {"kim"}})
	key, answer := passkeytest.Create(b, options, b.base)
	b.wantScript("/invitation/passkey", url.Values{"username": {"kim"}, "answer": {string(answer)}}, "/account", "")
	b.wantPage(b.get("/account"), 200, "kim")
	later := w.browser()
	later.wantAlone(key, "")

	// Attack: without the link, or with the same response again.
	for _, form := range []url.Values{{"username": {"lea"}}, {"username": {"lea"}, "answer": {string(answer)}}} {
		b.wantScript("/invitation/passkey/challenge", form, "", "Open the link")
		b.wantScript("/invitation/passkey", form, "", "Open the link")
	}
}

// Attack: create an account without a link, or with an invalid secret.
func TestNoInvitation(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	form := url.Values{"username": {"eve"}, "password": {password}}
	b.wantPage(b.get("/invitation"), 403, "Open the link")
	b.wantPage(b.post("/invitation", form), 403, "Open the link")
	b.wantTo(b.get("/invitation?key=guess"), "/invitation")
	b.wantPage(b.get("/invitation"), 403, "used already")
	b.wantPage(b.post("/invitation", form), 403, "used already")
	if _, err := w.Accounts.Find(t.Context(), "eve"); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
}

// Attack: many browsers use one link at the same time.
func TestConcurrentInvitation(t *testing.T) {
	w, link := invited(t, url.Values{})
	var browsers []*browser
	for range 5 {
		b := w.browser()
		b.get(link)
		browsers = append(browsers, b)
	}
	statuses := make([]int, len(browsers))
	var wg sync.WaitGroup
	for i, b := range browsers {
		wg.Go(func() {
			statuses[i] = b.post("/invitation", url.Values{"username": {"kim" + string(rune('a'+i))}, "password": {password}}).StatusCode
		})
	}
	wg.Wait()
	good := 0
	for _, status := range statuses {
		if status == http.StatusSeeOther {
			good++
		}
	}
	if c, err := w.Accounts.Count(t.Context()); good != 1 || c.Accounts != 4 || err != nil {
		t.Errorf("the answers are %v, and there are %d accounts, %v", statuses, c.Accounts, err)
	}
}

// A visitor who is already signed in is warned. Then they are signed in to the new account.
func TestInvitationWhenSignedIn(t *testing.T) {
	w, link := invited(t, url.Values{})
	mia := w.browser().signIn("mia")
	mia.get(link)
	mia.wantPage(mia.get("/invitation"), 200, "signed in here as mia")
	mia.wantTo(mia.post("/invitation", url.Values{"username": {"kim"}, "password": {password}}), "/account")
	mia.wantPage(mia.get("/account"), 200, "kim")
}

func TestAdminInvitations(t *testing.T) {
	w, link := invited(t, url.Values{})
	olga := w.browser().signIn("olga")
	const path = "/admin/invitations"
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"without the password": {url.Values{"current": {"wrong"}}, "Your own password is not right"},
		"a name that is taken": {url.Values{"current": {password}, "username": {"mia"}}, "exists already"},
		"no address":           {url.Values{"current": {password}, "email": {"kim"}}, "name@example.org"},
		"no number":            {url.Values{"current": {password}, "days": {"soon"}}, "1 to 30 days"},
		"too long":             {url.Values{"current": {password}, "days": {"31"}}, "1 to 30 days"},
		"attack: negative":     {url.Values{"current": {password}, "days": {"-1"}}, "1 to 30 days"},
	} {
		t.Run(name, func(*testing.T) {
			if s := olga.post(path, c.form); s.StatusCode != 400 || !strings.Contains(s.text, c.want) {
				t.Errorf("status %d, and no %q:\n%s", s.StatusCode, c.want, s.text)
			}
		})
	}
	if s := olga.post(path, url.Values{"current": {password}, "server": {"none"}}); s.StatusCode != 404 {
		t.Errorf("an unknown server: status %d", s.StatusCode)
	}
	mia := w.browser().signIn("mia")
	for _, to := range []string{path, path + "/1/revoke"} {
		if s := mia.post(to, url.Values{"current": {password}}); s.StatusCode != 403 {
			t.Errorf("attack: a member at %s: status %d", to, s.StatusCode)
		}
	}
	if page := olga.asks(path + "/1/revoke"); !strings.Contains(page, "Revoke invitation 1?") {
		t.Error(page)
	}
	olga.refused(path+"/1/revoke", "password is not right", "sure", "1", "current", "a guess")
	olga.wantTo(olga.post(path+"/1/revoke", url.Values{"sure": {"1"}, "current": {password}}), path+"?done=uninvited")
	olga.wantPage(olga.get(path+"?done=uninvited"), 200, "does not work any more", "None.")
	if s := olga.post(path+"/1/revoke", nil); s.StatusCode != 404 {
		t.Errorf("revoking again: status %d", s.StatusCode)
	}
	b := w.browser()
	b.get(link)
	b.wantPage(b.get("/invitation"), 403, "was revoked")
}

// Attack: a request with another Host header puts another site into a link that an admin
// shares.
func TestLinksOfAnotherHost(t *testing.T) {
	own := []source.Connection{{URI: "http://192.0.2.7:32400", Local: true}, {URI: "http://127.0.0.1:32400", Local: true}}
	for name, c := range map[string]struct{ publicURL, host, want string }{
		"the public URL":               {"https://usher.example.org", "evil.example", "https://usher.example.org"},
		"the public URL with a path":   {"https://example.org/usher/", "evil.example", "https://example.org/usher"},
		"this server's second address": {"", "127.0.0.1:32400", "http://127.0.0.1:32400"},
		"this computer":                {"", "localhost:32400", "http://localhost:32400"},
		"another site":                 {"", "evil.example", "http://192.0.2.7:32400"},
		"another port":                 {"", "192.0.2.7:666", "http://192.0.2.7:32400"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(cfg *config) {
				cfg.Self.Connections = own
				cfg.Server.PublicURL = c.publicURL
			})
			olga := w.AddAdmin("olga")
			form := url.Values{"current": {password}}
			for _, path := range []string{"/admin/invitations", "/admin/accounts/2/second-factor"} {
				w.Add("a" + path[len(path)-3:])
				if got := w.linkAt(olga, c.host, path, form); !strings.HasPrefix(got, c.want+"/") {
					t.Errorf("%s: the link is %s, want one at %s", path, got, c.want)
				}
			}
		})
	}
}

// linkAt posts a form with a Host, signed in as an admin, and returns the link that
// the page shows.
func (w *fixture) linkAt(as account.Account, host, path string, form url.Values) string {
	w.Helper()
	verified, err := w.Accounts.Verify(w.Context(), operator, account.Credentials{Login: as.Username, Password: password})
	w.must(err)
	secret, _, err := w.Sessions.Start(w.Context(), operator, verified.Proof, true, "browser")
	w.must(err)
	b := w.browser()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	w.must(err)
	req.Host = host
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, name := range []string{"usher_session", "__Host-usher_session", "__Secure-usher_session"} {
		req.AddCookie(&http.Cookie{Name: name, Value: string(secret)})
	}
	res, err := b.Do(req)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	text := string(body)
	m := shownLink.FindStringSubmatch(text)
	if m == nil {
		w.Fatalf("status %d, and no link:\n%s", res.StatusCode, text)
	}
	return m[1]
}

// Every secret of an invitation is valid for one page only.
func TestInvitationIsNoSession(t *testing.T) {
	w := newTown(t)
	secret, _, err := w.Invites.Make(t.Context(), operator, invite.New{})
	w.must(err)
	b := w.browser()
	s := b.get("/invitation?key=" + string(secret))
	for _, c := range s.Cookies() {
		if c.Path != "/invitation" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie is %s", c)
		}
	}
	b.wantTo(b.get("/account"), "/auth?next=%2Faccount")
}
